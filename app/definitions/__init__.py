"""Data: definitions of the standard and of the clinic, each with its provenance beside it."""

"""The rules applied to stored things: no HTTP, no SQL."""

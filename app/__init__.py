"""Rapport: a secure FHIR R4 backend for tracking the therapeutic alliance."""

"""Rapport: a secure FHIR R4 backend for tracking the therapeutic alliance."""

__version__ = "0.1.0"

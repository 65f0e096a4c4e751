"""The audit log in FHIR's words: a record, its AuditEvent, and the leaf that proves it."""

"""The FHIR API as an OpenAPI 3.1 document: https://spec.openapis.org/oas/v3.1.0."""

from app.fhir.openapi.document import document

__all__ = ["document"]

"""What happens that is recorded, and how each event is named in an AuditEvent.

A record holds a key of ``KINDS``; type, subtype, action and BALP profile follow from it. A
kind is never changed or removed: records name it for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from app.fhir.json import Tree

DCM = "http://dicom.nema.org/resources/ontology/DCM"
REST = "http://hl7.org/fhir/restful-interaction"
OURS = "https://rapport.example.org/CodeSystem/audit-event"


class Shape(Enum):
    """Which agents and entities an event has."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    QUERY = "query"
    CONSENT = "consent"
    SECURITY = "security"
    INTERNAL = "internal"  # done by the server itself, for nobody's request


@dataclass(frozen=True, slots=True)
class Kind:
    """Type, subtype and action of an event, and the BALP profile of its successes."""

    type: Tree
    subtype: Tree
    action: str
    shape: Shape
    profile: str = ""


def _coding(system: str, code: str, display: str) -> Tree:
    return {"system": system, "code": code, "display": display}


_REST_TYPE = _coding(
    "http://terminology.hl7.org/CodeSystem/audit-event-type", "rest", "Restful Operation"
)
_AUTHENTICATION = _coding(DCM, "110114", "User Authentication")
_ALERT = _coding(DCM, "110113", "Security Alert")
_EXPORT = _coding(DCM, "110106", "Export")
_IMPORT = _coding(DCM, "110107", "Import")
_LOG_USED = _coding(DCM, "110101", "Audit Log Used")


def _rest(interaction: str, action: str, shape: Shape, profile: str = "") -> Kind:
    return Kind(_REST_TYPE, _coding(REST, interaction, interaction), action, shape, profile)


def _dicom(type: Tree, code: str, display: str, shape: Shape = Shape.SECURITY) -> Kind:
    return Kind(type, _coding(DCM, code, display), "E", shape)


def _ours(type: Tree, code: str, display: str, shape: Shape = Shape.SECURITY) -> Kind:
    return Kind(type, _coding(OURS, code, display), "E", shape)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "read": _rest("read", "R", Shape.READ, "Read"),
        "vread": _rest("vread", "R", Shape.READ, "Read"),
        "history-instance": _rest("history-instance", "R", Shape.READ, "Read"),
        "create": _rest("create", "C", Shape.WRITE, "Create"),
        "update": _rest("update", "U", Shape.WRITE, "Update"),
        "patch": _rest("patch", "U", Shape.WRITE, "Update"),
        "delete": _rest("delete", "D", Shape.DELETE, "Delete"),
        "search-type": _rest("search-type", "E", Shape.QUERY, "Query"),
        "search-system": _rest("search-system", "E", Shape.QUERY, "Query"),
        "history-type": _rest("history-type", "E", Shape.QUERY, "Query"),
        "history-system": _rest("history-system", "E", Shape.QUERY, "Query"),
        "operation": _rest("operation", "E", Shape.QUERY, "Query"),
        "batch": _rest("batch", "E", Shape.QUERY),
        "transaction": _rest("transaction", "E", Shape.QUERY),
        # Refused before it was known what was asked for.
        "request": _ours(_REST_TYPE, "request", "Request refused as it came", Shape.QUERY),
        "capabilities": _rest("capabilities", "R", Shape.QUERY),
        "consent-decision": Kind(
            _ALERT,
            {
                "system": "https://profiles.ihe.net/ITI/BALP/CodeSystem/AuthZsubType",
                "code": "AuthZ-Consent",
            },
            "E",
            Shape.CONSENT,
            "AuthZconsent",
        ),
        "token-issued": Kind(
            _AUTHENTICATION,
            _coding("urn:ihe:event-type-code", "ITI-71", "Get Access Token"),
            "E",
            Shape.SECURITY,
        ),
        "token-refreshed": _ours(_AUTHENTICATION, "token-refreshed", "Access token refreshed"),
        "token-revoked": _ours(_AUTHENTICATION, "token-revoked", "Token revoked"),
        "token-introspected": _ours(_AUTHENTICATION, "token-introspected", "Token examined"),
        "unauthenticated": _ours(_AUTHENTICATION, "unauthenticated", "No valid token"),
        "code-reused": _ours(_ALERT, "code-reused", "Authorization code used again"),
        "refresh-reused": _ours(_ALERT, "refresh-reused", "Refresh token used again"),
        "authorization": _ours(_AUTHENTICATION, "authorization", "Client authorized by a user"),
        "launch-created": _ours(_AUTHENTICATION, "launch-created", "Launch context created"),
        "login": _dicom(_AUTHENTICATION, "110122", "Login"),
        "logout": _dicom(_AUTHENTICATION, "110123", "Logout"),
        "second-factor-added": _ours(_ALERT, "second-factor-added", "Second factor added"),
        "second-factor-removed": _ours(_ALERT, "second-factor-removed", "Second factor removed"),
        "recovery-code-used": _ours(_ALERT, "recovery-code-used", "Recovery code used"),
        "password-changed": _ours(_ALERT, "password-changed", "Password changed"),
        "reset-requested": _ours(_ALERT, "reset-requested", "Password reset requested"),
        "invitation-created": _ours(_ALERT, "invitation-created", "Invitation created"),
        "invitation-accepted": _ours(_ALERT, "invitation-accepted", "Invitation accepted"),
        "account-created": _ours(_ALERT, "account-created", "Account created"),
        "account-changed": _dicom(_ALERT, "110137", "User Security Attributes Changed"),
        "account-disabled": _ours(_ALERT, "account-disabled", "Account disabled"),
        "client-registered": _ours(_ALERT, "client-registered", "Client registered"),
        "client-changed": _ours(_ALERT, "client-changed", "Client changed"),
        "policy-changed": _ours(_ALERT, "policy-changed", "Privacy policy changed"),
        "provider-changed": _ours(_ALERT, "provider-changed", "Identity provider changed"),
        "break-glass": _dicom(_ALERT, "110127", "Emergency Override Started"),
        "break-glass-ended": _dicom(_ALERT, "110128", "Emergency Override Stopped"),
        "role-changed": _dicom(_ALERT, "110136", "Security Roles Changed"),
        "key-used": _dicom(_ALERT, "110132", "Use of Restricted Function"),
        "key-rotated": _ours(_ALERT, "key-rotated", "Key rotated"),
        "key-destroyed": _ours(_ALERT, "key-destroyed", "Key destroyed"),
        "destruction-asked": _ours(_ALERT, "destruction-asked", "Key destruction asked for"),
        "hold-placed": _ours(_ALERT, "hold-placed", "Legal hold placed"),
        "hold-released": _ours(_ALERT, "hold-released", "Legal hold released"),
        "retention-changed": _ours(_ALERT, "retention-changed", "Retention time changed"),
        "settings-changed": _dicom(_ALERT, "110131", "Software Configuration"),
        "clock-set-back": _ours(_ALERT, "clock-set-back", "Clock set back", Shape.INTERNAL),
        "alert": _ours(_ALERT, "alert", "Unusual access", Shape.INTERNAL),
        "export-started": _ours(_EXPORT, "export-started", "Export started", Shape.QUERY),
        "export-finished": _ours(_EXPORT, "export-finished", "Export finished", Shape.INTERNAL),
        "export-downloaded": _ours(_EXPORT, "export-downloaded", "Export downloaded", Shape.READ),
        "backup-written": _ours(_EXPORT, "backup-written", "Backup written", Shape.INTERNAL),
        "backup-restored": _ours(_IMPORT, "backup-restored", "Backup restored", Shape.INTERNAL),
        "rescored": _ours(_ALERT, "rescored", "Responses scored again", Shape.INTERNAL),
        "notification": _ours(
            _EXPORT, "notification", "Subscription notification delivered", Shape.INTERNAL
        ),
        "audit-used": _ours(_LOG_USED, "audit-used", "Audit log read", Shape.QUERY),
        "audit-exported": _ours(_LOG_USED, "audit-exported", "Audit log exported", Shape.QUERY),
        "log-restored": _ours(_ALERT, "log-restored", "Audit log set back", Shape.INTERNAL),
        "audit-retained": _ours(
            _LOG_USED, "audit-retained", "Audit records past retention removed", Shape.INTERNAL
        ),
    }
)


def of_shape(*shapes: Shape) -> frozenset[str]:
    """The kinds that have one of these shapes."""
    return frozenset(name for name, kind in KINDS.items() if kind.shape in shapes)

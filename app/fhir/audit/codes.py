"""The codes that AuditEvents are made of. Shared by every event: never changed in place."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from app.fhir.audit.kinds import DCM, Shape
from app.fhir.json import Tree

BALP = "https://profiles.ihe.net/ITI/BALP"
RAPPORT = "https://rapport.example.org"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
JTI = "urn:ietf:params:oauth:jti:"

ENTITY_TYPE = f"{TERMINOLOGY}/audit-entity-type"
OBJECT_ROLE = f"{TERMINOLOGY}/object-role"
PARTICIPATION = f"{TERMINOLOGY}/v3-ParticipationType"
ACT_REASON = f"{TERMINOLOGY}/v3-ActReason"
SOURCE_TYPE = f"{TERMINOLOGY}/security-source-type"
RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
BALP_ENTITY = f"{BALP}/CodeSystem/BasicAuditEntityType"
BALP_AGENT = f"{BALP}/CodeSystem/UserAgentTypes"
OUR_ENTITY = f"{RAPPORT}/CodeSystem/audit-entity"
OUR_ROLE = f"{RAPPORT}/CodeSystem/role"


def coding(system: str, code: str, display: str = "") -> Tree:
    """A Coding."""
    found = {"system": system, "code": code}
    return found | {"display": display} if display else found


def concept(system: str, code: str, display: str = "") -> Tree:
    """A CodeableConcept of one Coding."""
    return {"coding": [coding(system, code, display)]}


APPLICATION_SERVER = coding(SOURCE_TYPE, "4", "Application Server")
SECURITY_SERVER = coding(SOURCE_TYPE, "6", "Security Server")

# Agents.
SERVER: Tree = {"display": "Rapport"}
SOURCE_ROLE = concept(DCM, "110153", "Source Role ID")
DESTINATION_ROLE = concept(DCM, "110152", "Destination Role ID")
APPLICATION = concept(DCM, "110150", "Application")
CUSTODIAN = concept(f"{TERMINOLOGY}/provenance-participant-type", "custodian", "Custodian")
RECIPIENT = concept(PARTICIPATION, "IRCP", "information recipient")
AUTHOR = concept(PARTICIPATION, "AUT", "author (originator)")
AUTHORIZER = concept(f"{TERMINOLOGY}/extra-security-role-type", "authserver")
PROVIDER = concept(f"{TERMINOLOGY}/v3-RoleClass", "PROV", "healthcare provider")
TOKEN_SERVICE = concept(BALP_AGENT, "AuthzOauthService")
TOKEN_HOLDER = concept(BALP_AGENT, "UserOauthAgent")

# The types of the client's, the server's and the user's agent.
AGENT_TYPES: Mapping[Shape, tuple[Tree, Tree, Tree]] = MappingProxyType(
    {
        Shape.READ: (DESTINATION_ROLE, SOURCE_ROLE, RECIPIENT),
        Shape.WRITE: (SOURCE_ROLE, DESTINATION_ROLE, AUTHOR),
        Shape.DELETE: (APPLICATION, CUSTODIAN, AUTHOR),
        Shape.QUERY: (SOURCE_ROLE, DESTINATION_ROLE, RECIPIENT),
        Shape.CONSENT: (APPLICATION, AUTHORIZER, RECIPIENT),
        Shape.SECURITY: (APPLICATION, TOKEN_SERVICE, RECIPIENT),
        Shape.INTERNAL: (APPLICATION, SOURCE_ROLE, RECIPIENT),
    }
)

# Entities.
OBJECT = coding(ENTITY_TYPE, "2", "System Object")
PERSON = coding(ENTITY_TYPE, "1", "Person")
DATA = coding(OBJECT_ROLE, "4", "Domain Resource")
JOB = coding(OBJECT_ROLE, "20", "Job")
QUERY = coding(OBJECT_ROLE, "24", "Query")
PATIENT = coding(OBJECT_ROLE, "1", "Patient")
CONSENT = coding(RESOURCE_TYPES, "Consent", "Consent")
OUTCOME = coding(RESOURCE_TYPES, "OperationOutcome", "OperationOutcome")
TRANSACTION = coding(BALP_ENTITY, "XrequestId")
TOKEN = coding(BALP_AGENT, "UserOauthAgent")
DECISION = coding(OUR_ENTITY, "access-decision", "Why it was allowed or refused")
DETAIL = coding(OUR_ENTITY, "detail", "Detail of the event")

# What an outcomeDesc says; other codes speak for themselves.
REASONS: Mapping[str, str] = MappingProxyType(
    {
        "forbidden": "not permitted",
        "login": "no valid token",
        "security": "refused",
        "not-found": "no such resource is visible to the caller",
        "conflict": "in conflict with the stored version",
        "throttled": "too many requests",
        "transient": "not available",
        "exception": "failed",
        "consent": "a consent denies this access",
    }
)

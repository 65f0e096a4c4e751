"""The AuditEvent of a record, and what the tree commits to.

https://hl7.org/fhir/R4/auditevent.html in the shapes of IHE Basic Audit Log Patterns
(https://profiles.ihe.net/ITI/BALP).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping

import orjson

from app.core.clock import format_instant
from app.fhir import json
from app.fhir.audit import codes
from app.fhir.audit.agents import agents_of
from app.fhir.audit.kinds import KINDS, Kind, Shape
from app.fhir.audit.record import SUCCESS, AuditRecord
from app.fhir.json import Tree
from app.fhir.registry import REGISTRY

SALT_EXTENSION = f"{codes.RAPPORT}/StructureDefinition/audit-salt"


def render(record: AuditRecord) -> Tree:
    """The AuditEvent, with the salt that opens its commitment."""
    salt = base64.b64encode(record.salt).decode()
    return _event(record) | {"extension": [{"url": SALT_EXTENSION, "valueBase64Binary": salt}]}


def as_told(text: bytes) -> bytes:
    """The text of an AuditEvent for whom it is about, and others who do not see the whole log.

    Without its salt, and of a request no more than what kind it was: whom else it was about,
    a partner for one, is not theirs to know.
    """
    tree = json.parse_resource(text)
    tree.pop("extension", None)
    for entity in tree.get("entity", ()):
        if "query" in entity:
            asked = _kind_of(base64.b64decode(entity["query"]).decode())
            entity["query"] = base64.b64encode(asked.encode()).decode()
    return json.dumps(tree)


def _kind_of(request: str) -> str:
    """The method and the address of a request, with nothing in it that is anybody's."""
    method, _, target = request.partition("\n")[0].partition(" ")
    path, mark, _ = target.partition("?")
    segments = [each if _names_a_kind(each) else LEFT_OUT for each in path.split("/")]
    return f"{method} {'/'.join(segments)}{f'{mark}{LEFT_OUT}' if mark else ''}".strip()


def _names_a_kind(segment: str) -> bool:
    return segment in REGISTRY or segment in _PLACES or _OPERATION.fullmatch(segment) is not None


_PLACES = frozenset(("", "fhir", "_search", "_history", "cds-services"))
_OPERATION = re.compile(r"\$[a-z\-]{1,40}", re.ASCII)
LEFT_OUT = "***"


def canonical(record: AuditRecord) -> bytes:
    """The canonical AuditEvent: members by name, no white space, UTF-8, without its salt."""
    return orjson.dumps(_event(record), option=orjson.OPT_SORT_KEYS)


def commitment(record: AuditRecord) -> bytes:
    """SHA-256 of the salt and the canonical event: binds to it, tells nothing of it."""
    return hashlib.sha256(record.salt + canonical(record)).digest()


def _event(record: AuditRecord) -> Tree:
    kind = KINDS[record.event]
    when = format_instant(record.recorded)
    meta: Tree = {"versionId": "1", "lastUpdated": when}
    profiles = _profiles(record, kind)
    if profiles:
        meta["profile"] = profiles
    security = kind.shape in (Shape.SECURITY, Shape.CONSENT)
    tree: Tree = {
        "resourceType": "AuditEvent",
        "id": record.id,
        "meta": meta,
        "type": kind.type,
        "subtype": [kind.subtype],
        "action": kind.action,
        "recorded": when,
        "outcome": record.outcome,
    }
    if record.reason is not None:
        tree["outcomeDesc"] = codes.REASONS.get(record.reason, record.reason)
    tree["agent"] = agents_of(record, kind)
    tree["source"] = {
        "site": record.site,
        "observer": codes.SERVER,
        "type": [codes.SECURITY_SERVER if security else codes.APPLICATION_SERVER],
    }
    entities = _what(record, kind)
    if kind.shape is Shape.CONSENT:
        entities += _consent_evidence(record)
    else:
        entities += _circumstances(record)
    if entities:
        tree["entity"] = entities
    return tree


def _profiles(record: AuditRecord, kind: Kind) -> list[str]:
    # A failure has the shape of its interaction, but no profile: those are for successes.
    if record.outcome != SUCCESS and kind.shape is not Shape.CONSENT:
        return []
    if not kind.profile or not (record.entity or record.query or record.consent):
        return []
    base = f"{codes.BALP}/StructureDefinition/IHE.BasicAudit."
    if kind.shape is Shape.CONSENT:
        return [base + kind.profile]
    if kind.shape is not Shape.QUERY and (record.entity is None or record.query is not None):
        return []
    profiles = [base + ("Patient" if record.patient is not None else "") + kind.profile]
    if record.client is not None:
        use = "Minimal" if kind.shape is Shape.DELETE else "Comprehensive"
        profiles.append(f"{base}OAUTHaccessTokenUse.{use}")
    return profiles


def _what(record: AuditRecord, kind: Kind) -> list[Tree]:
    """What was asked or touched, and whose it is."""
    entities: list[Tree] = []
    if record.query is not None:
        query = base64.b64encode(record.query.encode()).decode()
        entities.append({"type": codes.OBJECT, "role": codes.QUERY, "query": query})
    if record.entity is not None or record.entity_name is not None:
        role = codes.JOB if kind.shape is Shape.INTERNAL else codes.DATA
        data: Tree = {"type": codes.OBJECT, "role": role}
        if record.entity is not None:
            data["what"] = _reference(record.entity, record.entity_version)
        if record.entity_name is not None:
            data["name"] = record.entity_name
        entities.append(data)
    if record.patient is not None:
        what = _reference(f"Patient/{record.patient}")
        entities.append({"type": codes.PERSON, "role": codes.PATIENT, "what": what})
    return entities


def _circumstances(record: AuditRecord) -> list[Tree]:
    """By which request, how it failed, why it was allowed, and the rest."""
    entities: list[Tree] = []
    if record.request is not None:
        identifier = {"identifier": {"value": record.request}}
        entities.append({"type": codes.TRANSACTION, "what": identifier})
    if record.reason is not None:
        entities.append({"type": codes.OUTCOME, **_pairs({"code": record.reason})})
    if record.decision is not None:
        because: Tree = {"type": codes.DECISION}
        if record.consent is not None:
            reference = _reference(record.consent, record.consent_version)
            because = {"type": codes.CONSENT, "what": reference}
        entities.append({**because, **_pairs(_grounds(record))})
    if record.detail is not None:
        entities.append({"type": codes.DETAIL, **_pairs(orjson.loads(record.detail))})
    return entities


def _consent_evidence(record: AuditRecord) -> list[Tree]:
    """The Consent and the token, the only other entities that AuthZconsent has."""
    entities: list[Tree] = []
    if record.consent is not None:
        reference = _reference(record.consent, record.consent_version)
        entities.append({"type": codes.CONSENT, "what": reference, **_pairs(_grounds(record))})
    if record.token is not None:
        identifier = {"identifier": {"value": codes.JTI + record.token}}
        entities.append({"type": codes.TOKEN, "what": identifier})
    return entities


def _grounds(record: AuditRecord) -> Mapping[str, str | None]:
    return {
        "decision": record.decision,
        "basis": record.basis,
        "provision": record.provision,
    }


def _pairs(values: Mapping[str, str | None]) -> Tree:
    pairs = [{"type": key, "valueString": value} for key, value in sorted(values.items()) if value]
    return {"detail": pairs} if pairs else {}


def _reference(reference: str, version: int | None = None) -> Tree:
    return {"reference": reference if version is None else f"{reference}/_history/{version}"}

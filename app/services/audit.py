"""Who did what to which record, when and why: the records of the audit log, from facts.

Only building; the unit of work stores what is built here (``repositories/audit_log.py``).
Records hold no clinical value but those of a search's own text, which an AuditEvent carries
in base64.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson

from app.core.clock import Clock
from app.core.errors import AppError, Category
from app.core.ids import IdSource
from app.fhir.audit.kinds import KINDS, Shape
from app.fhir.audit.record import MAJOR, MINOR, SERIOUS, SUCCESS, AuditRecord
from app.fhir.registry import by_code
from app.repositories.resources import StoredVersion
from app.security.ports import EventName, SecurityEvent
from app.security.principal import Principal

INSTALLATION = 0  # the tenant of what nobody's token says whose it is
_LONGEST_QUERY = 16 * 1024
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_TYPE = re.compile(r"[A-Za-z]{1,40}")


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """The request as it came: ``target`` is its path and query as the client wrote them."""

    request_id: str
    address: str | None
    method: str
    target: str


@dataclass(frozen=True, slots=True)
class Grounds:
    """On what an access decision rested: a role, a scope, a care relationship, a Consent.

    ``basis`` is one of role scope care-relationship consent label partner tenant break-glass;
    ``consent`` a relative reference, ``provision`` the FHIRPath of the rule that decided.
    """

    basis: str
    decision: str = "permit"
    consent: str | None = None
    consent_version: int | None = None
    provision: str | None = None


class Audit:
    """Builds records. ``site`` is the FHIR base that this server answers at."""

    def __init__(self, *, clock: Clock, ids: IdSource, site: str) -> None:
        self._clock = clock
        self._ids = ids
        self._site = site

    def success(
        self,
        principal: Principal,
        facts: RequestFacts | None,
        *,
        interaction: str,
        touched: Sequence[StoredVersion] = (),
        query: Sequence[tuple[str, str]] = (),
        grounds: Grounds | None = None,
        detail: Mapping[str, str] | None = None,
    ) -> Sequence[AuditRecord]:
        """What an interaction did: one record for each patient, for each resource written.

        ``interaction`` is a code of restful-interaction, or an operation's name. A search is
        told by its query, not by what it found; ``facts`` is None where the server acts.
        """
        event = interaction if interaction in KINDS else "operation"
        fields = _grounds(grounds) | {"detail": _detail(detail, grounds)}
        if KINDS[event].shape is Shape.QUERY or not touched:
            whose = [id for version in touched for id in version.patients]
            asked = _query(facts, query, interaction)
            return self._of_caller(event, principal, facts, whose, query=asked, **fields)
        records: list[AuditRecord] = []
        for entity, number, patients in _each(touched):
            records += self._of_caller(
                event,
                principal,
                facts,
                patients,
                entity=entity,
                entity_version=number,
                **fields,
            )
        return records

    def refusal(
        self,
        principal: Principal,
        facts: RequestFacts,
        *,
        interaction: str,
        refusal: AppError,
        target: tuple[str | None, str | None] = (None, None),
        query: Sequence[tuple[str, str]] = (),
        grounds: Grounds | None = None,
    ) -> Sequence[AuditRecord]:
        """A request that was refused or failed; its caller's token was good."""
        event = interaction if interaction in KINDS else "operation"
        entity = _entity(*target)
        about = entity is not None and KINDS[event].shape is not Shape.QUERY
        return self._of_caller(
            event,
            principal,
            facts,
            [entity.removeprefix("Patient/")] if entity and entity.startswith("Patient/") else [],
            outcome=_outcome(refusal.category),
            reason=clean(refusal.issues[0].code) if refusal.issues else str(refusal.category),
            entity=entity,
            query=None if about else _query(facts, query, interaction),
            detail=_detail(None, grounds),
            **_grounds(grounds),
        )

    def event(
        self,
        event: str,
        principal: Principal,
        facts: RequestFacts | None = None,
        *,
        entity: str | None = None,
        version: int | None = None,
        name: str | None = None,
        patients: Iterable[str] = (),
        outcome: str = SUCCESS,
        detail: Mapping[str, str] | None = None,
    ) -> Sequence[AuditRecord]:
        """Any other thing that a caller did: a key of ``KINDS``, such as ``break-glass``."""
        asked = KINDS[event].shape is Shape.QUERY and facts is not None
        return self._of_caller(
            event,
            principal,
            facts,
            patients,
            outcome=outcome,
            entity=entity,
            entity_version=version,
            entity_name=clean(name),
            query=_query(facts, (), event) if asked else None,
            detail=_detail(detail),
        )

    def consent_decision(
        self,
        principal: Principal,
        facts: RequestFacts | None,
        *,
        patient: str,
        grounds: Grounds,
        organization: str | None = None,
    ) -> AuditRecord:
        """That a Consent permitted or denied a caller (BALP AuthZconsent)."""
        denied = grounds.decision == "deny"
        extra = {"organization": organization} if organization else None
        return self._of_caller(
            "consent-decision",
            principal,
            facts,
            [patient],
            outcome=SERIOUS if denied else SUCCESS,
            reason="consent" if denied else None,
            detail=_detail(extra, grounds),
            **_grounds(grounds),
        )[0]

    def unauthenticated(
        self, *, address: str | None, reason: str, count: int = 1, at: int | None = None
    ) -> AuditRecord:
        """Requests without a valid token: ``count`` from one address within a second.

        Nobody knows whose they are, so the record says nothing of what they asked for.
        """
        return self._record(
            "unauthenticated",
            tenant=INSTALLATION,
            at=at,
            outcome=SERIOUS,
            reason="login",
            address=clean(address),
            detail=_detail({"count": str(count), "reason": reason}),
        )

    def security(self, event: SecurityEvent) -> AuditRecord:
        """What happened at the door: log-in, tokens, accounts, clients, keys."""
        refused = event.outcome == "refused"
        return self._record(
            _SECURITY.get(event.name, event.name.value),
            tenant=INSTALLATION if event.tenant is None else event.tenant,
            at=event.at,
            outcome=SERIOUS if refused else SUCCESS,
            reason="security" if refused else None,
            subject=event.subject,
            client=clean(event.client_id),
            address=clean(event.address),
            request=clean(event.request_id),
            detail=_detail({"reason": event.reason}),
        )

    def internal(
        self,
        event: str,
        *,
        tenant: int,
        entity: str | None = None,
        name: str | None = None,
        patient: str | None = None,
        detail: Mapping[str, str] | None = None,
        outcome: str = SUCCESS,
    ) -> AuditRecord:
        """What the server did by itself: an alert, a delivery, a rotation."""
        return self._record(
            event,
            tenant=tenant,
            outcome=outcome,
            entity=entity,
            entity_name=clean(name),
            patient=patient,
            detail=_detail(detail),
        )

    def _of_caller(
        self,
        event: str,
        principal: Principal,
        facts: RequestFacts | None,
        patients: Iterable[str],
        **fields: Any,
    ) -> list[AuditRecord]:
        if facts is not None:
            fields |= {"address": clean(facts.address), "request": clean(facts.request_id)}
        own = self._site.startswith(principal.issuer)
        fields |= {
            "tenant": principal.tenant,
            "actor": principal.actor or None,
            "subject": principal.subject or None,
            "role": principal.role or None,
            "client": principal.client_id or None,
            "issuer": None if own else principal.issuer,
            "token": principal.token_id or None,
            "purpose": principal.purpose or None,
            "name" if principal.is_person else "client_name": clean(principal.name),
        }
        each: tuple[str | None, ...] = tuple(dict.fromkeys(patients)) or (None,)
        return [self._record(event, patient=patient, **fields) for patient in each]

    def _record(
        self, event: str, *, tenant: int, at: int | None = None, **fields: Any
    ) -> AuditRecord:
        random = self._ids.random(24)
        return AuditRecord(
            tenant=tenant,
            recorded=self._clock.now() if at is None else at,
            aid=int.from_bytes(random[:8], "big") >> 1,
            salt=random[8:],
            site=self._site,
            event=event,
            **fields,
        )


# A refusal at the door is the failed kind of what was asked for.
_SECURITY: Mapping[EventName, str] = {
    EventName.TOKEN_REFUSED: "token-issued",
    EventName.TOKEN_REJECTED: "unauthenticated",
    EventName.AUTHORIZATION_GRANTED: "authorization",
    EventName.AUTHORIZATION_DENIED: "authorization",
    EventName.LOGIN_FAILED: "login",
    EventName.LOGIN_THROTTLED: "login",
}


def clean(text: str | None) -> str | None:
    """The text without characters that could forge a line or hide another; None if empty."""
    if not text or text.isprintable():
        return text or None
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _each(touched: Sequence[StoredVersion]) -> Iterable[tuple[str, int | None, Iterable[str]]]:
    """Each resource once: its reference, its version unless several, its patients."""
    resources: dict[str, list[StoredVersion]] = {}
    for version in touched:
        resources.setdefault(f"{by_code(version.kind).name}/{version.id}", []).append(version)
    for entity, versions in resources.items():
        number = versions[0].version if len(versions) == 1 else None
        yield entity, number, [id for version in versions for id in version.patients]


def _entity(type: str | None, id: str | None) -> str | None:
    # What a refused caller asked for may be no reference at all.
    if type and id and _TYPE.fullmatch(type) and _ID.fullmatch(id):
        return f"{type}/{id}"
    return None


def _outcome(category: Category) -> str:
    if category in (Category.FORBIDDEN, Category.UNAUTHENTICATED):
        return SERIOUS
    return MAJOR if category in (Category.FAULT, Category.UNAVAILABLE) else MINOR


def _query(facts: RequestFacts | None, query: Sequence[tuple[str, str]], interaction: str) -> str:
    """The request line; a POST's search parameters follow it, as its form had them."""
    if facts is None:
        return interaction
    text = f"{facts.method} {facts.target}"[:_LONGEST_QUERY]
    if query and facts.method == "POST":
        form = urlencode(query)[:_LONGEST_QUERY]
        return f"{clean(text)}\n\n{form}"
    return clean(text) or interaction


def _grounds(grounds: Grounds | None) -> dict[str, Any]:
    if grounds is None:
        return {}
    return {
        "decision": grounds.decision,
        "basis": grounds.basis,
        "consent": grounds.consent,
        "consent_version": grounds.consent_version,
    }


def _detail(values: Mapping[str, str] | None, grounds: Grounds | None = None) -> str | None:
    found = {key: clean(value) for key, value in (values or {}).items() if value}
    if grounds is not None and grounds.provision:
        found["provision"] = grounds.provision
    return orjson.dumps(found, option=orjson.OPT_SORT_KEYS).decode() if found else None

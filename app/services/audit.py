"""Who did what to which record, when and why: the records of the audit log, from facts.

Only building; the unit of work stores what is built here (``repositories/audit_log.py``).
Records hold no clinical value but those of a search's own text, which an AuditEvent carries
in base64.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from app.core.clock import Clock
from app.core.errors import AppError, Category
from app.core.ids import IdSource
from app.fhir.audit.kinds import KINDS, Shape
from app.fhir.audit.record import MAJOR, MINOR, SERIOUS, SUCCESS, AuditRecord
from app.search.found import NOBODY, Whose
from app.search.retelling import retold
from app.security.ports import EventName, SecurityEvent
from app.security.principal import Principal

HOME = 1  # whoever runs the installation: the tenant of what no token says whose it is
_LONGEST_QUERY = 16 * 1024
_REFERENCE = re.compile(r"[A-Z][A-Za-z]{0,39}/[A-Za-z0-9\-.]{1,64}")


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """The request as it came: ``target`` is path and query, ``body`` a search form's text."""

    request_id: str
    address: str | None
    method: str
    target: str
    body: str = ""


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


class AuditTrail:
    """Builds records. ``site`` is the FHIR base that this server answers at."""

    def __init__(self, *, clock: Clock, ids: IdSource, site: str) -> None:
        self._clock = clock
        self._ids = ids
        self._site = site

    def success(
        self,
        event: str,
        caller: Principal,
        facts: RequestFacts | None = None,
        *,
        entity: str | None = None,
        version: int | None = None,
        name: str | None = None,
        whose: Whose = NOBODY,
        grounds: Grounds | None = None,
        opened: Mapping[str, Grounds] | None = None,
        detail: Mapping[str, str] | None = None,
    ) -> Sequence[AuditRecord]:
        """What a caller did: one record for each patient, or one where there is none.

        Of what is a couple's each member has one, which names the couple where no row is named;
        so it is with a row of several people, which is named itself. ``event`` is an interaction
        or another key of ``KINDS``. A search is told by its query, not by what it found.
        ``facts`` is None where the server acts for the caller; ``opened`` are the grounds on
        which what was found of single patients was seen.
        """
        asked = KINDS[event].shape is Shape.QUERY or (entity is None and name is None)
        return self._of_caller(
            event,
            caller,
            facts,
            whose,
            opened=opened,
            entity=None if asked else entity,
            entity_version=None if asked else version,
            entity_name=clean(name),
            query=_query(facts, event) if asked else None,
            detail=_detail(detail),
            **_grounds(grounds),
        )

    def failure(
        self,
        event: str,
        caller: Principal,
        facts: RequestFacts,
        *,
        error: AppError,
        entity: str | None = None,
        whose: Whose = NOBODY,
        opened: Mapping[str, Grounds] | None = None,
    ) -> Sequence[AuditRecord]:
        """A request that was refused or failed; its caller's token was good.

        ``entity`` is what the request asked for, which may be no reference at all.
        """
        known = entity is not None and _REFERENCE.fullmatch(entity) is not None
        asked = KINDS[event].shape is Shape.QUERY or not known
        return self._of_caller(
            event,
            caller,
            facts,
            whose,
            opened=opened,
            outcome=_outcome(error.category),
            reason=clean(error.issues[0].code) if error.issues else str(error.category),
            entity=None if asked else entity,
            query=_query(facts, event) if asked else None,
        )

    def emergency_ended(self, began: AuditRecord) -> AuditRecord:
        """That the emergency of which ``began`` tells is over since it said that it would be.

        It is told of who declared it, though no request of theirs ends it.
        """
        ended = orjson.loads(began.detail or "{}").get("expires", "")
        return self._record(
            "break-glass-ended",
            tenant=began.tenant,
            actor=began.actor,
            subject=began.subject,
            name=began.name,
            role=began.role,
            client=began.client,
            client_name=began.client_name,
            issuer=began.issuer,
            purpose=began.purpose,
            entity=began.entity,
            patient=began.patient,
            detail=_detail({"began": f"AuditEvent/{began.id}", "ended": ended}),
        )

    def consent_decision(
        self,
        caller: Principal,
        facts: RequestFacts | None,
        *,
        patient: str,
        grounds: Grounds,
        organization: str | None = None,
    ) -> AuditRecord:
        """That a Consent permitted or denied a caller (BALP AuthZconsent)."""
        denied = grounds.decision == "deny"
        return self._of_caller(
            "consent-decision",
            caller,
            facts,
            Whose((patient,)),
            outcome=SERIOUS if denied else SUCCESS,
            reason="consent" if denied else None,
            organization=organization,
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
            tenant=HOME,
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
            tenant=HOME if event.tenant is None else event.tenant,
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
        version: int | None = None,
        name: str | None = None,
        patient: str | None = None,
        detail: Mapping[str, str] | None = None,
        outcome: str = SUCCESS,
    ) -> AuditRecord:
        """What the server did by itself: a reaction's write, an alert, a delivery."""
        return self._record(
            event,
            tenant=tenant,
            outcome=outcome,
            entity=entity,
            entity_version=version,
            entity_name=clean(name),
            patient=patient,
            detail=_detail(detail),
        )

    def _of_caller(
        self,
        event: str,
        caller: Principal,
        facts: RequestFacts | None,
        whose: Whose,
        *,
        opened: Mapping[str, Grounds] | None = None,
        **fields: Any,
    ) -> list[AuditRecord]:
        if facts is not None:
            fields |= {"address": clean(facts.address), "request": clean(facts.request_id)}
        own = self._site.startswith(caller.issuer)
        fields |= {
            "tenant": caller.tenant,
            "actor": caller.actor or None,
            "subject": caller.subject or None,
            "role": caller.role or None,
            "client": caller.client_id or None,
            "issuer": None if own else caller.issuer,
            "token": caller.token_id or None,
            "purpose": caller.purpose or None,
            "name" if caller.is_person else "client_name": clean(caller.name),
        }
        entity = fields.get("entity")
        alone = list(whose.patients)
        if entity is not None and entity.startswith("Patient/"):
            alone.append(entity.removeprefix("Patient/"))
        about: list[tuple[str | None, str | None]] = [(patient, entity) for patient in alone]
        about += [
            (patient, entity or stands_for)
            for patient, stands_for in whose.members
            if patient not in alone and not _is_their_partner(caller, patient)
        ]
        on = opened or {}
        return [
            self._record(
                event,
                patient=patient,
                **{**fields, "entity": named, **_grounds(on.get(patient or ""))},
            )
            for patient, named in dict.fromkeys(about or [(None, entity)])
        ]

    def _record(
        self, event: str, *, tenant: int, at: int | None = None, **fields: Any
    ) -> AuditRecord:
        random = self._ids.random(24)
        now = self._clock.now() if at is None else at
        micros = now % 1000
        return AuditRecord(
            tenant=tenant,
            recorded=now - micros,
            aid=micros << 53 | int.from_bytes(random[:8], "big") >> 11,
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


def _is_their_partner(caller: Principal, patient: str) -> bool:
    """Whether a client looked at what is theirs as much as another's: no disclosure to tell of."""
    actor = caller.actor or ""
    return actor.startswith("Patient/") and actor != f"Patient/{patient}"


def _outcome(category: Category) -> str:
    if category in (Category.FORBIDDEN, Category.UNAUTHENTICATED):
        return SERIOUS
    return MAJOR if category in (Category.FAULT, Category.UNAVAILABLE) else MINOR


def _query(facts: RequestFacts | None, event: str) -> str:
    """The request as it was sent: its line, and below it the form of a POST search.

    What the search index does not show of confidential data is left out.
    """
    if facts is None:
        return event
    target, body = retold(facts.target[:_LONGEST_QUERY], facts.body[:_LONGEST_QUERY])
    line, form = clean(f"{facts.method} {target}"), clean(body)
    return f"{line}\n\n{form}" if form else line or event


def _grounds(grounds: Grounds | None) -> dict[str, Any]:
    if grounds is None:
        return {}
    return {
        "decision": grounds.decision,
        "basis": grounds.basis,
        "consent": grounds.consent,
        "consent_version": grounds.consent_version,
        "provision": grounds.provision,
    }


def _detail(values: Mapping[str, str] | None) -> str | None:
    found = {key: clean(value) for key, value in (values or {}).items() if value}
    return orjson.dumps(found, option=orjson.OPT_SORT_KEYS).decode() if found else None

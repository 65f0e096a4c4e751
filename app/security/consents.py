"""What Consents open to a caller and what they close, for ``access`` to join to its rules.

With no Consent on file the rules of the role stand alone. A Consent that denies hides rows from
everybody but the person; a permit opens rows to those whom it names, within what their role may
do at all, and to an outside system also where it names nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from app.domain import consent
from app.domain.consent import Implicit
from app.fhir.registry import REGISTRY, ResourceType
from app.search.asker import Asker, Concern, Form
from app.search.expression import Chain, Ids
from app.search.sight import Alternative, Ways
from app.search.visibility import Visible
from app.security import clearance, roles
from app.security.principal import Principal

PATIENT: Final = REGISTRY["Patient"].code
GROUP: Final = REGISTRY["Group"].code
PRACTITIONER: Final = REGISTRY["Practitioner"].code
_READ: Final = frozenset("rs")
# Consents do not close Consents: what was decided must stay within reach of who recorded it.
_NEVER_CLOSED: Final = frozenset(("Consent",))
MAY_BREAK_GLASS: Final = frozenset(("therapist", "supervisor", "clinical_lead"))


def ways(
    principal: Principal, definition: ResourceType, action: str, concern: Concern
) -> Iterator[Alternative]:
    """The ways to see rows of a type that permits and declared emergencies give."""
    if definition.store != "resource" or not is_personal(definition) or action not in _READ:
        return
    if principal.role == "client" or principal.actor is None:
        return
    if action not in roles.actions(principal.role, definition.name):
        return
    outside = principal.role == "outside_system"
    ceiling = clearance.rank(principal.role, principal.clearance)
    ceiling = min(ceiling, clearance.RANKS["R"])
    if concern.named or (outside and concern.open):
        yield Alternative(
            consent=_asker(
                principal, action, Form.PERMIT, concern, ceiling=ceiling, named=not outside
            )
        )
    if concern.glass and principal.role in MAY_BREAK_GLASS:
        yield Alternative(
            consent=_asker(principal, action, Form.GLASS, concern),
            confidentiality=clearance.RANKS["R"],
            sensitivity=clearance.in_emergency(),
        )


def but_in_emergency(sight: Visible) -> Visible:
    """What is seen without an emergency: what one alone opens is read, nothing is made of it."""

    def others(ways: Ways) -> Iterator[Alternative]:
        for way in ways:
            if way.consent is None:
                yield way
            elif way.consent.form is not Form.GLASS:
                yield replace(way, consent=replace(way.consent, glass=False))

    return sight.once(
        "but in emergency",
        lambda: replace(
            sight, grants={kind: tuple(others(ways)) for kind, ways in sight.grants.items()}
        ),
    )


def permit(principal: Principal, action: str, concern: Concern) -> Asker | None:
    """How to ask which Consents or emergencies opened rows; None where none can have."""
    outside = principal.role == "outside_system"
    glass = concern.glass and principal.role in MAY_BREAK_GLASS
    if principal.role == "client" or not (concern.named or glass or (outside and concern.open)):
        return None
    return _asker(principal, action, Form.PERMIT, replace(concern, glass=glass), named=not outside)


def joint(definition: ResourceType, patient: str) -> Iterator[Alternative]:
    """The way of a client to what is about their couple."""
    subject = definition.search.get("subject")
    if subject is not None and (not subject.targets or "Group" in subject.targets):
        couple = Chain(GROUP, "member", ((PATIENT, Ids((patient,))),))
        yield Alternative(within=(GROUP, couple))


def denials(principal: Principal, action: str, concern: Concern) -> Mapping[int, Ways]:
    """By type number, what Consents, or the clinic's policy without any, withhold from a caller."""
    client = principal.role == "client"
    forms = [Form.PARTNER] if client else [Form.REFUSAL] if concern.refused else []
    if action != "c" and not client and not leaves_open(principal, concern):
        forms.append(Form.SILENT)  # who has not said anything yet may still be written of
    ways = tuple(
        Alternative(
            consent=_asker(
                principal,
                action if action in "rscud" else "r",
                form,
                concern,
                keeps=PRACTITIONER if principal.known_as.startswith("Practitioner/") else None,
                alarmed=principal.role == "clinical_lead",
                lifted=concern.policy is Implicit.BREAK_GLASS_ONLY and concern.glass,
            )
        )
        for form in forms
    )
    return {
        definition.code: ways
        for name, definition in REGISTRY.items()
        if definition.store == "resource"
        and is_personal(definition)
        and (client or name not in _NEVER_CLOSED)
        and ways
    }


def partner(principal: Principal, concern: Concern) -> Asker:
    """How to ask which rows about others too these have not opened to a client."""
    return _asker(principal, "r", Form.PARTNER, concern)


def leaves_open(principal: Principal, concern: Concern) -> bool:
    """Whether the clinic's policy leaves to the caller what no Consent speaks of.

    What is another organization's business is opened by Consents alone, whatever the policy.
    """
    if principal.role == "outside_system":
        return True
    return consent.leaves_open(concern.policy, role=principal.role, purpose=principal.purpose)


def is_personal(definition: ResourceType) -> bool:
    """Whether rows of a type can be about a patient."""
    return (
        definition.name == "Patient"
        or "Patient" in definition.compartments
        or "patient" in definition.search
    )


def _asker(
    principal: Principal,
    action: str,
    form: Form,
    concern: Concern,
    *,
    ceiling: int = 0,
    named: bool = False,
    keeps: int | None = None,
    alarmed: bool = False,
    lifted: bool = False,
) -> Asker:
    actor = principal.known_as
    return Asker(
        form=form,
        actor=actor,
        own=actor.partition("/")[2],
        actors=concern.actors,
        action=action,
        purpose=principal.purpose,
        now=principal.at,
        ceiling=ceiling,
        named=named,
        keeps=keeps,
        alarmed=alarmed,
        opened=concern.named,
        glass=concern.glass,
        lifted=lifted,
        closing=concern.closing if form is Form.REFUSAL else None,
    )

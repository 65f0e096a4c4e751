"""What a decision about one resource rested on, for the audit log.

Only callers whom a Consent or an emergency concerns pay for the explanation; for all others the
rules of their role decided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.fhir.audit.record import AuditRecord
from app.fhir.registry import REGISTRY
from app.interactions.context import Context
from app.search.found import NOBODY, Whose
from app.search.visibility import Visible
from app.security import consents
from app.services import explaining, grounds
from app.services.audit import Grounds

_OF_INTEREST = frozenset(("consent", "break-glass"))


@dataclass(frozen=True, slots=True)
class Decided:
    """Whose the row is, and the grounds by patient (an id; empty where it is nobody's).

    Of a couple's row each is told of their own Consent or emergency, and never of the other's.
    ``records`` are those of what Consents decided about one person's row.
    """

    whose: Whose
    grounds: Mapping[str, Grounds]
    records: tuple[AuditRecord, ...]

    @property
    def told(self) -> Whose:
        """Those of them who are told."""
        return Whose(
            tuple([each for each in self.whose.patients if each in self.grounds]),
            tuple([each for each in self.whose.members if each.patient in self.grounds]),
        )

    @property
    def refuses(self) -> bool:
        """Whether it was denied."""
        return any(each.decision == "deny" for each in self.grounds.values())


async def decided(context: Context, action: str, type_name: str, id: str) -> Decided | None:
    """On what Consent or emergency a decision rested; None where on neither."""
    concern, principal = context.concern, context.principal
    concerned = concern.refused or concern.named or concern.glass
    concerned = concerned or not consents.leaves_open(principal, concern)
    if principal.role == "outside_system":
        concerned = concerned or concern.open
    if not concerned or REGISTRY[type_name].store != "resource":
        return None
    found = await explaining.explain(context.uow, principal, action, type_name, id)
    because = next((each for each in found.because if each.kind in _OF_INTEREST), None)
    if because is None:
        return None
    everything = Visible.everything(principal.tenant, reason="the log names whom it is about")
    stored = await context.uow.resources.read(REGISTRY[type_name].code, id, visible=everything)
    decisive = Grounds(
        because.kind,
        "permit" if found.permit else "deny",
        because.reference,
        because.version,
        because.provision,
    )
    whose = stored.told if stored is not None else NOBODY
    owners = (*whose.patients, *(each.patient for each in whose.members))
    by: Mapping[str, Grounds] = {
        patient: decisive
        for patient in owners or ("",)
        if because.patient in (None, patient) or not patient
    }
    if len(by) > 1:  # not everybody's: of whom it was, the query tells
        by = await opened(context, [stored.rid]) if stored is not None and found.permit else {}
    audit = context.engine.audit
    records = tuple(
        audit.consent_decision(principal, context.facts, patient=patient, grounds=grounds)
        for patient, grounds in by.items()
        if patient in whose.patients and grounds.consent is not None
    )
    return Decided(whose, by, records)


async def opened(context: Context, rids: Sequence[int]) -> Mapping[str, Grounds]:
    """By patient, the Consent or emergency that opened what was found of them, if one did."""
    return await grounds.opened(context.uow, context.principal, context.concern, rids)

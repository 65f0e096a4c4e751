"""How Consents concern a caller, and which of them opened what the caller was shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.repositories.permits import permits
from app.repositories.unit_of_work import UnitOfWork
from app.search.asker import Concern
from app.security import consents
from app.security.principal import Principal
from app.services.audit import Grounds


async def learnt(uow: UnitOfWork, principal: Principal) -> Concern:
    """How Consents concern a caller at the time of the request."""
    return await uow.consents.concern(
        principal.known_as,
        tenant=principal.tenant,
        now=principal.at,
        rated=principal.may_be_rated,
    )


async def opened(
    uow: UnitOfWork, principal: Principal, concern: Concern, rids: Sequence[int]
) -> Mapping[str, Grounds]:
    """By patient, the Consent or emergency that opened what was found of them, if one did."""
    asker = consents.permit(principal, "s", concern)
    if asker is None or not rids:
        return {}
    found = await permits(uow.connection, rids, asker, tenant=principal.tenant)
    return {
        patient: Grounds(
            "consent",
            consent=f"Consent/{permit.consent}",
            consent_version=permit.version,
            provision=f"Consent.{permit.path}",
        )
        if permit is not None
        else Grounds("break-glass")
        for patient, permit in found.items()
    }

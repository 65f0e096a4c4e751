"""What clients are not told by the log of their own record: what is hidden from them there."""

from __future__ import annotations

from functools import cache

from app.fhir.registry import REGISTRY
from app.search.asker import Concern
from app.search.expression import Expression
from app.search.sight import Alternative
from app.search.untold import Untold
from app.search.visibility import Visible
from app.security import clearance, consents, roles
from app.security.principal import Principal

EVENT = REGISTRY["AuditEvent"].code


def leaves_out(
    principal: Principal,
    own: str | None,
    hidden: tuple[tuple[int, Expression], ...],
    concern: Concern,
) -> Alternative:
    """The events that a client (``own``) is not told of.

    ``hidden`` are, by type, the rows that are no client's whatever their labels.
    """
    return Alternative(
        untold=Untold(
            own=own or "",
            never=_never(principal.role),
            labelled=_labelled(),
            confidentiality=clearance.rank(principal.role, principal.clearance),
            sensitivity=clearance.all_but_notes(),
            hidden=hidden,
            partner=consents.partner(principal, concern),
        )
    )


def account_for(visible: Visible) -> Visible:
    """The log as an account of disclosures is made from: all but what the caller is not told."""
    denials = {EVENT: visible.denials[EVENT]} if EVENT in visible.denials else {}
    return Visible(visible.tenant, {EVENT: (Alternative(),)}, denials)


@cache
def _labelled() -> tuple[int, ...]:
    return tuple(
        each.code
        for each in REGISTRY.values()
        if each.store == "resource" and consents.is_personal(each)
    )


@cache
def _never(role: str) -> tuple[int, ...]:
    """The types about patients of which a role reads nothing."""
    return tuple(code for code in _labelled() if "r" not in roles.actions(role, _NAMES[code]))


_NAMES = {each.code: name for name, each in REGISTRY.items()}

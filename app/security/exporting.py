"""Who may export in bulk: a system by its own scopes, and of which types.

https://hl7.org/fhir/uv/bulkdata/authorization. Never a person, whomever they treat or have declared
an emergency for, and never by a scope that a search narrows: what it opens is not all of a type.
"""

from __future__ import annotations

from dataclasses import replace

from app.fhir.registry import REGISTRY
from app.repositories.accounts_tokens import Standing
from app.security import access, roles
from app.security.authentication import rejected
from app.security.principal import Principal

# The official definitions are everybody's, and the audit log has an export of its own.
TYPES = tuple(name for name, entry in REGISTRY.items() if entry.store == "resource")
_ACTIONS = "rs"


def types(principal: Principal) -> tuple[str, ...]:
    """The types that the caller may export, in order; ``forbidden`` where there are none."""
    found = () if principal.is_person else tuple(t for t in TYPES if _may(principal, t))
    if not found:
        raise access.forbidden()
    return found


def check(principal: Principal, names: tuple[str, ...]) -> None:
    """Refuses a caller who may not export all of these types."""
    if not set(names) <= set(types(principal)):
        raise access.forbidden()


def _may(principal: Principal, name: str) -> bool:
    allowed = roles.actions(principal.role, name)
    return all(
        action in allowed
        and any(
            scope.context == "system" and not scope.constraints
            for scope in principal.scopes.covering(name, action)
        )
        for action in _ACTIONS
    )


def renewed(principal: Principal, standing: Standing | None, *, at: int) -> Principal:
    """The caller of a download as they stand by now; ``Unauthenticated`` where they do not."""
    if standing is None or standing.account_id is not None:
        raise rejected("void")
    return replace(
        principal,
        role=standing.client_role,
        actor=standing.client_actor,
        purpose=standing.purpose,
        clearance=standing.clearance,
        at=at,
    )

"""May the caller do this to this type at all, and which rows are theirs to see.

Rights are what the scopes and the role both allow. ``decide`` answers without looking at
data; ``visible`` says the same of rows, as part of every query.
"""

from __future__ import annotations

from app.core.errors import AppError, Category
from app.fhir.registry import REGISTRY
from app.search.visibility import Alternative, Visible
from app.security import roles
from app.security.principal import Principal
from app.security.roles import Condition

_WHOLE_SYSTEM = "*"


def decide(principal: Principal, type_name: str | None, action: str) -> None:
    """Refuses what neither scope nor role ever allows for the type."""
    if type_name is None:
        if any(_may(principal, name, action) for name in REGISTRY):
            return
    elif _may(principal, type_name, action):
        return
    raise AppError.of(Category.FORBIDDEN, "forbidden", "your scopes or your role do not allow this")


def visible(principal: Principal, action: str) -> Visible:
    """The rows that the caller may see in an interaction of this kind."""
    return Visible(
        principal.tenant,
        {
            definition.code: (Alternative(),)
            for name, definition in REGISTRY.items()
            if _may(principal, name, action)
        },
    )


def _may(principal: Principal, type_name: str, action: str) -> bool:
    if not principal.scopes.allows(type_name, action):
        return False
    return any(
        action in rule.actions and rule.condition is Condition.ALL
        for rule in roles.rules(principal.role, type_name)
    )

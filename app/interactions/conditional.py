"""Conditions: what a search says about which resource is meant.

https://hl7.org/fhir/R4/http.html#cond-update. Judged inside the transaction that writes,
under a lock per tenant and type, and over the caller's visible set only.
"""

from __future__ import annotations

from app.core.errors import AppError, Category
from app.interactions.call import Pairs
from app.interactions.context import Context
from app.search import parser
from app.search.found import Found


async def matches(
    context: Context, type_name: str, criteria: Pairs, *, limit: int = 2
) -> list[Found]:
    """What the caller can see that meets the criteria, at most ``limit``."""
    query = parser.parse_criteria(
        type_name, criteria, base=context.engine.settings.fhir_base, now=context.engine.clock.now()
    )
    await context.uow.resources.flush()  # what this unit wrote can be meant too
    return await context.uow.searches.matches(query, visible=context.visible("s"), limit=limit)


async def one_match(context: Context, type_name: str, criteria: Pairs) -> Found | None:
    """The one resource meant, or None; several are a failed precondition."""
    found = await matches(context, type_name, criteria)
    if len(found) > 1:
        raise AppError.of(
            Category.PRECONDITION, "multiple-matches", "the criteria match several resources"
        )
    return found[0] if found else None


async def hold(context: Context, type_name: str) -> None:
    """Lets one conditional write of this type at a time judge its condition."""
    await context.uow.lock(f"condition|{context.principal.tenant}|{type_name}")

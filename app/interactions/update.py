"""update, update-as-create and conditional update. https://hl7.org/fhir/R4/http.html#update"""

from __future__ import annotations

from app.core.errors import AppError, Category
from app.interactions import conditional
from app.interactions.call import Call, Outcome
from app.interactions.change import Change, check_version, store
from app.interactions.context import Context
from app.interactions.refusals import hidden, not_found
from app.repositories.resources import Locked


async def update(context: Context, call: Call) -> Outcome:
    """Stores a new version, or makes the resource under the id that the client chose."""
    call = await conditional.settle(context, call)
    assert call.type is not None and call.id is not None
    _check_body_id(call)
    locked = await context.uow.resources.lock(
        context.kind(call.type), call.id, visible=context.visible("u")
    )
    if locked is None:
        _check_may_be_made(context, call)
    elif not locked.seen:
        raise hidden(context)
    check_version(call, locked.stored if locked else None)
    return await store(context, _change(call, locked), action="u")


def _check_body_id(call: Call) -> None:
    assert call.tree is not None
    own = call.tree.get("id")
    if own != call.id and not (own is None and call.identity != "given"):
        text = "the resource has no id" if own is None else "the id is not the one that is meant"
        raise AppError.of(Category.INVALID, "invalid", text, f"{call.type}.id")


def _check_may_be_made(context: Context, call: Call) -> None:
    if call.identity == "given" and context.principal.is_person:
        # Ids chosen by the client are for system clients; for others nothing is there.
        raise not_found()


def _change(call: Call, locked: Locked | None) -> Change:
    assert call.type is not None and call.id is not None and call.tree is not None
    return Change(
        type=call.type,
        id=call.id,
        text=call.body,
        tree=call.tree,
        previous=locked.stored if locked else None,
        interaction=call.interaction,
    )

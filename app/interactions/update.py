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
    assert call.type is not None and call.tree is not None
    id = call.id if call.id is not None else await _meant(context, call)
    if id is None:
        return await _make(context, call, context.engine.ids.new_id())
    _check_body_id(call, id)
    locked = await context.uow.resources.lock(
        context.kind(call.type), id, visible=context.visible("u")
    )
    if locked is None:
        if call.if_match is not None:
            raise AppError.of(Category.PRECONDITION, "not-found", "there is no such version")
        return await _make(context, call, id)
    if not locked.seen:
        raise hidden(context)
    check_version(call.if_match, locked.stored.version)
    if call.if_none_match == "*" and not locked.stored.deleted:
        raise AppError.of(Category.PRECONDITION, "conflict", "the resource exists")
    return await store(context, _change(call, id, locked))


async def _meant(context: Context, call: Call) -> str | None:
    assert call.type is not None and call.tree is not None
    await conditional.hold(context, call.type)
    found = await conditional.one_match(context, call.type, call.query)
    if found is not None:
        return found.id
    own = call.tree.get("id")
    return own if isinstance(own, str) else None


def _check_body_id(call: Call, id: str) -> None:
    assert call.tree is not None
    own = call.tree.get("id")
    if own == id or (own is None and call.id is None):
        return
    text = "the resource has no id" if own is None else "the id is not the one in the address"
    raise AppError.of(Category.INVALID, "invalid", text, f"{call.type}.id")


async def _make(context: Context, call: Call, id: str) -> Outcome:
    if call.id is not None and context.principal.is_person:
        # Ids chosen by the client are for system clients; for others nothing is there.
        raise not_found()
    return await store(context, _change(call, id, None))


def _change(call: Call, id: str, locked: Locked | None) -> Change:
    assert call.type is not None and call.tree is not None
    return Change(
        type=call.type,
        id=id,
        text=call.body,
        tree=call.tree,
        previous=locked.stored if locked else None,
        interaction=call.interaction,
    )

"""``Subscription/$status`` and ``Subscription/[id]/$status``: how Subscriptions stand.

https://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition-backport-subscription-status.html
"""

from __future__ import annotations

from collections.abc import Iterable

from app.core.clock import format_instant
from app.fhir import bundles, json, notifications
from app.fhir.backport import GUIDE
from app.fhir.json import Tree
from app.fhir.notifications import Told
from app.fhir.parameters import Input, Inputs, read
from app.interactions.call import Call, Outcome, Shown
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.operations.target import target
from app.search.expression import Ids
from app.search.query import SearchQuery
from app.security import access
from app.services import topics

_STATUSES = frozenset(("requested", "active", "error", "off"))
_INPUTS = (
    Input("id", "string", repeats=True),
    Input("status", "code", repeats=True, codes=_STATUSES),
)
_MOST = 1000


async def status(context: Context, call: Call) -> Outcome:
    """A searchset of statuses: of one, of those that are named, or of all that the caller sees."""
    given = read(_INPUTS, body=call.body, query=call.query)
    if call.id is not None:
        await target(context, call)
        found: list[Shown] = list(context.touched)
    else:
        access.decide(context.principal, "Subscription", "s")
        found = await _found(context, given)
        context.touched.extend(found)
    trees = [json.parse_stored(each.text) for each in found]
    wanted = {each.value for each in given.given if each.name == "status"} or _STATUSES
    told = [await told_of(context, tree) for tree in trees if tree["status"] in wanted]
    return Outcome("ok", document=_bundle(context, told))


async def told_of(context: Context, tree: Tree) -> Told:
    """How the Subscription of a tree stands."""
    standing = await context.uow.subscriptions.find(context.principal.tenant, tree["id"])
    topic = topics.named(tree["criteria"])
    return Told(
        id=tree["id"],
        topic=topic.canonical if topic is not None else tree["criteria"],
        status=tree["status"],
        number=standing.number if standing is not None else 0,
        error=tree.get("error"),
    )


async def _found(context: Context, given: Inputs) -> list[Shown]:
    ids = tuple(str(each.value) for each in given.given if each.name == "id")
    query = SearchQuery(kinds=(context.kind("Subscription"),))
    if ids:
        query = SearchQuery(kinds=query.kinds, where=Ids(ids[:_MOST]))
    found = await context.uow.searches.matches(query, visible=context.visible("s"), limit=_MOST)
    return list(found)


def _bundle(context: Context, told: Iterable[Told]) -> bytes:
    ids, base = context.engine.ids, context.engine.settings.fhir_base
    entries = []
    for each in told:
        id = ids.new_id()
        tree = notifications.status(each, "query-status", base=base, id=id)
        entries.append(bundles.Entry(json.dumps(tree), full_url=f"urn:uuid:{id}", search="match"))
    now = format_instant(context.engine.clock.now())
    return bundles.bundle("searchset", entries, id=ids.new_id(), timestamp=now, total=len(entries))


OPERATION = Operation(
    name="status",
    definition=f"{GUIDE}/OperationDefinition/backport-subscription-status",
    run=status,
    types=frozenset(("Subscription",)),
    type_level=True,
    instance_level=True,
)

"""``Subscription/$get-ws-binding-token``: what binds a socket to one's own Subscriptions.

https://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition-backport-subscription-get-ws-binding-token.html
"""

from __future__ import annotations

from app.core.clock import format_instant
from app.core.errors import AppError, Category, Issue
from app.fhir import json, parameters
from app.fhir.backport import GUIDE
from app.fhir.parameters import Input, read
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.operations.target import target
from app.search.query import SearchQuery
from app.security import access
from app.services.bindings import MOST, is_own

_INPUTS = (Input("id", "string", repeats=True),)


async def binding_token(context: Context, call: Call) -> Outcome:
    """The token, which is shown this once, what it binds to and where."""
    given = read(_INPUTS, body=call.body, query=call.query)
    access.decide(context.principal, "Subscription", "r")
    if call.id is not None:
        await target(context, call)
        wanted = [(call.id, "Subscription")]
    else:
        wanted = [(str(each.value), each.place) for each in given.given]
    ids = await _own(context, wanted)
    token, expires = await context.engine.services.bindings.issue(
        context.uow, ids, context.principal
    )
    document = parameters.parameters(
        parameters.value("token", "string", token),
        parameters.value("expiration", "dateTime", format_instant(expires)),
        *(parameters.value("subscription", "string", id) for id in ids),
        {"name": "websocket-url", "valueUrl": context.engine.settings.socket_url},
    )
    return Outcome("ok", document=json.dumps(document))


async def _own(context: Context, wanted: list[tuple[str, str]]) -> list[str]:
    """The caller's own Subscriptions with a socket: those that are named, or all."""
    principal = context.principal
    if not wanted:
        query = SearchQuery(kinds=(context.kind("Subscription"),))
        seen = context.visible("s")
        found = await context.uow.searches.matches(query, visible=seen, limit=1000)
        wanted = [(each.id, "") for each in found]
    ids, issues = [], []
    for id, place in wanted:
        standing = await context.uow.subscriptions.find(principal.tenant, id)
        if standing is not None and is_own(standing, principal) and standing.status != "off":
            ids.append(id)
        elif place:
            words = "it is no Subscription of yours with a websocket"
            issues.append(Issue("not-found", words, place))
    if not ids and not issues:
        issues.append(Issue("not-found", "no Subscription of yours has a websocket"))
    if len(ids) > MOST:
        issues.append(Issue("too-costly", f"a token binds {MOST} Subscriptions at most"))
    if issues:
        raise AppError(Category.UNPROCESSABLE, issues)
    return ids


OPERATION = Operation(
    name="get-ws-binding-token",
    definition=f"{GUIDE}/OperationDefinition/backport-subscription-get-ws-binding-token",
    run=binding_token,
    types=frozenset(("Subscription",)),
    type_level=True,
    instance_level=True,
    writes=True,
    get=False,
)

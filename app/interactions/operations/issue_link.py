"""``Task/[id]/$issue-link``: a link with which somebody answers a form without an account."""

from __future__ import annotations

from app.fhir import json, parameters
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.operations.target import target
from app.security import access
from app.services.operation_definitions import canonical, inputs


async def issue_link(context: Context, call: Call) -> Outcome:
    """The address, which is shown this once."""
    principal = context.principal
    if principal.role == "client":  # whoever holds the phone must not make links
        raise access.forbidden()
    given = parameters.read(inputs("issue-link"), body=call.body, query=call.query)
    task = await target(context, call, action="u")
    token = await context.engine.services.answering.issue(
        context.uow,
        task,
        expires=given.get("expires"),
        kiosk=given.get("kiosk") or False,
        by=principal,
    )
    url = f"{context.engine.settings.origin}/answer/{token}"
    return Outcome(
        "ok", document=json.dumps(parameters.parameters({"name": "url", "valueUrl": url}))
    )


OPERATION = Operation(
    name="issue-link",
    definition=canonical("issue-link"),
    run=issue_link,
    types=frozenset(("Task",)),
    instance_level=True,
    writes=True,
    get=False,
)

"""The value set that a terminology operation is about."""

from __future__ import annotations

from app.core.errors import AppError, Category
from app.fhir import validation
from app.fhir.json import Tree
from app.fhir.parameters import Inputs, place_of
from app.interactions.call import Call
from app.interactions.context import Context
from app.interactions.operations.target import target
from app.security import access


async def named_value_set(context: Context, call: Call, given: Inputs) -> Tree:
    """The instance, the one at ``url``, or the one that came along as ``valueSet``."""
    if call.id is not None:
        return await target(context, call)
    access.decide(context.principal, "ValueSet", "r")
    sent: Tree | None = given.get("valueSet")
    url: str | None = given.get("url")
    if sent is not None:
        issues = validation.check(sent, "ValueSet")
        if issues:
            raise AppError(Category.UNPROCESSABLE, issues)
        return sent
    if url is None:
        raise AppError.of(
            Category.UNPROCESSABLE, "required", "url or valueSet is needed", place_of("url")
        )
    version = given.get("valueSetVersion")
    found = await context.engine.services.terminology.value_set(
        context.uow,
        f"{url}|{version}" if version and "|" not in url else url,
        visible=context.visible("r"),
    )
    if found is None:
        raise AppError.of(
            Category.NOT_FOUND, "not-found", "the value set is not known", place_of("url")
        )
    return found

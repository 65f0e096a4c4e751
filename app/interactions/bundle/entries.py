"""Bundle entries as calls, and outcomes as entries."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from app.core.clock import format_instant
from app.core.errors import AppError, Category, Issue
from app.fhir import bundles, json, validation
from app.fhir.json import Tree
from app.fhir.outcome import operation_outcome
from app.fhir.registry import Interaction, by_code
from app.interactions import address, criteria, operations
from app.interactions.call import Call, Outcome, PatchFormat
from app.interactions.part import Part
from app.interactions.tags import Tags
from app.services.audit import RequestFacts

_WRITES = (Interaction.CREATE, Interaction.UPDATE, Interaction.PATCH, Interaction.DELETE)
_STATUS = {
    "created": "201 Created",
    "deleted": "204 No Content",
    "not-modified": "304 Not Modified",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its place in the Bundle, its ``fullUrl`` and what it asks for."""

    place: int
    full_url: str | None
    call: Call

    @property
    def path(self) -> str:
        """The entry's FHIRPath."""
        return _path(self.place)

    @property
    def writes(self) -> bool:
        """Whether it changes something."""
        return self.call.operation is None and self.call.interaction in _WRITES


class Refused(NamedTuple):
    """An entry that asks for nothing that could be done, and why."""

    place: int
    error: AppError


def read(bundle: Tree, *, facts: RequestFacts, base: str, strict: bool) -> list[Entry | Refused]:
    """Every entry, in order; ``base`` is the own base URL."""
    found: list[Entry | Refused] = []
    for place, entry in enumerate(bundle.get("entry", ())):
        if (malformed := _form_problem(bundle, entry, place)) is not None:
            found.append(Refused(place, malformed))
            continue
        try:
            found.append(_entry(place, entry, facts=facts, base=base, strict=strict))
        except AppError as error:
            found.append(Refused(place, at(error, _path(place))))
    return found


def at(error: AppError, path: str) -> AppError:
    """The error with its expressions moved below an entry of the Bundle."""
    issues = []
    for issue in error.issues:
        _, _, rest = issue.expression.partition(".")
        inside = f"{path}.resource" + (f".{rest}" if rest else "") if issue.expression else path
        issues.append(replace(issue, expression=inside))
    return AppError(error.category, issues, retry_after=error.retry_after)


def _path(place: int) -> str:
    return f"Bundle.entry[{place}]"


def _form_problem(bundle: Tree, entry: Any, place: int) -> AppError | None:
    """What is wrong with an entry's form, looked at by itself: it harms no other of a batch."""
    alone = {"resourceType": "Bundle", "type": bundle["type"], "entry": [entry]}
    issues = [
        replace(issue, expression=_path(place) + issue.expression.removeprefix("Bundle.entry[0]"))
        if issue.expression.startswith("Bundle.entry[0]")
        else replace(issue, expression=_path(place))
        for issue in validation.check(alone, "Bundle", entries=False)
    ]
    return AppError(Category.UNPROCESSABLE, issues) if issues else None


def _entry(place: int, entry: Tree, *, facts: RequestFacts, base: str, strict: bool) -> Entry:
    request = entry["request"]
    path, query = _below(request["url"], base)
    pairs = tuple(p for p in criteria.pairs(query) if p[0] not in ("_format", "_pretty"))
    found = address.resolve(request["method"], path)
    if found.interaction is Interaction.BATCH:
        raise AppError.of(Category.UNPROCESSABLE, "not-supported", "an entry cannot ask for this")
    if found.operation is not None:
        operations.offered(found, method=request["method"])
    call = Call(
        interaction=found.interaction or Interaction.READ,
        operation=found.operation,
        facts=facts,
        type=found.type,
        id=found.id,
        version=found.version,
        compartment=found.compartment,
        query=pairs,
        condition=criteria.condition(
            found.interaction,
            type_name=found.type,
            id=found.id,
            query=pairs,
            if_none_exist=request.get("ifNoneExist"),
            base=base,
        ),
        if_match=_tags(request.get("ifMatch")),
        if_none_match=_tags(request.get("ifNoneMatch")),
        strict=strict,
        part=Part.asked(pairs),
    )
    return Entry(place, entry.get("fullUrl"), _with_body(call, entry.get("resource")))


def _below(url: str, base: str) -> tuple[str, str]:
    """Path and query below the base."""
    path, _, query = url.partition("?")
    if path.startswith(("http:", "https:")):
        if path != base and not path.startswith(f"{base}/"):
            raise AppError.of(Category.INVALID, "value", "the address is of another server")
        path = path.removeprefix(base)
    return path, query


def _tags(text: str | None) -> Tags | None:
    return None if text is None else Tags.of(text)


def _with_body(call: Call, resource: Tree | None) -> Call:
    if call.operation is not None:
        return replace(call, body=json.dumps(resource)) if resource else call
    if call.interaction not in (Interaction.CREATE, Interaction.UPDATE, Interaction.PATCH):
        return call
    if resource is None:
        raise AppError.of(Category.UNPROCESSABLE, "required", "an entry needs a resource")
    if call.interaction is Interaction.PATCH:
        return _with_patch(call, resource)
    return replace(call, tree=resource, body=json.dumps(resource))


def _with_patch(call: Call, resource: Tree) -> Call:
    kind = resource["resourceType"]
    if kind == "Parameters":
        return replace(call, tree=resource, patch_format=PatchFormat.FHIRPATH_PATCH)
    if kind == "Binary" and resource.get("contentType") == "application/json-patch+json":
        try:
            body = base64.b64decode(str(resource.get("data", "")), validate=True)
        except (binascii.Error, ValueError):
            raise AppError.of(
                Category.UNPROCESSABLE, "value", "data is not base64", "Binary.data"
            ) from None
        return replace(call, body=body, patch_format=PatchFormat.JSON_PATCH)
    raise AppError.of(
        Category.UNPROCESSABLE, "value", "a patch is Parameters or a Binary of a JSON Patch"
    )


def answered(call: Call, outcome: Outcome, *, base: str, minimal: bool) -> bundles.Entry:
    """An outcome as an entry of the response Bundle."""
    stored = outcome.stored
    status = _STATUS.get(outcome.result, "200 OK")
    if stored is None:
        return bundles.Entry(resource=outcome.document, response=bundles.Response(status))
    place = f"{base}/{by_code(stored.kind).name}/{stored.id}"
    writes = call.operation is None and call.interaction in _WRITES
    shown = outcome.result in ("ok", "created") and not (minimal and writes)
    return bundles.Entry(
        resource=call.part.of(stored.text) if shown else None,
        full_url=place if shown else None,
        response=bundles.Response(
            status,
            location=f"{place}/_history/{stored.version}" if writes else None,
            etag=f'W/"{stored.version}"',
            last_modified=format_instant(stored.updated),
        ),
    )


def refused(error: AppError, status: str) -> bundles.Entry:
    """A refusal as an entry of a batch response."""
    return bundles.Entry(response=bundles.Response(status, outcome=operation_outcome(error.issues)))


def check_envelope(bundle: Tree, *, most: int) -> None:
    """Refuses what is no batch or transaction, or one of more than ``most`` entries."""
    if bundle.get("resourceType") != "Bundle":
        raise AppError.of(Category.INVALID, "invalid", "the body must be a Bundle", "Bundle")
    if bundle.get("type") not in ("batch", "transaction"):
        raise AppError.of(
            Category.UNPROCESSABLE, "value", "a batch or a transaction is expected", "Bundle.type"
        )
    held = bundle.get("entry", [])
    bare = {key: value for key, value in bundle.items() if key != "entry" or value in ([], None)}
    issues = validation.check(bare, "Bundle", entries=False)
    if not isinstance(held, list):
        issues.append(Issue("structure", "must be an array", "Bundle.entry"))
    if issues:
        raise AppError(Category.UNPROCESSABLE, issues)
    if len(held) > most:
        raise AppError.of(
            Category.TOO_LARGE, "too-long", f"a Bundle may hold {most} entries", "Bundle.entry"
        )

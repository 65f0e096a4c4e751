"""Bundle entries as calls, and outcomes as entries."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from app.core.clock import format_instant
from app.core.errors import AppError, Category, Issue
from app.fhir import bundles, json
from app.fhir.json import Tree
from app.fhir.outcome import operation_outcome
from app.fhir.registry import Interaction, by_code
from app.interactions import address
from app.interactions.call import Call, Outcome, Pairs, PatchFormat
from app.services.audit import RequestFacts

_WRITES = (Interaction.CREATE, Interaction.UPDATE, Interaction.PATCH, Interaction.DELETE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its place in the Bundle, its ``fullUrl`` and what it asks for."""

    place: int
    full_url: str | None
    method: str
    call: Call

    @property
    def path(self) -> str:
        """The entry's FHIRPath."""
        return f"Bundle.entry[{self.place}]"

    @property
    def writes(self) -> bool:
        """Whether it changes something."""
        return self.call.interaction in _WRITES


def entries(
    bundle: Tree, *, facts: RequestFacts, base: str, strict: bool
) -> Iterator[Entry | tuple[int, AppError]]:
    """Every entry as a call, or its place and what is wrong with it."""
    for place, entry in enumerate(bundle.get("entry") or ()):
        try:
            yield _entry(place, entry, facts=facts, base=base, strict=strict)
        except AppError as error:
            yield place, at(error, f"Bundle.entry[{place}]")


def at(error: AppError, path: str) -> AppError:
    """The error with its expressions moved below an entry of the Bundle."""
    issues = []
    for issue in error.issues:
        _, _, rest = issue.expression.partition(".")
        inside = f"{path}.resource" + (f".{rest}" if rest else "") if issue.expression else path
        issues.append(replace(issue, expression=inside))
    return AppError(error.category, issues, retry_after=error.retry_after)


def _entry(place: int, entry: Tree, *, facts: RequestFacts, base: str, strict: bool) -> Entry:
    request = entry.get("request")
    if not isinstance(request, dict):
        raise AppError.of(Category.INVALID, "required", "an entry needs a request")
    method, url = str(request.get("method", "")), str(request.get("url", ""))
    if url.startswith(("http:", "https:")):
        if url != base and not url.startswith((f"{base}/", f"{base}?")):
            raise AppError.of(Category.INVALID, "value", "the address is of another server")
        url = url.removeprefix(base)
    split = urlsplit(url)
    query: Pairs = tuple(parse_qsl(split.query, keep_blank_values=True))
    found = address.resolve(method, split.path)
    if found.interaction in (None, Interaction.BATCH, Interaction.TRANSACTION):
        raise AppError.of(Category.UNPROCESSABLE, "not-supported", "an entry cannot ask for this")
    assert found.interaction is not None
    call = Call(
        interaction=found.interaction,
        facts=facts,
        type=found.type,
        id=found.id,
        version=found.version,
        compartment=found.compartment,
        query=query,
        if_match=if_match(request.get("ifMatch")),
        if_none_match=_if_none_match(request.get("ifNoneMatch")),
        condition=_condition(request.get("ifNoneExist")),
        strict=strict,
    )
    return Entry(place, entry.get("fullUrl"), method, _with_body(call, entry.get("resource")))


def _with_body(call: Call, resource: Any) -> Call:
    if call.interaction not in (Interaction.CREATE, Interaction.UPDATE, Interaction.PATCH):
        return call
    if not isinstance(resource, dict):
        raise AppError.of(Category.INVALID, "required", "an entry needs a resource")
    kind = resource.get("resourceType")
    if call.interaction == Interaction.PATCH:
        if kind == "Parameters":
            return replace(call, body=json.dumps(resource), patch_format=PatchFormat.FHIRPATH_PATCH)
        if kind == "Binary" and resource.get("contentType") == "application/json-patch+json":
            try:
                body = base64.b64decode(str(resource.get("data", "")), validate=True)
            except binascii.Error:
                raise AppError.of(Category.INVALID, "value", "data is not base64") from None
            return replace(call, body=body, patch_format=PatchFormat.JSON_PATCH)
        raise AppError.of(
            Category.UNPROCESSABLE, "value", "a patch is Parameters or a Binary of a JSON Patch"
        )
    if kind != call.type:
        raise AppError.of(
            Category.INVALID, "invalid", "the resource is not of the type in the address"
        )
    return replace(call, tree=resource, body=json.dumps(resource))


def if_match(text: Any) -> int | None:
    """The version number of a weak ETag ``W/"3"``; a bare number is accepted."""
    if text is None:
        return None
    bare = str(text).strip().removeprefix("W/").strip('"')
    if not bare.isascii() or not bare.isdigit():
        raise AppError.of(Category.PRECONDITION, "conflict", "the version is not one of ours")
    return int(bare[:18])


def _if_none_match(text: Any) -> str | None:
    return None if text is None else str(text).strip().removeprefix("W/").strip('"')


def _condition(text: Any) -> Pairs | None:
    if text is None:
        return None
    query = str(text)
    return tuple(parse_qsl(query.partition("?")[2] or query, keep_blank_values=True))


def answered(outcome: Outcome, *, base: str, minimal: bool) -> bundles.Entry:
    """An outcome as an entry of the response Bundle."""
    stored = outcome.stored
    if stored is None:
        status = "200 OK" if outcome.document is not None else "204 No Content"
        return bundles.Entry(resource=outcome.document, response=bundles.Response(status))
    name = by_code(stored.kind).name
    status = {
        "created": "201 Created",
        "deleted": "204 No Content",
        "not-modified": "304 Not Modified",
    }.get(outcome.result, "200 OK")
    shown = not minimal and outcome.result in ("ok", "created")
    return bundles.Entry(
        resource=stored.text if shown else None,
        full_url=None if outcome.result == "deleted" else f"{base}/{name}/{stored.id}",
        response=bundles.Response(
            status,
            location=f"{base}/{name}/{stored.id}/_history/{stored.version}",
            etag=f'W/"{stored.version}"',
            last_modified=format_instant(stored.updated),
        ),
    )


def refused(error: AppError, status: str) -> bundles.Entry:
    """A refusal as an entry of a batch response."""
    return bundles.Entry(response=bundles.Response(status, outcome=operation_outcome(error.issues)))


def too_many(bundle: Tree, most: int) -> Issue | None:
    """Whether a Bundle holds more entries than are taken."""
    if len(bundle.get("entry") or ()) > most:
        return Issue("too-long", f"a Bundle may hold {most} entries", "Bundle.entry")
    return None

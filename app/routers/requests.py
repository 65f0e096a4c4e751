"""A request as a ``Call``: headers and query in, nothing of HTTP further down."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl

from fastapi import Request

from app.core.clock import SECOND
from app.core.errors import AppError, Category
from app.fhir.registry import Interaction
from app.interactions.address import Address
from app.interactions.bundle.entries import if_match
from app.interactions.call import Call, Pairs
from app.interactions.operations import OPERATIONS
from app.interactions.operations.operation import unknown
from app.routers import negotiation
from app.services.audit import RequestFacts

# What only shapes the answer never reaches a search or a condition.
SHAPING = ("_format", "_pretty", "_summary", "_elements")
_FORM = "application/x-www-form-urlencoded"
_REQUEST_ID = re.compile(r"[A-Za-z0-9\-._~]{1,64}", re.ASCII)
_QUERIED = (
    Interaction.SEARCH_TYPE,
    Interaction.SEARCH_SYSTEM,
    Interaction.HISTORY_INSTANCE,
    Interaction.HISTORY_TYPE,
    Interaction.HISTORY_SYSTEM,
)


@dataclass(frozen=True, slots=True)
class Preferences:
    """``Prefer``: https://hl7.org/fhir/R4/http.html#ops."""

    returned: str = "representation"
    strict: bool = False

    @classmethod
    def of(cls, header: str | None) -> Preferences:
        """Reads the header; what is not understood is ignored."""
        values = {}
        for part in re.split(r"[,;]", header or ""):
            name, _, value = part.partition("=")
            values[name.strip().lower()] = value.strip().strip('"')
        returned = values.get("return", "")
        if returned not in ("minimal", "representation", "OperationOutcome"):
            returned = "representation"
        return cls(returned, values.get("handling", "").lower() == "strict")


@dataclass(frozen=True, slots=True)
class Shape:
    """How the client wants the answer to look."""

    media_type: str
    pretty: bool
    summary: str | None
    elements: tuple[str, ...]

    @classmethod
    def of(cls, request: Request, query: Pairs) -> Shape:
        """Reads ``Accept`` and the parameters that shape an answer."""
        values = dict(query)
        summary = values.get("_summary") or None
        if summary not in (None, "true", "false", "text", "data", "count"):
            raise AppError.of(Category.INVALID, "value", "_summary has no usable value")
        names = [name.strip() for name in values.get("_elements", "").split(",")]
        return cls(
            media_type=negotiation.response_type(
                request.headers.get("accept"), values.get("_format")
            ),
            pretty=values.get("_pretty", "").lower() == "true",
            summary=None if summary == "false" else summary,
            elements=tuple(name for name in names if name),
        )


def request_id(headers: Mapping[str, str]) -> str | None:
    """The client's ``X-Request-Id`` where it is fit to be written into a log."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else None


def query_pairs(request: Request) -> Pairs:
    """The decoded query of the address, in order."""
    return _pairs(request.scope.get("query_string", b""))


def _pairs(text: bytes) -> Pairs:
    try:
        return tuple(
            parse_qsl(
                text.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=5000
            )
        )
    except ValueError:
        raise AppError.of(
            Category.INVALID, "invalid", "the query is not UTF-8 or has too many parameters"
        ) from None


async def call_of(
    request: Request, address: Address, facts: RequestFacts, preferences: Preferences
) -> Call:
    """The call that a request makes."""
    headers = request.headers
    pairs = query_pairs(request)
    if address.operation is not None:
        return await _operation_call(request, address, facts, pairs)
    interaction = address.interaction
    assert interaction is not None
    condition = _condition(headers.get("if-none-exist"))
    body = b""
    patch_format = None
    if request.method == "POST" and interaction in _QUERIED:
        pairs += await _form(request)
    elif interaction in (Interaction.CREATE, Interaction.UPDATE, Interaction.BATCH):
        negotiation.check_body_type(headers.get("content-type"))
        body = await request.body()
    elif interaction is Interaction.PATCH:
        patch_format = negotiation.patch_format(headers.get("content-type"))
        body = await request.body()
    criteria = tuple(pair for pair in pairs if pair[0] not in ("_format", "_pretty"))
    if interaction not in _QUERIED:
        criteria = tuple(pair for pair in criteria if pair[0] not in SHAPING)
    if interaction is Interaction.CREATE and criteria and condition is None:
        condition = criteria  # `POST Type?query` says the same as If-None-Exist
    return Call(
        interaction=interaction,
        facts=facts,
        type=address.type,
        id=address.id,
        version=address.version,
        compartment=address.compartment,
        query=criteria,
        body=body,
        patch_format=patch_format,
        condition=condition,
        if_match=if_match(headers.get("if-match")),
        if_none_match=_if_none_match(headers.get("if-none-match")),
        if_modified_since=_moment(headers.get("if-modified-since")),
        strict=preferences.strict,
        minimal=preferences.returned == "minimal",
    )


async def _operation_call(
    request: Request, address: Address, facts: RequestFacts, pairs: Pairs
) -> Call:
    operation = OPERATIONS.get(address.operation or "")
    if operation is None:
        raise unknown()
    operation.check(address.type, address.id, method=request.method)
    body = await request.body() if request.method == "POST" else b""
    if body:
        negotiation.check_body_type(request.headers.get("content-type"))
    return Call(
        interaction=Interaction.READ,
        operation=operation.name,
        facts=facts,
        type=address.type,
        id=address.id,
        query=tuple(pair for pair in pairs if pair[0] not in ("_format", "_pretty")),
        body=body,
        strict=Preferences.of(request.headers.get("prefer")).strict,
    )


async def _form(request: Request) -> Pairs:
    body = await request.body()
    if not body:
        return ()
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != _FORM:
        raise AppError.of(
            Category.UNSUPPORTED_MEDIA, "not-supported", f"a search is posted as {_FORM}"
        )
    return _pairs(body)


def _condition(header: str | None) -> Pairs | None:
    if header is None:
        return None
    return _pairs(header.partition("?")[2].encode() or header.encode())


def _if_none_match(header: str | None) -> str | None:
    return None if header is None else header.strip().removeprefix("W/").strip('"')


def _moment(header: str | None) -> int | None:
    if header is None:
        return None
    try:
        return int(parsedate_to_datetime(header).timestamp()) * SECOND
    except (TypeError, ValueError, OverflowError):
        return None  # RFC 9110: a date that is not one is ignored

"""A request as a ``Call``: headers and query in, nothing of HTTP further down."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime

from fastapi import Request

from app.core.clock import SECOND
from app.fhir.registry import Interaction
from app.interactions import criteria, operations
from app.interactions.address import Address
from app.interactions.call import Call, Pairs
from app.interactions.part import Part
from app.interactions.tags import Tags
from app.routers import negotiation
from app.routers.fields import fields_of
from app.services.audit import RequestFacts

_FORM = "application/x-www-form-urlencoded"
_LAYOUT = ("_format", "_pretty")
_RETURNED = ("minimal", "representation", "OperationOutcome")
_BODIES = (Interaction.CREATE, Interaction.UPDATE, Interaction.BATCH)
_SEARCHES = (Interaction.SEARCH_TYPE, Interaction.SEARCH_SYSTEM)


@dataclass(frozen=True, slots=True)
class Preferences:
    """``Prefer``: https://hl7.org/fhir/R4/http.html#ops."""

    returned: str = "representation"
    strict: bool = False
    lenient: bool = False
    respond_async: bool = False

    @classmethod
    def of(cls, request: Request) -> Preferences:
        """Reads the header; what is not understood is ignored."""
        given = fields_of(request.scope).get("prefer")
        if not given:
            return _USUAL
        values = {}
        for part in re.split(r"[,;]", given):
            name, _, value = part.partition("=")
            values[name.strip().lower()] = value.strip().strip('"')
        returned = values.get("return", "")
        if returned not in _RETURNED:
            returned = "representation"
        handling = values.get("handling", "").lower()
        return cls(
            returned,
            strict=handling == "strict",
            lenient=handling == "lenient",
            respond_async="respond-async" in values,
        )


_USUAL = Preferences()


@dataclass(frozen=True, slots=True)
class Layout:
    """How the client wants the answer to be written."""

    media_type: str
    pretty: bool
    picture: str | None = None

    @classmethod
    def of(cls, request: Request, query: Pairs, *, also: tuple[str, ...] = ()) -> Layout:
        """Reads ``Accept`` and the parameters that stand for it; ``also`` are other types."""
        values = dict(query)
        accept = fields_of(request.scope).get("accept")
        return cls(
            media_type=negotiation.response_type(accept, values.get("_format"), also=also),
            pretty=values.get("_pretty", "").lower() == "true",
            picture=negotiation.preferred(values.get("_format") or accept, also) if also else None,
        )


def query_pairs(request: Request) -> Pairs:
    """The decoded query of the address, in order."""
    return criteria.pairs(request.scope.get("query_string", b""))


async def asked(request: Request, address: Address) -> tuple[Pairs, str]:
    """The pairs of the address and, of a posted search, those of its form; the form's text."""
    given = query_pairs(request)
    if request.method != "POST" or address.interaction not in _SEARCHES:
        return given, ""
    body = await request.body()
    if not body:
        return given, ""
    negotiation.check_type(fields_of(request.scope).get("content-type"), _FORM)
    return given + criteria.pairs(body), body.decode()


async def call_of(
    request: Request, address: Address, *, query: Pairs, facts: RequestFacts, base: str
) -> Call:
    """The call that a request makes; ``query`` is what was ``asked``."""
    fields = fields_of(request.scope)
    preferences = Preferences.of(request)
    pairs = tuple(pair for pair in query if pair[0] not in _LAYOUT)
    call = Call(
        interaction=address.interaction or Interaction.READ,
        facts=facts,
        type=address.type,
        id=address.id,
        version=address.version,
        operation=address.operation,
        compartment=address.compartment,
        query=pairs,
        condition=criteria.condition(
            address.interaction,
            type_name=address.type,
            id=address.id,
            query=pairs,
            if_none_exist=fields.get("if-none-exist"),
            base=base,
        ),
        if_match=_tags(fields.get("if-match")),
        if_none_match=_tags(fields.get("if-none-match")),
        if_modified_since=_moment(fields.get("if-modified-since")),
        strict=preferences.strict,
        lenient=preferences.lenient,
        respond_async=preferences.respond_async,
        minimal=preferences.returned == "minimal",
        part=Part.asked(pairs),
    )
    return await _with_body(request, call)


async def _with_body(request: Request, call: Call) -> Call:
    content_type = fields_of(request.scope).get("content-type")
    if call.operation is not None:
        operations.offered(
            Address(operation=call.operation, type=call.type, id=call.id), method=request.method
        )
        body = await request.body() if request.method == "POST" else b""
        if body:
            negotiation.check_body_type(content_type)
        return replace(call, body=body)
    if call.interaction in _BODIES:
        negotiation.check_body_type(content_type)
        return replace(call, body=await request.body())
    if call.interaction is Interaction.PATCH:
        patch_format = negotiation.patch_format(content_type)
        return replace(call, patch_format=patch_format, body=await request.body())
    return call


def _tags(given: str | None) -> Tags | None:
    return Tags.of(given) if given is not None else None


def _moment(header: str | None) -> int | None:
    if header is None:
        return None
    try:
        return int(parsedate_to_datetime(header).timestamp()) * SECOND
    except (TypeError, ValueError, OverflowError):
        return None  # RFC 9110: a date that is not one is ignored

"""Forms, read strictly: each parameter once, in the body only."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from fastapi import Request

from app.security.oauth.errors import invalid_request

FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 60
_MOST_BYTES = 64 * 1024


async def form_of(request: Request) -> Mapping[str, str]:
    """The parameters of a form body; one without a value counts as left out (RFC 6749 3.1)."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != FORM:
        raise invalid_request(f"the body must be {FORM}")
    return parameters(await request.body())


def query_of(request: Request) -> Mapping[str, str]:
    """The parameters of the address, each once."""
    return parameters(request.scope.get("query_string", b""))


def parameters(octets: bytes) -> Mapping[str, str]:
    """Form-encoded parameters, or ``invalid_request`` where one comes twice."""
    if len(octets) > _MOST_BYTES:
        raise invalid_request("too long")
    try:
        pairs = parse_qsl(
            octets.decode("ascii"),
            encoding="utf-8",
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        raise invalid_request("not form-encoded") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise invalid_request("a parameter comes twice")
        found[name] = value
    return found

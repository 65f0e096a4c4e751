"""What a request was for, in the server's own words: for logs and figures.

An address may name a person's record or carry a link's token, and a caller may write anything
into it. Only words that the server itself knows are told; the rest is ``-``.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from starlette.types import Scope

from app.fhir.registry import REGISTRY
from app.interactions.operations import OPERATIONS

_MOST: Final = 6
_OF_FHIR: Final = frozenset(
    ("", "metadata", "_history", "_search", ".well-known", "smart-configuration")
)


def endpoint_of(scope: Scope) -> str:
    """The route that answered, or that a FHIR address means; ``-`` where there was none."""
    path: str = scope["path"]
    if path == "/fhir" or path.startswith("/fhir/"):
        parts = path.split("/")[2:][:_MOST]
        return "/fhir" + "".join("/" + (part if part in _words() else "-") for part in parts)
    return getattr(scope.get("route"), "path", None) or "-"


@cache
def _words() -> frozenset[str]:
    return _OF_FHIR | set(REGISTRY) | {f"${name}" for name in OPERATIONS}

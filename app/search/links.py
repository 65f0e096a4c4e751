"""``_include`` and ``_revinclude``: https://hl7.org/fhir/R4/search.html#include."""

from __future__ import annotations

from app.fhir.definitions import resource_types
from app.fhir.registry import REGISTRY
from app.search.criteria import Unknown
from app.search.query import Include
from app.search.types import Refused


def read(text: str, modifier: str) -> Include:
    """``Type:parameter[:Target]``, ``Type:*`` or ``*``; raises ``Refused`` or ``Unknown``.

    ``modifier`` is ``iterate``, its older name ``recurse``, or empty.
    """
    if modifier not in ("", "iterate", "recurse"):
        raise Refused("has a modifier that is not supported here", code="not-supported")
    iterate = bool(modifier)
    if text == "*":
        return Include(None, None, None, iterate)
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(parts):
        raise Refused("is not of the form Type:parameter or Type:parameter:Target")
    source, code = parts[:2]
    if source not in resource_types():
        raise Refused("names no resource type")
    target = parts[2] if len(parts) == 3 else None
    if target is not None and target not in resource_types():
        raise Refused("names no resource type as its target")
    if source not in REGISTRY or (target is not None and target not in REGISTRY):
        raise Unknown
    if code != "*":
        parameter = REGISTRY[source].search.get(code)
        if parameter is None:
            raise Unknown
        if parameter.type != "reference":
            raise Refused("names a parameter that is not a reference")
    return Include(
        source=REGISTRY[source].code,
        code=None if code == "*" else code,
        target=REGISTRY[target].code if target else None,
        iterate=iterate,
    )

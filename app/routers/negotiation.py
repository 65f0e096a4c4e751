"""Content negotiation: JSON, whatever the client calls it. https://hl7.org/fhir/R4/http.html#mime-type"""

from __future__ import annotations

import re
from typing import NamedTuple

from app.core.errors import AppError, Category
from app.interactions.call import PatchFormat

FHIR_JSON = "application/fhir+json"
JSON = "application/json"
_JSON_NAMES = {"json": FHIR_JSON, "text/json": JSON, FHIR_JSON: FHIR_JSON, JSON: JSON}
_VERSIONS = ("4.0", "4.0.1")
_PATCHES = {
    "application/json-patch+json": PatchFormat.JSON_PATCH,
    "application/merge-patch+json": PatchFormat.MERGE_PATCH,
    # Clients that send a plain object mean a merge (fhirpy does).
    JSON: PatchFormat.MERGE_PATCH,
    FHIR_JSON: PatchFormat.FHIRPATH_PATCH,
}


class _Range(NamedTuple):
    name: str
    parameters: dict[str, str]
    quality: float


def _ranges(header: str) -> list[_Range]:
    ranges = []
    for part in header.split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        values = {
            key.strip().lower(): value.strip().strip('"')
            for key, _, value in (parameter.partition("=") for parameter in parameters)
        }
        quality = values.get("q", "1")
        weight = float(quality) if re.fullmatch(r"[01](\.\d{0,3})?", quality, re.ASCII) else 0.0
        ranges.append(_Range(name.lower(), values, weight))
    return ranges


def response_type(accept: str | None, asked_format: str | None) -> str:
    """The media type of the answer; ``not-acceptable`` when JSON will not do."""
    if asked_format:
        # A plus sign in a query that was not escaped arrives as a blank.
        accept = asked_format.replace(" ", "+")
    if not accept or not accept.strip():
        return FHIR_JSON
    best: tuple[float, str] | None = None
    for item in _ranges(accept):
        if item.parameters.get("fhirversion", "4.0") not in _VERSIONS:
            continue
        if item.name in ("*/*", "application/*", "*"):
            name = FHIR_JSON
        elif item.name in _JSON_NAMES:
            name = _JSON_NAMES[item.name]
        else:
            continue
        if item.quality > 0 and (best is None or item.quality > best[0]):
            best = (item.quality, name)
    if best is None:
        raise AppError.of(
            Category.NOT_ACCEPTABLE, "not-supported", "answers come as application/fhir+json"
        )
    return best[1]


def check_body_type(content_type: str | None) -> None:
    """Refuses a body that is not said to be JSON in UTF-8."""
    if _body_name(content_type) not in (FHIR_JSON, JSON):
        raise _unsupported()


def patch_format(content_type: str | None) -> PatchFormat:
    """What kind of patch a body is."""
    found = _PATCHES.get(_body_name(content_type))
    if found is None:
        raise _unsupported()
    return found


def _body_name(content_type: str | None) -> str:
    if not content_type:
        raise _unsupported()
    item = _ranges(content_type)[0]
    if item.parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise _unsupported()
    if item.parameters.get("fhirversion", "4.0") not in _VERSIONS:
        raise _unsupported()
    return _JSON_NAMES.get(item.name, item.name)


def _unsupported() -> AppError:
    return AppError.of(
        Category.UNSUPPORTED_MEDIA,
        "not-supported",
        "bodies are taken as application/fhir+json in UTF-8",
    )

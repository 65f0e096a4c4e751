"""Content negotiation: JSON, whatever the client calls it. https://hl7.org/fhir/R4/http.html#mime-type"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from app.core.errors import AppError, Category, Issue
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


@lru_cache(maxsize=64)  # programs say the same each time
def response_type(
    accept: str | None, asked_format: str | None, *, also: tuple[str, ...] = ()
) -> str:
    """The media type of a JSON answer; ``not-acceptable`` when neither it nor ``also`` will do."""
    if asked_format:
        # A plus sign in a query that was not escaped arrives as a blank.
        accept = asked_format.replace(" ", "+")
    if not accept or not accept.strip():
        return FHIR_JSON
    ranges = [item for item in _ranges(accept) if _is_r4(item)]
    quality = {name: _quality(name, ranges) for name in (FHIR_JSON, JSON)}
    best = max(quality, key=quality.__getitem__)  # of two that are equal FHIR's own
    others = {*also, *(f"{name.partition('/')[0]}/*" for name in also)}
    if not quality[best] and not any(item.name in others and item.quality for item in ranges):
        raise AppError.of(
            Category.NOT_ACCEPTABLE, "not-supported", "answers come as application/fhir+json"
        )
    return best


def preferred(accept: str | None, among: tuple[str, ...]) -> str | None:
    """The type of these that a caller names and likes best, none where no name of them is said."""
    named = {item.name: item.quality for item in _ranges(accept or "") if item.quality}
    return max((each for each in among if each in named), key=named.__getitem__, default=None)


def _quality(media_type: str, ranges: list[_Range]) -> float:
    """The weight of the most specific range that a media type is in. RFC 9110, 12.5.1"""
    for names in ((media_type, *_aliases(media_type)), ("application/*",), ("*/*", "*")):
        found = [item.quality for item in ranges if item.name in names]
        if found:
            return max(found)
    return 0.0


def _aliases(media_type: str) -> Iterator[str]:
    return (alias for alias, name in _JSON_NAMES.items() if name == media_type)


def _is_r4(item: _Range) -> bool:
    return item.parameters.get("fhirversion", "4.0") in _VERSIONS


def accepts_encoding(header: str | None, name: str) -> bool:
    """Whether a caller takes a content coding. RFC 9110, 12.5.3"""
    quality = {each.name: each.quality for each in _ranges(header or "")}
    return quality.get(name, quality.get("*", 0.0)) > 0


def check_type(content_type: str | None, wanted: str) -> None:
    """Refuses a body that is not said to be of a media type."""
    if _body_name(content_type) != wanted:
        raise AppError.of(
            Category.UNSUPPORTED_MEDIA, "not-supported", f"this body is taken as {wanted}"
        )


def check_body_type(content_type: str | None) -> None:
    """Refuses a body that is not said to be JSON in UTF-8."""
    if _body_name(content_type) not in (FHIR_JSON, JSON):
        raise _unsupported()


class NotTaken(AppError):
    """A body that is not taken as it came; the field ``header`` says as what it would be."""

    def __init__(self, text: str, header: str, taken: str) -> None:
        self.header, self.taken = header, taken
        super().__init__(Category.UNSUPPORTED_MEDIA, (Issue("not-supported", text),))


def patch_format(content_type: str | None) -> PatchFormat:
    """What kind of patch a body is."""
    found = _PATCHES.get(_body_name(content_type))
    if found is None:
        taken = ", ".join(_PATCHES)
        raise NotTaken(f"patches are taken as {taken} in UTF-8", "Accept-Patch", taken)
    return found


def _body_name(content_type: str | None) -> str:
    if not content_type:
        raise _unsupported()
    item = _ranges(content_type)[0]
    if item.parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise _unsupported()
    if not _is_r4(item):
        raise _unsupported()
    return _JSON_NAMES.get(item.name, item.name)


def _unsupported() -> AppError:
    return AppError.of(
        Category.UNSUPPORTED_MEDIA,
        "not-supported",
        "bodies are taken as application/fhir+json in UTF-8",
    )

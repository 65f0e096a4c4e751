"""The extensions that limit an answer, of the standard and of SDC."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from app.domain.questionnaire import values
from app.domain.questionnaire.definition import Check
from app.domain.questionnaire.patterns import matching
from app.fhir import primitives
from app.fhir.json import JSON, Tree, to_decimal

STANDARD = "http://hl7.org/fhir/StructureDefinition/"
SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"

# Expressions of SDC that change what may be answered, and are not computed.
_EXPRESSIONS: Mapping[str, str] = {
    f"{SDC}enableWhenExpression": "whether the item is enabled",
    f"{SDC}answerExpression": "the answers that an expression allows",
    f"{SDC}answerOptionsToggleExpression": "the options that an expression switches",
    f"{STANDARD}questionnaire-referenceProfile": "the profile of the resource referred to",
}


class _UnfitError(Exception):
    """A limit that says nothing about its item."""


@dataclass(slots=True)
class Limits:
    """What the extensions of one item ask for.

    ``least`` and ``most`` count answers, or occurrences of a group; ``decidable`` is false where
    an expression enables the item; ``uncomputed`` and ``problems`` are words.
    """

    checks: list[Check] = field(default_factory=list)
    least: int = 0
    most: int | None = None
    decidable: bool = True
    uncomputed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def extensions_of(node: Tree) -> dict[str, list[Tree]]:
    """The extensions of an element by url."""
    found: dict[str, list[Tree]] = {}
    for extension in node.get("extension", ()):
        found.setdefault(extension.get("url", ""), []).append(extension)
    return found


def value_of(extension: Tree) -> tuple[str, JSON] | None:
    """The key and the value of an extension: ``("valueInteger", 3)``."""
    return next(((k, v) for k, v in extension.items() if k.startswith("value")), None)


def limits_of(node: Tree, extensions: Mapping[str, Sequence[Tree]]) -> Limits:
    """The limits of one item of a Questionnaire."""
    limits = Limits()
    if "maxLength" in node:
        limits.checks.append(values.no_longer(node["maxLength"]))
    for url, words in _EXPRESSIONS.items():
        if url in extensions:
            limits.uncomputed.append(words)
    limits.decidable = f"{SDC}enableWhenExpression" not in extensions
    for url, read in _READERS.items():
        given = [value_of(extension) for extension in extensions.get(url, ())]
        present = [each for each in given if each is not None]
        if len(present) < len(given):
            limits.uncomputed.append(f"a limit that an expression computes ({_name(url)})")
        if present:
            try:
                read(limits, node["type"], present)
            except _UnfitError as error:
                limits.problems.append(f"{_name(url)}: {error}")
    return limits


Given = Sequence[tuple[str, JSON]]


def _count(given: Given) -> int:
    value = given[0][1]
    if not primitives.is_unsigned_int(value):
        raise _UnfitError("needs a whole number")
    return int(value)


def _texts(given: Given) -> Iterator[str]:
    for _, value in given:
        if not isinstance(value, str):
            raise _UnfitError("needs a text")
        yield value


def _least(limits: Limits, _: str, given: Given) -> None:
    limits.least = _count(given)


def _most(limits: Limits, _: str, given: Given) -> None:
    limits.most = _count(given)


def _shortest(limits: Limits, _: str, given: Given) -> None:
    limits.checks.append(values.no_shorter(_count(given)))


def _places(limits: Limits, type_: str, given: Given) -> None:
    if type_ not in {"decimal", "integer"}:
        raise _UnfitError("belongs to numbers")
    limits.checks.append(values.no_finer(_count(given)))


def _pattern(limits: Limits, _: str, given: Given) -> None:
    for pattern in _texts(given):
        check = matching(pattern)
        if check is None:
            limits.uncomputed.append("a pattern with look-around or back-references")
        else:
            limits.checks.append(check)


def _bound(sign: int) -> Callable[[Limits, str, Given], None]:
    def read(limits: Limits, type_: str, given: Given) -> None:
        key, value = given[0]
        shape = values.SHAPES.get(key)
        if shape is None or not shape(value):
            raise _UnfitError("needs a value")
        if not any(values.are_comparable(key, own) for own in values.VALUES[type_]):
            raise _UnfitError("is of another type than the item")
        limits.checks.append(values.bounded(sign, key, value))

    return read


def _size(limits: Limits, type_: str, given: Given) -> None:
    value = given[0][1]
    if type_ != "attachment" or not primitives.is_decimal(value):
        raise _UnfitError("needs a number of bytes for an attachment")
    limits.checks.append(values.no_larger(Decimal(to_decimal(value))))


def _media(limits: Limits, type_: str, given: Given) -> None:
    if type_ != "attachment":
        raise _UnfitError("belongs to attachments")
    limits.checks.append(values.of_media(frozenset(_texts(given))))


def _targets(limits: Limits, type_: str, given: Given) -> None:
    if type_ != "reference":
        raise _UnfitError("belongs to references")
    limits.checks.append(values.to_types(frozenset(_texts(given))))


def _units(limits: Limits, type_: str, given: Given) -> None:
    if type_ != "quantity" or any(key != "valueCoding" for key, _ in given):
        raise _UnfitError("needs codings for a quantity")
    units = frozenset(values.identity(key, value) for key, value in given)
    limits.checks.append(values.in_units(units))


_READERS: Mapping[str, Callable[[Limits, str, Given], None]] = {
    f"{STANDARD}questionnaire-minOccurs": _least,
    f"{STANDARD}questionnaire-maxOccurs": _most,
    f"{STANDARD}minLength": _shortest,
    f"{STANDARD}maxDecimalPlaces": _places,
    f"{STANDARD}regex": _pattern,
    f"{STANDARD}minValue": _bound(-1),
    f"{STANDARD}maxValue": _bound(1),
    f"{SDC}minQuantity": _bound(-1),
    f"{SDC}maxQuantity": _bound(1),
    f"{STANDARD}maxSize": _size,
    f"{STANDARD}mimeType": _media,
    f"{STANDARD}questionnaire-referenceResource": _targets,
    f"{STANDARD}questionnaire-unitOption": _units,
}


def _name(url: str) -> str:
    return url.rpartition("/")[2].removeprefix("sdc-").removeprefix("questionnaire-")

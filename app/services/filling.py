"""A questionnaire as a page without script asks it, and the items that its fields make."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.domain.questionnaire.limits import STANDARD, value_of
from app.fhir import json
from app.fhir.json import Tree
from app.services.displays import text_of, translation

_ASKED = frozenset(
    ("choice", "open-choice", "boolean", "integer", "decimal", "string", "text", "date")
)
_NUMBERS = frozenset(("decimal", "integer"))
_WESTERN = str.maketrans("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹٫", "01234567890123456789.")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,6})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Question:
    """One item as a page asks it; ``options`` are texts, ``level`` its depth.

    ``language`` is that of the text, and ``spoken`` that of the options, where it is not the
    page's own: then they are said to be, and run in their own direction. ``low`` and ``high`` are
    the bounds of a number as they are written; empty where there are none.
    """

    link_id: str
    kind: str
    text: str
    level: int
    options: tuple[str, ...] = ()
    language: str = ""
    spoken: str = ""
    low: str = ""
    high: str = ""


def questions(questionnaire: Tree, language: str) -> Sequence[Question]:
    """The items in order, as a page asks them; what it cannot ask is left out."""
    own = str(questionnaire.get("language", "")).partition("-")[0]
    return list(_questions(questionnaire, language, "" if own == language else own, 0))


def _questions(node: Tree, language: str, other: str, level: int) -> Iterator[Question]:
    """``other`` is the language of what is not translated."""
    for item in node.get("item", ()):
        if item["type"] in _ASKED or item["type"] in ("group", "display"):
            given = item.get("answerOption", ())
            options = [_label(option, language) for option in given]
            told = [
                translation(option.get("valueCoding", {}), "display", language) for option in given
            ]
            yield Question(
                link_id=item["linkId"],
                kind=item["type"],
                text=text_of(item, "text", language) or item.get("prefix") or item["linkId"],
                level=level,
                options=tuple(options),
                language="" if translation(item, "text", language) else other,
                spoken="" if all(told) else other,
                low=_bound(item, "minValue"),
                high=_bound(item, "maxValue"),
            )
        yield from _questions(item, language, other, level + 1)


def _bound(item: Tree, name: str) -> str:
    for extension in item.get("extension", ()) if item["type"] in _NUMBERS else ():
        if extension.get("url") == f"{STANDARD}{name}":
            limit = value_of(extension)
            return str(limit[1]) if limit and json.is_decimal(limit[1]) else ""
    return ""


def _label(option: Tree, language: str) -> str:
    coding = option.get("valueCoding")
    if coding is not None:
        return text_of(coding, "display", language) or str(coding.get("code", ""))
    found = value_of(option)
    return str(found[1]) if found else ""


def answered_items(node: Tree, fields: Mapping[str, str]) -> Iterator[Tree]:
    """The items of a response that a page's fields fill in."""
    for item in node.get("item", ()):
        inside = list(answered_items(item, fields))
        given = fields.get(field_of(item["linkId"]), "").strip()
        answer = _answer(item, given) if given else None
        filled: Tree = {"linkId": item["linkId"]}
        if answer is not None:
            filled["answer"] = [{**answer, "item": inside} if inside else answer]
        elif inside and item["type"] == "group":
            filled["item"] = inside
        if len(filled) > 1:
            yield filled


def field_of(link_id: str) -> str:
    """The name of an item's field on the page."""
    return f"item-{link_id}"


def _answer(item: Tree, given: str) -> Tree | None:
    match item["type"]:
        case "choice" | "open-choice":
            options = item.get("answerOption", ())
            if not given.isascii() or not given.isdigit() or int(given[:6]) >= len(options):
                return None
            return _chosen(options[int(given[:6])])
        case "boolean":
            return {"valueBoolean": given == "true"}
        case "integer":
            whole = given.translate(_WESTERN)
            return {"valueInteger": int(whole)} if _is_whole(whole) else {"valueString": given}
        case "decimal":
            exact = given.translate(_WESTERN).replace(",", ".")
            fits = _DECIMAL.fullmatch(exact)
            return {"valueDecimal": json.number(exact)} if fits else {"valueString": given}
        case "date":
            return {"valueDate": given}
        case "string" | "text":
            return {"valueString": given}
    return None


def _chosen(option: Tree) -> Tree:
    """The answer that an option is, without what only its definition carries."""
    coding = option.get("valueCoding")
    if coding is None:
        return {key: value for key, value in option.items() if key.startswith("value")}
    return {"valueCoding": {key: coding[key] for key in ("system", "code") if key in coding}}


def _is_whole(text: str) -> bool:
    return text.isascii() and text.removeprefix("-").isdigit() and len(text) < 10

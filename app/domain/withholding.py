"""Answers that are for the person and the clinical lead alone: left out for everybody else.

A form that asks such a question shows each of its responses as SUBSETTED to all others, whether
the question was answered or not, so that nothing can be told from the tag. What others write
never touches the answer. https://hl7.org/fhir/R4/questionnaireresponse.html
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from app.fhir import json, references
from app.fhir.elements import SUBSETTED
from app.fhir.json import Tree

PRIVATE: Final = "X1"
_BASE: Final = "https://rapport.example.org/Questionnaire"
FORMS: Final = frozenset((f"{_BASE}/asc-client", f"{_BASE}/asc-couple"))
_ESCAPE: Final = b"\\"  # JSON may say every character by one
_FORMS: Final = [form.encode() for form in FORMS]
_LINK: Final = f'"{PRIVATE}"'.encode()


def shown(text: bytes, *, rated: Collection[str] | None = None) -> bytes:
    """The text of a response as others may have it; the same object where nothing is withheld.

    ``rated`` are the patients (ids) of whom alone it is withheld.
    """
    if not _may_be_private(text):
        return text
    tree = json.parse_stored(text)
    if not is_private(tree):
        return text
    if rated is not None and not _may_be_of(tree, rated):
        return text
    return json.dumps(withheld(tree))


def _may_be_of(tree: Tree, patients: Collection[str]) -> bool:
    """Whether a response may be about one of these, however it names them, or is about nobody."""
    about = references.parse(str((tree.get("subject") or {}).get("reference", "")))
    return about.type != "Patient" or about.id in patients


def _may_be_private(text: bytes) -> bool:
    """Whether to read a text; one octet is looked for ten times as fast as four."""
    if _ESCAPE in text or (_LINK[1:2] in text and _LINK in text):
        return True
    return any(form in text for form in _FORMS)


def is_private(response: Tree) -> bool:
    """Whether a response is to a form that asks the question, or answers it all the same."""
    return response.get("questionnaire", "").partition("|")[0] in FORMS or _answers(response)


def withheld(response: Tree) -> Tree:
    """The response without the answer, and without a narrative that might tell it."""
    rest = {name: value for name, value in response.items() if name not in ("text", "_text")}
    meta = rest.get("meta") or {}
    tags = [tag for tag in meta.get("tag", ()) if not _is_subsetted(tag)]
    return {**_without(rest), "meta": {**meta, "tag": [*tags, SUBSETTED]}}


def kept(incoming: Tree, stored: Tree | None) -> Tree:
    """What others wrote, with the stored answer in its place, and without the mark of its lack."""
    tree = _merged(_without(incoming), stored or {})
    meta = tree.get("meta")
    if not isinstance(meta, dict) or "tag" not in meta:
        return tree
    tags = [tag for tag in meta["tag"] if not _is_subsetted(tag)]
    rest = {name: value for name, value in meta.items() if name != "tag"}
    return {**tree, "meta": {**rest, "tag": tags} if tags else rest}


def _answers(node: Tree) -> bool:
    return any(
        item.get("linkId") == PRIVATE
        or _answers(item)
        or any(map(_answers, item.get("answer", ())))
        for item in node.get("item", ())
    )


def _without(node: Tree) -> Tree:
    """A response, item or answer without the private item anywhere inside."""
    found = dict(node)
    if "item" in node:
        items = [_without(item) for item in node["item"] if item.get("linkId") != PRIVATE]
        if items:
            found["item"] = items
        else:
            del found["item"]
    if "answer" in node:
        found["answer"] = [_without(answer) for answer in node["answer"]]
    return found


def _merged(node: Tree, stored: Tree) -> Tree:
    """A node with the private items that its stored twin has, at their old places."""
    before = stored.get("item", [])
    if not any(item.get("linkId") == PRIVATE or _answers(item) for item in before):
        return node
    items = list(node.get("item", ()))
    for place, item in enumerate(before):
        if item.get("linkId") == PRIVATE:
            items.insert(min(place, len(items)), item)
        elif _answers(item):
            twin = next(
                (n for n, each in enumerate(items) if each.get("linkId") == item["linkId"]), None
            )
            if twin is None:
                shell = {"linkId": item["linkId"]}
                items.insert(min(place, len(items)), _merged(shell, item))
            else:
                items[twin] = _merged(items[twin], item)
    return {**node, "item": items}


def _is_subsetted(tag: Tree) -> bool:
    return tag.get("system") == SUBSETTED["system"] and tag.get("code") == SUBSETTED["code"]

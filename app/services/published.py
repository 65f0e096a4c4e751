"""What was published stays as it was: answers, scores and alerts name it by its version.

Once a Questionnaire or a measurement definition is no draft any more, its url, its version and what
it measures by do not change; another version is another resource. Its status, its wording for
readers and its contacts may.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.core.errors import AppError, Category, Issue
from app.fhir import json
from app.fhir.json import Tree
from app.services.changes import Change
from app.services.instruments import KIND_SYSTEM

_MEASURE: Mapping[str, tuple[str, ...]] = {
    "Questionnaire": ("url", "version", "item"),
    "Library": ("url", "version", "content"),
}
_DRAFT = "draft"


def check(change: Change) -> Change:
    """The change; refuses one that alters what was published."""
    previous = change.previous
    if previous is None or previous.deleted:
        return change
    before = json.parse_resource(previous.text)
    if before.get("status") == _DRAFT or not _measures(before, change.type):
        return change
    issues = [
        Issue("business-rule", "what was published has another version, not another form", place)
        for name in _MEASURE[change.type]
        if not json.same(before.get(name), change.tree.get(name))
        for place in (f"{change.type}.{name}",)
    ]
    if issues:
        raise AppError(Category.UNPROCESSABLE, issues)
    return change


def _measures(tree: Tree, type_name: str) -> bool:
    """Whether others name it by its version; a Library may be about anything."""
    return bool(tree.get("url")) and (type_name == "Questionnaire" or is_measure(tree))


def is_measure(library: Tree) -> bool:
    """Whether a Library carries a measurement definition."""
    codings = library.get("type", {}).get("coding", ())
    return any(each.get("system") == KIND_SYSTEM for each in codings)

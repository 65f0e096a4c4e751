"""What a client writes of a goal: notes of their own, and how far it was reached.

What was agreed is changed by the treating therapist and the clinic's record system.
"""

from __future__ import annotations

from typing import Final

from app.core.errors import AppError, Category, Issue
from app.fhir import references
from app.fhir.json import Tree
from app.security.principal import Principal
from app.services.changes import Change, content_of

_CLIENTS: Final = frozenset(("note", "achievementStatus"))
_KEPT: Final = frozenset(("id", "meta"))  # by the server, whatever a body says


def check(change: Change, principal: Principal) -> Change:
    """The change; refuses a client's who alters what was agreed or what another noted."""
    previous = change.previous
    if principal.role != "client" or previous is None or previous.deleted:
        return change
    before, after = content_of(previous), change.tree
    altered = [
        name
        for name in sorted((before.keys() | after.keys()) - _CLIENTS - _KEPT)
        if before.get(name) != after.get(name)
    ]
    if not _keeps_notes(before, after, principal.actor or "", principal.base):
        altered.append("note")
    if altered:
        text = "of a goal a client writes own notes and achievementStatus"
        issues = [Issue("forbidden", text, f"Goal.{name}") for name in altered]
        raise AppError(Category.FORBIDDEN, issues)
    return change


def _keeps_notes(before: Tree, after: Tree, own: str, base: str) -> bool:
    """Whether the notes of others, and those that name nobody, are still there, and no more."""
    stood, stand = ([*tree.get("note", ())] for tree in (before, after))
    added = [each for each in stand if each not in stood]
    gone = [each for each in stood if each not in stand]
    return all(_is_by(each, own, base) for each in gone) and all(
        _is_by(each, own, base) or not _names_author(each) for each in added
    )


def _is_by(note: Tree, own: str, base: str) -> bool:
    return references.local(note.get("authorReference"), base) == own


def _names_author(note: Tree) -> bool:
    return "authorReference" in note or "authorString" in note

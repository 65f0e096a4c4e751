"""The work on an alert: open, acknowledged, addressed, then repaired, unrepaired or dismissed.

Work goes forward, and what a person ended stays ended. Where the rule had the last word a person
may still end it otherwise. Nothing else of an alert is anybody's to write: the rule keeps it.
"""

from __future__ import annotations

from app.core.errors import AppError, Category, Issue
from app.fhir import json, splice
from app.fhir.json import Tree
from app.fhir.parameters import place_of
from app.services.changes import Change
from app.services.courses import extension
from app.services.instruments import BASE

STATUSES = f"{BASE}/CodeSystem/alert-status"
STATUS = f"{BASE}/StructureDefinition/alert-status"
VERSION = f"{BASE}/StructureDefinition/rule-version"

STEPS = ("acknowledged", "addressed", "repaired", "unrepaired", "dismissed")
ENDED = frozenset(("repaired", "unrepaired", "dismissed"))
VOID = "entered-in-error"


def step(status: str, words: str | None, *, date: str, author: str | None = None) -> Tree:
    """What was done about an alert, and where it stood after."""
    action: Tree = {"coding": [{"system": STATUSES, "code": status}]}
    if words:
        action["text"] = words
    done: Tree = {"action": action, "date": date}
    return done if author is None else {**done, "author": {"reference": author}}


def check_step(tree: Tree, status: str, note: str | None) -> None:
    """Refuses a step that an alert cannot take: work goes on until a person has ended it."""
    issues = []
    work = [step_of(each) for each in tree.get("mitigation", ()) if "author" in each]
    last, now = work[-1] if work else "open", status_of(tree)
    if tree.get("status") == VOID:
        issues.append(Issue("business-rule", "the alert was raised in error", "DetectedIssue"))
    elif last in ENDED or (now in ENDED and status not in ENDED):
        issues.append(Issue("business-rule", "the work on the alert has ended", "DetectedIssue"))
    elif status == now or (status not in ENDED and _rank(status) <= _rank(last)):
        issues.append(Issue("business-rule", f"the alert is {now} already", place_of("status")))
    if status == "dismissed" and not note:
        issues.append(Issue("required", "note is needed to dismiss", place_of("note")))
    if issues:
        raise AppError(Category.UNPROCESSABLE, issues)


def check(change: Change) -> Change:
    """The change; refuses one of a rule's alert that is no step in the work on it."""
    if change.previous is None or change.previous.deleted:
        return change
    before, after = json.parse_resource(change.previous.text), change.tree
    if not extension(before, VERSION) or splice.same_content(before, after):
        return change
    work = after.get("mitigation", ())
    if work and "author" in work[-1] and step_of(work[-1]) in STEPS:
        expected = resolved(before, work[-1])
        if splice.same_content(expected, {**after, "meta": before["meta"]}):
            check_step(before, step_of(work[-1]), work[-1]["action"].get("text"))
            return change
    raise AppError.of(
        Category.UNPROCESSABLE,
        "business-rule",
        "a rule keeps this alert: $resolve takes the next step",
        "DetectedIssue",
    )


def _rank(status: str) -> int:
    return STEPS.index(status) if status in STEPS else -1


def resolved(tree: Tree, work: Tree) -> Tree:
    """The DetectedIssue after a clinician's step."""
    status = step_of(work)
    others = [each for each in tree.get("extension", ()) if each.get("url") != STATUS]
    return {
        **tree,
        "extension": [{"url": STATUS, "valueCode": status}, *others],
        "status": "final" if status in ENDED else "preliminary",
        "mitigation": [*tree.get("mitigation", ()), work],
    }


def status_of(tree: Tree) -> str:
    """Where the work on an alert stands."""
    return str(extension(tree, STATUS).get("valueCode", "open"))


def is_unresolved(tree: Tree) -> bool:
    """Whether an alert still waits for a word: its work has not ended, and it was no error."""
    return tree["status"] != VOID and status_of(tree) not in ENDED


def step_of(work: Tree) -> str:
    """Where an alert stood after a piece of work."""
    codings = work.get("action", {}).get("coding", ())
    return next(
        (str(each.get("code")) for each in codings if each.get("system") == STATUSES), "open"
    )

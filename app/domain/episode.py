"""The status of an episode of care, and the history that the server keeps of it.

https://hl7.org/fhir/R4/episodeofcare.html names the statuses and no order among them; the order
here is the clinic's. ``statusHistory`` holds every status the episode has been in, the present one
last; its periods follow each other without gap or overlap, and only the last is open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from app.core.errors import AppError, Category, Issue
from app.fhir import primitives
from app.fhir.json import Tree

NEXT: Mapping[str, frozenset[str]] = {
    "planned": frozenset(("waitlist", "active", "cancelled", "entered-in-error")),
    "waitlist": frozenset(("planned", "active", "cancelled", "entered-in-error")),
    "active": frozenset(("onhold", "finished", "entered-in-error")),
    "onhold": frozenset(("active", "finished", "cancelled", "entered-in-error")),
    "finished": frozenset(("entered-in-error",)),
    "cancelled": frozenset(("entered-in-error",)),
    "entered-in-error": frozenset(),
}
_NEEDS_END = frozenset(("finished", "cancelled"))
_STATUS, _HISTORY = "EpisodeOfCare.status", "EpisodeOfCare.statusHistory"


def keep_history(stored: Tree | None, incoming: Tree, *, now: str) -> list[Tree]:
    """The ``statusHistory`` to store with an incoming EpisodeOfCare.

    ``stored`` is the version before it, none for a new episode; both are valid R4, and neither is
    changed. ``now`` is the time of the write as a dateTime. A history sent along is kept where it
    says what the server knows and adds to it rightly, such as one carried over from another system.
    Raises ``unprocessable`` for a transition that does not exist, an ending without ``period.end``,
    or a history that contradicts the stored one.
    """
    status = incoming["status"]
    issues = list(_problems(stored, incoming))
    known: list[Tree] = list(stored.get("statusHistory", ())) if stored else []
    given: list[Tree] = list(incoming.get("statusHistory", ()))
    history = given
    if not given or given == known:
        history = _advance(known, incoming, now)
    else:
        issues += _contradictions(known, given, status)
    if issues:
        raise AppError(Category.UNPROCESSABLE, issues)
    return history


def may_become(status: str, following: str) -> bool:
    """Whether an episode may go from one status to another; staying is always allowed."""
    return status == following or following in NEXT.get(status, ())


def _problems(stored: Tree | None, incoming: Tree) -> Iterator[Issue]:
    status = incoming["status"]
    if stored is not None and not may_become(stored["status"], status):
        words = f"an episode does not go from {stored['status']} to {status}"
        yield Issue("business-rule", words, _STATUS)
    if status in _NEEDS_END and not incoming.get("period", {}).get("end"):
        words = f"an episode that is {status} needs an end"
        yield Issue("required", words, "EpisodeOfCare.period.end")


def _advance(known: Sequence[Tree], incoming: Tree, now: str) -> list[Tree]:
    """The history after this write: the last entry closed where the status changed."""
    status, period = incoming["status"], incoming.get("period", {})
    if known and known[-1]["status"] == status:
        return list(known)
    since = period["end"] if status in _NEEDS_END and "end" in period else now
    if not known:
        start = period.get("start")
        # An episode that is planned for later has been planned since now.
        if since == now and start is not None and _low(start) <= _low(now):
            since = start
        return [{"status": status, "period": {"start": since}}]
    begun = known[-1]["period"].get("start", since)
    # An end that was stated may lie before the last change: periods do not run backwards.
    since = since if _low(since) >= _low(begun) else begun
    closed = {**known[-1], "period": {**known[-1]["period"], "end": since}}
    return [*known[:-1], closed, {"status": status, "period": {"start": since}}]


def _contradictions(known: Sequence[Tree], given: Sequence[Tree], status: str) -> Iterator[Issue]:
    """What is wrong with a history that was sent along."""
    if given[-1]["status"] != status:
        yield Issue("invariant", "the last entry is not the present status", _HISTORY)
    for number, entry in enumerate(known):
        place = f"{_HISTORY}[{number}]"
        if number >= len(given) or not _agrees(entry, given[number]):
            yield Issue("business-rule", "contradicts the history that was kept", place)
            return
    for number, (entry, following) in enumerate(pairwise(given), 1):
        place = f"{_HISTORY}[{number}]"
        if not may_become(entry["status"], following["status"]):
            words = f"an episode does not go from {entry['status']} to {following['status']}"
            yield Issue("business-rule", words, place)
        if not _adjoin(entry["period"], following["period"]):
            yield Issue("invariant", "periods leave a gap or overlap", f"{place}.period")
    for number, entry in enumerate(given):
        if "start" not in entry["period"]:
            yield Issue("required", "a period needs a start", f"{_HISTORY}[{number}].period.start")


def _agrees(known: Tree, given: Tree) -> bool:
    """Whether an entry says what was kept; an open one may have been closed since."""
    before, after = known["period"], given["period"]
    return (
        known["status"] == given["status"]
        and before.get("start") == after.get("start")
        and ("end" not in before or before["end"] == after.get("end"))
    )


def _adjoin(period: Tree, following: Tree) -> bool:
    """Whether one period begins where the other ends, as precisely as both are written."""
    end, start = period.get("end"), following.get("start")
    if end is None or start is None:
        return False
    (low, high), (begin, _) = primitives.date_range(end), primitives.date_range(start)
    return low <= begin <= high


def _low(text: str) -> int:
    return primitives.date_range(text)[0]

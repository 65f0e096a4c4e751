"""The status machine of an episode, and its history."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import AppError, Category
from app.domain.episode import NEXT, keep_history, may_become

STATUSES = sorted(NEXT)
JANUARY, FEBRUARY, MARCH = (f"2026-0{month}-01T09:00:00.000Z" for month in (1, 2, 3))


def episode(status, *, end=None, start=None, history=None):
    tree = {"resourceType": "EpisodeOfCare", "status": status}
    period = {key: value for key, value in (("start", start), ("end", end)) if value}
    if period:
        tree["period"] = period
    if history is not None:
        tree["statusHistory"] = history
    return tree


def entry(status, start, end=None):
    return {"status": status, "period": {"start": start} | ({"end": end} if end else {})}


def refused(stored, incoming, now=FEBRUARY):
    with pytest.raises(AppError) as refusal:
        keep_history(stored, incoming, now=now)
    assert refusal.value.category is Category.UNPROCESSABLE
    return [(issue.code, issue.expression) for issue in refusal.value.issues]


@pytest.mark.parametrize("following", STATUSES)
@pytest.mark.parametrize("status", STATUSES)
def test_every_transition_is_the_contracts_or_is_refused(status, following):
    allowed = {
        "planned": "waitlist active cancelled",
        "waitlist": "planned active cancelled",
        "active": "onhold finished",
        "onhold": "active finished cancelled",
        "finished": "",
        "cancelled": "",
        "entered-in-error": "",
    }[status].split()
    if status != "entered-in-error":
        allowed.append("entered-in-error")
    stored = episode(status, end=JANUARY, history=[entry(status, JANUARY)])
    incoming = episode(following, end=FEBRUARY)
    if following == status or following in allowed:
        assert may_become(status, following)
        assert keep_history(stored, incoming, now=FEBRUARY)[-1]["status"] == following
    else:
        assert ("business-rule", "EpisodeOfCare.status") in refused(stored, incoming)


def test_the_history_grows_without_gaps():
    tree = episode("planned")
    tree["statusHistory"] = keep_history(None, tree, now=JANUARY)
    assert tree["statusHistory"] == [entry("planned", JANUARY)]
    active = episode("active")
    active["statusHistory"] = keep_history(tree, active, now=FEBRUARY)
    assert active["statusHistory"] == [
        entry("planned", JANUARY, FEBRUARY),
        entry("active", FEBRUARY),
    ]
    finished = episode("finished", start=FEBRUARY, end=MARCH)
    assert keep_history(active, finished, now="2026-04-01T00:00:00.000Z") == [
        entry("planned", JANUARY, FEBRUARY),
        entry("active", FEBRUARY, MARCH),
        entry("finished", MARCH),
    ]


@pytest.mark.parametrize("status", ["finished", "cancelled"])
def test_an_ending_needs_its_end(status):
    stored = episode("onhold", history=[entry("onhold", JANUARY)])
    assert refused(stored, episode(status)) == [("required", "EpisodeOfCare.period.end")]


def test_every_problem_is_reported_at_once():
    stored = episode("planned", history=[entry("planned", JANUARY)])
    edited = episode("finished", history=[entry("finished", FEBRUARY)])
    assert refused(stored, edited) == [
        ("business-rule", "EpisodeOfCare.status"),
        ("required", "EpisodeOfCare.period.end"),
        ("business-rule", "EpisodeOfCare.statusHistory[0]"),
    ]


def test_a_status_that_stays_adds_nothing():
    history = [entry("active", JANUARY)]
    stored = episode("active", history=history)
    assert keep_history(stored, episode("active"), now=MARCH) == history
    assert keep_history(stored, episode("active", history=history), now=MARCH) == history


def test_a_history_sent_back_as_read_is_carried_on():
    history = [entry("active", JANUARY)]
    stored = episode("active", history=history)
    assert keep_history(stored, episode("onhold", history=history), now=MARCH) == [
        entry("active", JANUARY, MARCH),
        entry("onhold", MARCH),
    ]


def test_an_active_episode_began_when_its_period_says():
    assert keep_history(None, episode("active", start="2025-06"), now=JANUARY) == [
        entry("active", "2025-06")
    ]
    assert keep_history(None, episode("planned", start="2027-06"), now=JANUARY) == [
        entry("planned", JANUARY)
    ]


def test_an_end_before_the_last_change_does_not_turn_time_back():
    stored = episode("onhold", history=[entry("active", JANUARY, MARCH), entry("onhold", MARCH)])
    assert keep_history(stored, episode("finished", end=FEBRUARY), now=MARCH)[1:] == [
        entry("onhold", MARCH, MARCH),
        entry("finished", MARCH),
    ]


def test_a_history_of_another_system_is_kept_where_it_holds_together():
    carried = [
        entry("planned", "2014-09-01", "2014-09-14"),
        entry("active", "2014-09-15", "2014-09-21"),
        entry("onhold", "2014-09-22", "2014-09-24"),
        entry("active", "2014-09-25"),
    ]
    assert keep_history(None, episode("active", history=carried), now=JANUARY) == carried
    stored = episode("planned", history=[entry("planned", "2014-09-01")])
    assert keep_history(stored, episode("active", history=carried), now=JANUARY) == carried


@pytest.mark.parametrize(
    "history, issues",
    [
        (
            [entry("planned", "2014-09-01", "2014-09-14"), entry("active", "2014-09-20")],
            [("invariant", "EpisodeOfCare.statusHistory[1].period")],
        ),
        (
            [entry("planned", "2014-09-01", "2014-09-14"), entry("active", "2014-09-10")],
            [("invariant", "EpisodeOfCare.statusHistory[1].period")],
        ),
        (
            [entry("planned", "2014-09-01"), entry("active", "2014-09-10")],
            [("invariant", "EpisodeOfCare.statusHistory[1].period")],
        ),
        (
            [entry("finished", "2014-09-01", "2014-09-10"), entry("active", "2014-09-10")],
            [("business-rule", "EpisodeOfCare.statusHistory[1]")],
        ),
        (
            [entry("planned", "2014-09-01")],
            [("invariant", "EpisodeOfCare.statusHistory")],
        ),
        (
            [{"status": "active", "period": {"end": "2014"}}],
            [("required", "EpisodeOfCare.statusHistory[0].period.start")],
        ),
    ],
)
def test_a_history_that_does_not_hold_together_is_refused(history, issues):
    assert refused(None, episode("active", history=history)) == issues


@given(st.lists(st.sampled_from(STATUSES), min_size=1, max_size=8), st.data())
def test_whatever_happens_the_history_is_whole(wishes, data):
    stored: Any = None
    walked: list[str] = []
    for month, wish in enumerate(wishes, 1):
        now = f"2026-{month:02}-01T00:00:00.000Z"
        incoming = episode(wish, end=now)
        if stored is not None and data.draw(st.booleans()):
            incoming["statusHistory"] = stored["statusHistory"]
        try:
            incoming["statusHistory"] = keep_history(stored, incoming, now=now)
        except AppError:
            assert not may_become(stored["status"], wish)
            continue
        if not walked or walked[-1] != wish:
            walked.append(wish)
        stored = incoming
    history = stored["statusHistory"]
    assert [each["status"] for each in history] == walked
    assert "end" not in history[-1]["period"]
    for before, after in itertools.pairwise(history):
        assert before["period"]["end"] == after["period"]["start"]

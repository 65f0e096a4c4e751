"""The ten rules, by the worked cases A4b and C1 to C6, and what prospective means."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import AppError, Category
from app.domain.rupture import Parameters, Repair, Rule, detect, parameters, rule_set

S = "50 51 50 52 51 45 47 51 52 52"


def values(text):
    return [None if word == "-" else Decimal(word) for word in text.split()]


def run(rule, text, **given):
    return detect(Rule(rule), values(text), parameters(given))


def flagged(rule, text, **given):
    return [flag.session for flag in run(rule, text, **given).flags]


def limits(rule, text, **given):
    return {flag.session: round(flag.limit, 4) for flag in run(rule, text, **given).flags}


GIVEN = parameters(
    {
        "k": 1,
        "floor": 2,
        "cutoff": 36,
        "drop": 3,
        "tolerance": 1,
        "criterion": 4,
        "sdBetween": 2,
        "baseline": 3,
    }
)
SERIES = st.lists(st.none() | st.integers(0, 60).map(lambda tenths: Decimal(tenths) / 2 + 20))


def test_c1_steps():
    steps = run("step-drop", S, drop=1)
    assert [flag.session for flag in steps.flags] == [3, 5, 6]
    assert steps.evaluable == tuple(range(2, 11))
    assert flagged("step-drop", S, drop=6) == [6]
    assert flagged("step-drop", S, drop="6.1") == []
    (flag,) = run("step-drop", S, drop=6).flags
    assert (flag.limit, flag.pre) == (45, 51)


def test_c2_trailing_baseline():
    assert limits("trailing-baseline", S, k=1) == {6: Decimal("49.9633"), 7: Decimal("47.3501")}
    assert limits("trailing-baseline", S, k=1, floor=3) == {6: Decimal("47.8")}
    assert limits("trailing-baseline", S, k=2, floor=3) == {6: Decimal("47.8")}
    assert run("trailing-baseline", S, k=1).evaluable == tuple(range(4, 11))


def test_c5_one_episode_that_was_repaired():
    (flag,) = run("v-episode", S, drop=4, tolerance=1, window=3).flags
    assert (flag.session, flag.pre, flag.nadir, flag.limit) == (6, 51, 45, 47)
    assert (flag.status, flag.repaired_at) == (Repair.REPAIRED, 8)


@pytest.mark.parametrize(
    "series, status, repaired_at, nadir",
    [
        ("50 45", "open", None, 45),
        ("50 45 44 43", "open", None, 43),
        ("50 45 44 43 42", "unrepaired", None, 42),
        ("50 45 44 43 42 41", "unrepaired", None, 42),
        ("50 45 44 43 50", "repaired", 5, 43),
        ("50 45 - - 44 - 43 49", "repaired", 8, 43),
        ("50 45 44 - 48 48.9", "unrepaired", None, 44),
    ],
)
def test_c5_an_episode_is_open_while_its_window_runs(series, status, repaired_at, nadir):
    first = run("v-episode", series, drop=4, tolerance=1, window=3).flags[0]
    assert (first.session, first.status) == (2, status)
    assert (first.repaired_at, first.nadir) == (repaired_at, nadir)


def test_c5d_a_slow_decline_needs_the_running_maximum():
    slow = "50 49 48 47 46 45 50 50"
    assert flagged("v-episode", slow, drop=4, tolerance=1) == []
    (flag,) = run("v-episode", slow, drop=4, tolerance=1, reference="maximum").flags
    assert (flag.session, flag.pre, flag.nadir, flag.repaired_at) == (5, 50, 45, 7)


def test_what_was_not_repaired_is_flagged_once_and_is_the_level_to_fall_from_next():
    lasting = "50 40 41 42 41 42 40 42 41 30"
    flags = run("v-episode", lasting, drop=10, tolerance=3, reference="maximum").flags
    assert [(flag.session, flag.pre, flag.status) for flag in flags] == [
        (2, 50, "unrepaired"),
        (10, 42, "open"),
    ]


def test_two_episodes_one_after_the_other():
    flags = run("v-episode", "50 44 50 43 50", drop=4, tolerance=1).flags
    assert [(flag.session, flag.repaired_at) for flag in flags] == [(2, 3), (4, 5)]


@pytest.mark.parametrize(
    "series, cut, step",
    [
        ("38.0 36.9", [], [2]),
        ("38.0 37.1", [], []),
        ("37.0 36.0", [], [2]),
        ("36.5 35.9", [2], []),
        ("36.0", [], []),
        ("38.0 - 36.9", [], [3]),
    ],
)
def test_c6_srs(series, cut, step, definitions):
    below, drop = rule_set(definitions["srs-ruptures"]).rules
    found = [detect(live.rule, values(series), live.parameters) for live in (below, drop)]
    assert [[flag.session for flag in each.flags] for each in found] == [cut, step]


def test_c6_a_missing_session_is_missing_and_the_border_is_a_parameter():
    seen = run("below-cutoff", "38 - 36.0 35.9", cutoff=36)
    assert (seen.evaluable, seen.missing) == ((1, 3, 4), (2,))
    assert [flag.session for flag in seen.flags] == [4]
    assert flagged("below-cutoff", "38 - 36.0 35.9", cutoff=36, inclusive=True) == [3, 4]


def test_a4b_a_drop_of_exactly_one_is_not_lost_in_binary():
    assert 31.3 - 32.3 > -1.0
    assert flagged("step-drop", "32.3 31.3", drop=1) == [2]
    before: Any = sum(map(Decimal, ["8.0", "8.2", "9.1", "9.3"]))
    after: Any = sum(map(Decimal, ["7.7", "7.9", "9.0", "9.0"]))
    (flag,) = detect(Rule.STEP_DROP, [before, after], parameters({"drop": 1})).flags
    assert flag.limit == Decimal("33.6")


def test_the_last_digit_of_a_mean_raises_no_flag():
    third = Decimal(200) / 3
    level = [third] * 12
    assert detect(Rule.TRAILING_BASELINE, level, parameters({"k": 1})).flags == ()
    assert detect(Rule.CONTROL_CHART, level, parameters({})).flags == ()
    assert detect(Rule.RETROSPECTIVE_RESIDUAL, level, parameters({})).flags == ()
    drop = [Decimal(500) / 9, Decimal(410) / 9]
    assert len(detect(Rule.STEP_DROP, drop, parameters({"drop": 10})).flags) == 1


def test_r4_control_chart():
    chart = run("control-chart", S, baseline=5)
    assert chart.evaluable == (6, 7, 8, 9, 10)
    assert limits("control-chart", S, baseline=5) == {
        6: Decimal("47.475"),
        7: Decimal("47.475"),
    }
    assert run("control-chart", "50 51 50 52 51", baseline=5).evaluable == ()


def test_r6_stricter_of_two():
    assert limits("stricter-of-two", S, k=1, sdBetween=3) == {6: Decimal(48)}
    assert limits("stricter-of-two", S, k=2, sdBetween=3) == {6: Decimal(45)}
    assert flagged("stricter-of-two", S, k=2, sdBetween="3.01") == []
    wild = "50 30 60 40 55 45"
    assert flagged("stricter-of-two", wild, k=1, sdBetween=1) == [4]


def test_r7_residual_from_the_own_line():
    assert flagged("retrospective-residual", S, k=1) == [6, 7]
    assert flagged("retrospective-residual", S, k=2) == [6]
    assert flagged("retrospective-residual", "50 40 30 20") == []
    assert run("retrospective-residual", "50 40").evaluable == ()


def test_r8_reliable_drop():
    assert flagged("reliable-drop", S, criterion=6) == [6]
    assert flagged("reliable-drop", "50 47 44 41", criterion=6) == []
    assert flagged("reliable-drop", "50 47 44 41", criterion=6, reference="maximum") == [3, 4]


def test_r9_self_report():
    seen = run("self-report", "0 1 - 0 4")
    assert [flag.session for flag in seen.flags] == [2, 5]
    assert seen.evaluable == (1, 2, 4, 5)
    assert flagged("self-report", "0 1 - 0 4", cutoff=3) == [5]


def test_r10_the_gap_widens():
    assert flagged("congruence-gap", "2 5 10 17", drop=15, window=3) == [4]
    assert flagged("congruence-gap", "2 5 10 16.9", drop=15, window=3) == []
    assert flagged("congruence-gap", "2 5 -10 -17", drop=15, window=3) == [4]
    assert run("congruence-gap", "2 5 10 17", drop=15, window=3).evaluable == (4,)
    assert flagged("congruence-gap", "2 - 5 10 - 17", drop=15, window=3) == [6]


@pytest.mark.parametrize(
    "rule, given, series, session, status, repaired_at",
    [
        # Back at the level before, within tolerance.
        ("step-drop", {"drop": 1}, "38 36.9 37.9", 2, "open", None),
        ("step-drop", {"drop": 1}, "38 36.9 37.9 38", 2, "repaired", 4),
        ("step-drop", {"drop": 1, "tolerance": ".1"}, "38 36.9 37.9", 2, "repaired", 3),
        ("step-drop", {"drop": 1}, "38 36.9 37 37 37 37 38", 2, "repaired", 7),
        ("step-drop", {"drop": 1}, "38 36.9 - 37 - 38 38", 2, "repaired", 6),
        ("stricter-of-two", {"sdBetween": 3}, S, 6, "repaired", 8),
        ("reliable-drop", {"criterion": 6}, S, 6, "repaired", 8),
        ("reliable-drop", {"criterion": 6, "tolerance": 4}, S, 6, "repaired", 7),
        ("trailing-baseline", {"k": 1, "floor": 3}, S, 6, "repaired", 8),
        ("trailing-baseline", {"k": 1}, "50 50 50 45 50", 4, "repaired", 5),
        ("trailing-baseline", {"k": 1, "floor": 3}, "50 50 50 45 49 50", 4, "repaired", 6),
        ("control-chart", {}, S, 6, "repaired", 8),
        ("control-chart", {}, "50 52 50 52 51 45 49", 6, "open", None),
        # On the good side of the cut-off again.
        ("below-cutoff", {"cutoff": 36}, "38 35.9 36", 2, "repaired", 3),
        ("below-cutoff", {"cutoff": 36, "inclusive": True}, "38 35.9 36", 2, "open", None),
        ("below-cutoff", {"cutoff": 36, "inclusive": True}, "38 36 36.1", 2, "repaired", 3),
        ("below-cutoff", {"cutoff": 36}, "35 35 35 35 36", 1, "repaired", 5),
        ("below-cutoff", {"cutoff": 36}, "35 35 35 35 36", 2, "repaired", 5),
        # No tension told of; as near to each other as before.
        ("self-report", {}, "0 1 0", 2, "repaired", 3),
        ("self-report", {}, "0 1 1 - 2", 2, "open", None),
        ("congruence-gap", {"drop": 15}, "2 5 10 17 10 2", 4, "repaired", 6),
        ("congruence-gap", {"drop": 15}, "2 5 10 17 10 3 4", 4, "open", None),
        ("congruence-gap", {"drop": 15, "tolerance": 5}, "2 5 10 17 -7", 4, "repaired", 5),
    ],
)
def test_every_live_rule_notices_a_repair(rule, given, series, session, status, repaired_at):
    found = {flag.session: flag for flag in run(rule, series, **given).flags}
    assert (found[session].status, found[session].repaired_at) == (status, repaired_at)


@given(SERIES, st.sampled_from(list(Rule)))
def test_only_a_rule_that_looks_back_at_all_of_it_tells_of_no_repair(series, rule):
    told = {flag.status is not None for flag in detect(rule, series, GIVEN).flags}
    assert told <= {rule is not Rule.RETROSPECTIVE_RESIDUAL}


def test_an_empty_series_is_judged_nowhere():
    given = Parameters(
        cutoff=Decimal(1), drop=Decimal(1), criterion=Decimal(1), sdBetween=Decimal(1)
    )
    for rule in Rule:
        assert detect(rule, [], given) == detect(rule, (), given)
        seen = detect(rule, [None, None], given)
        assert (seen.evaluable, seen.flags, seen.missing) == ((), (), (1, 2))


@pytest.mark.parametrize(
    "rule, given, places",
    [
        ("below-cutoff", {}, ["cutoff"]),
        ("step-drop", {"drop": 0}, ["drop"]),
        ("v-episode", {"window": 0, "tolerance": -1}, ["drop", "tolerance", "window"]),
        ("trailing-baseline", {"minPrior": 1, "k": -1}, ["k", "minPrior"]),
        ("control-chart", {"baseline": 1}, ["baseline"]),
        ("stricter-of-two", {}, ["sdBetween"]),
        ("reliable-drop", {}, ["criterion"]),
        ("congruence-gap", {}, ["drop"]),
    ],
)
def test_a_rule_without_what_it_needs_is_refused(rule, given, places):
    with pytest.raises(AppError) as refusal:
        run(rule, S, **given)
    assert refusal.value.category is Category.UNPROCESSABLE
    assert [issue.expression for issue in refusal.value.issues] == places


def test_parameters_of_the_wrong_type_are_refused():
    with pytest.raises(AppError) as refusal:
        parameters({"k": "much", "reference": "mean", "window": Decimal("1.5")})
    places = {issue.expression for issue in refusal.value.issues}
    assert places == {"k", "reference", "window"}


def test_a_value_too_large_to_be_a_score_is_refused():
    with pytest.raises(AppError):
        run("trailing-baseline", "1e400000 1 1 1 1", k=1)


def test_a_retrospective_rule_is_never_live(definitions):
    rules = [{"rule": "retrospective-residual", "parameters": {"k": 1}}]
    with pytest.raises(AppError) as refusal:
        rule_set(definitions["srs-ruptures"] | {"rules": rules})
    assert [issue.code for issue in refusal.value.issues] == ["business-rule"]


@given(SERIES, st.integers(0, 60), st.sampled_from(["previous", "maximum"]), st.data())
def test_a_later_session_never_changes_a_flag_or_a_limit(series, cut, reference, data):
    live = [rule for rule in Rule if rule is not Rule.RETROSPECTIVE_RESIDUAL]
    rule = data.draw(st.sampled_from(live))
    given_ = parameters(
        {name: getattr(GIVEN, name) for name in Parameters.__slots__} | {"reference": reference}
    )
    early, late = detect(rule, series[:cut], given_), detect(rule, series, given_)
    size = len(series[:cut])
    assert early.evaluable == tuple(s for s in late.evaluable if s <= size)
    assert early.missing == tuple(s for s in late.missing if s <= size)
    kept = [flag for flag in late.flags if flag.session <= size]
    assert [(f.session, f.limit, f.pre) for f in early.flags] == [
        (f.session, f.limit, f.pre) for f in kept
    ]
    for before, after in zip(early.flags, kept, strict=True):
        if before.status is not Repair.OPEN:
            assert before == after


@given(SERIES, st.sampled_from(list(Rule)))
def test_a_flag_stands_at_a_session_that_was_judged(series, rule):
    seen = detect(rule, series, GIVEN)
    assert {flag.session for flag in seen.flags} <= set(seen.evaluable)
    assert not set(seen.evaluable) & set(seen.missing)
    assert list(seen.evaluable) == sorted(set(seen.evaluable))
    for flag in seen.flags:
        assert (flag.status is Repair.REPAIRED) == (flag.repaired_at is not None)

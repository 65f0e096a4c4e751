"""Scores, by the worked cases A1 to A12 and the invariants of measurement."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import AppError, Category
from app.domain.measure import for_people
from app.domain.scoring import score, scoring_key, weakest
from app.services.instruments import definition_in, shipped

KEYS: dict[str, Any] = {
    key.instrument: key
    for tree in shipped()
    if tree["resourceType"] == "Library"
    if (definition := definition_in(tree))["kind"] == "scoring-key"
    for key in [scoring_key(definition)]
}
A8 = (
    "B1 4 B2 3 B3 4 G1 3 G2 3 G3 2 T1 3 T2 2 T3 4 E1 3 E2 4 S1 3 S2 2 S3 4 D1 4 D2 3 "
    "O1 2 O2 1 V1 3 V2 0 P1 2 P2 3"
)


def pairs(text):
    words = text.split()
    return {item: Decimal(value) for item, value in zip(words[::2], words[1::2], strict=True)}


def numbered(*values):
    return {str(number): value for number, value in enumerate(map(to_decimal, values), 1)}


def to_decimal(value):
    return None if value is None else Decimal(str(value))


def scores_of(instrument, answers):
    return {each.scale: each for each in score(KEYS[instrument], answers)}


def rounded(scores):
    return {
        scale: None if each.value is None else round(each.value, 4)
        for scale, each in scores.items()
    }


def decimals(**values):
    return {name: to_decimal(value) for name, value in values.items()}


def test_a1_wai_sr():
    scores = scores_of("wai-sr", numbered(4, 3, 5, 4, 4, 3, 5, 4, 4, 3, 4, 5))
    assert rounded(scores) == decimals(task=15, goal=15, bond=18, total=48)
    assert scores["total"].members == ("task", "goal", "bond")
    assert not any(each.prorated or each.missing for each in scores.values())


def test_a3_one_item_of_a_subscale_is_filled_in():
    scores = scores_of("wai-sr", numbered(4, 3, 5, 4, 4, 3, 5, None, 4, 3, 4, 5))
    assert rounded(scores) == decimals(task=15, goal="14.6667", bond=18, total="47.6667")
    assert {scale: each.prorated for scale, each in scores.items()} == {
        "task": 0,
        "goal": 1,
        "bond": 0,
        "total": 1,
    }
    assert (scores["goal"].answered, scores["goal"].items) == (3, 4)


def test_two_missing_items_leave_a_subscale_and_the_total_without_a_value():
    scores = scores_of("wai-sr", numbered(4, 3, 5, 4, 4, None, 5, None, 4, 3, 4, 5))
    assert rounded(scores) == decimals(task=15, goal=None, bond=18, total=None)
    assert scores["goal"].missing == scores["total"].missing == "unknown"
    assert scores["goal"].prorated == scores["total"].prorated == 0


@pytest.mark.parametrize(
    "answers, total", [("9.5 9.2 9.6 9.4", "37.7"), ("9.1 8.7 9.4 8.6", "35.8")]
)
def test_a4_srs_is_a_sum_of_tenths(answers, total):
    lines = zip(("relationship", "goals", "approach", "overall"), answers.split(), strict=True)
    scores = scores_of("srs", {line: Decimal(value) for line, value in lines})
    assert scores["total"].value == Decimal(total)


def test_srs_and_ors_need_every_line():
    for instrument in ("srs", "ors"):
        answers = dict.fromkeys(KEYS[instrument].items, Decimal("9.9"))
        assert scores_of(instrument, answers)["total"].value == Decimal("39.6")
        answers.popitem()
        assert scores_of(instrument, answers)["total"].value is None


@pytest.mark.parametrize("answers, total", [((1, 1, 1, 2, 2, 0, 0), 7), ((0, 0, 1, 1, 0, 1, 0), 3)])
def test_a6_gad_7(answers, total):
    scores = scores_of("gad-7", numbered(*answers))
    assert scores["total"].value == total
    assert KEYS["gad-7"].scale("total").coding[0].code == "70274-6"


def test_phq_9_sums_nine_items_and_leaves_the_tenth_out():
    scores = scores_of("phq-9", numbered(*range(4), *range(4), 3, 2))
    assert scores["total"].value == 15
    assert scores_of("phq-9", numbered(*[1] * 8, None, 3))["total"].value is None
    assert KEYS["phq-9"].scale("total").coding[0].code == "44261-6"


def test_a8_the_check_in():
    scores = scores_of("asc-client", pairs(A8))
    assert rounded(scores) == decimals(
        bond="91.6667",
        goal="66.6667",
        task=75,
        empathy="87.5",
        safety=75,
        boundaries="87.5",
        openness="37.5",
        vulnerability="87.5",
        past="62.5",
        core="77.7778",
        climate="72.9167",
        overall="74.5370",
    )
    lowest: Any = weakest(KEYS["asc-client"], tuple(scores.values()))
    assert lowest.scale == "openness"
    assert scores["core"].members == ("bond", "goal", "task")


def test_a10_too_few_goal_items_take_core_and_overall_with_them():
    answers = pairs(A8)
    del answers["G1"]
    answers["G2"] = None
    scores = scores_of("asc-client", answers)
    assert {scale for scale, each in scores.items() if each.value is None} == {
        "goal",
        "core",
        "overall",
    }
    assert round(scores["climate"].value, 4) == Decimal("72.9167")


def test_climate_needs_four_of_its_six():
    answers = pairs(A8)
    for item in ["E1", "E2", "D1", "D2"]:
        del answers[item]
    scores = scores_of("asc-client", answers)
    assert scores["climate"].value == (75 + Decimal("37.5") + Decimal("87.5") + Decimal("62.5")) / 4
    assert scores["overall"].value is not None
    del answers["O1"]
    del answers["O2"]
    scores = scores_of("asc-client", answers)
    assert scores["climate"].value is None
    assert scores["overall"].value is None


def test_a12_the_same_answer_everywhere_is_marked_where_items_are_reversed():
    full = KEYS["asc-client"]
    straight = dict.fromkeys(full.items, Decimal(3))
    assert all(each.straight_line for each in score(full, straight))
    assert not any(each.straight_line for each in score(full, straight | {"V2": Decimal(2)}))
    assert not any(each.straight_line for each in score(full, straight | {"V2": None}))
    assert not any(
        each.straight_line
        for each in score(KEYS["srs"], dict.fromkeys(KEYS["srs"].items, Decimal(10)))
    )


def test_the_pulse_needs_three_of_five():
    pulse = scores_of("asc-pulse", pairs("B1 4 G1 3 T1 3 S2 1 O1 2"))
    assert pulse["total"].value == 75
    assert scores_of("asc-pulse", pairs("B1 4 S2 1 O1 2"))["total"].value == 75
    assert scores_of("asc-pulse", pairs("B1 4 S2 1"))["total"].value is None


def test_the_couple_form_needs_two_of_three_and_ignores_the_private_question():
    assert scores_of("asc-couple", pairs("C1 4 C2 2 C3 1"))["couple"].value == 75
    assert scores_of("asc-couple", pairs("C1 4 C3 4 X1 1"))["couple"].value == 50
    assert scores_of("asc-couple", pairs("C3 4"))["couple"].value is None


def test_the_therapist_form_is_scored_alike():
    client, therapist = KEYS["asc-client"], KEYS["asc-therapist"]
    assert therapist.scales == client.scales
    assert (client.rater, therapist.rater) == ("client", "therapist")


def test_people_see_one_decimal_with_halves_away_from_zero():
    assert for_people(Decimal("66.65")) == Decimal("66.7")
    assert for_people(Decimal("-0.25")) == Decimal("-0.3")


def test_an_answer_outside_the_range_is_refused():
    with pytest.raises(AppError) as refusal:
        score(KEYS["wai-sr"], {"1": Decimal(0), "2": Decimal(6), "3": Decimal(3)})
    assert refusal.value.category is Category.UNPROCESSABLE
    assert len(refusal.value.issues) == 2


@given(st.data())
def test_no_score_depends_on_the_order_of_the_answers(data):
    key = KEYS[data.draw(st.sampled_from(sorted(KEYS)))]
    answers = data.draw(forms(key))
    shuffled = dict(data.draw(st.permutations(sorted(answers.items()))))
    assert score(key, shuffled) == score(key, answers)


@given(st.data())
def test_missing_is_never_zero(data):
    """Leaving an answer out never counts as the lowest: the rest alone makes the value."""
    key = KEYS[data.draw(st.sampled_from(["asc-client", "asc-pulse", "wai-sr", "srs"]))]
    level = data.draw(st.integers(int(key.range.low), int(key.range.high)))
    answers = {
        item: key.range.high + key.range.low - level if item in key.reversed else Decimal(level)
        for item in data.draw(st.sets(st.sampled_from(key.items)))
    }
    share = (level - key.range.low) / (key.range.high - key.range.low)
    for each in score(key, answers):
        scale = key.scale(each.scale)
        if each.value is None:
            assert each.missing == "unknown"
        else:
            assert abs(each.value - (scale.low + share * (scale.high - scale.low))) < Decimal(
                "1e-20"
            )


@given(st.data())
def test_reversing_twice_changes_nothing_and_every_value_is_in_range(data):
    key = KEYS[data.draw(st.sampled_from(sorted(KEYS)))]
    answers = data.draw(forms(key))
    turned = {
        item: key.range.low + key.range.high - value if value is not None else None
        for item, value in answers.items()
    }
    again = {
        item: key.range.low + key.range.high - value if value is not None else None
        for item, value in turned.items()
    }
    assert again == answers
    for each, mirror in zip(score(key, answers), score(key, turned), strict=True):
        if each.value is None:
            assert mirror.value is None
            continue
        assert mirror.value is not None
        scale = key.scale(each.scale)
        assert scale.low <= each.value <= scale.high
        assert abs(each.value + mirror.value - scale.low - scale.high) < Decimal("1e-20")


def forms(key):
    value = st.integers(int(key.range.low), int(key.range.high)).map(Decimal) | st.none()
    return st.fixed_dictionaries(dict.fromkeys(key.items, value))


@pytest.mark.parametrize(
    "change, place",
    [
        ({"scales": []}, None),
        ({"range": {"low": 4, "high": 4}}, "range"),
        ({"reversed": ["B9"]}, "reversed"),
        ({"direction": "sideways"}, "direction"),
        ({"scales": [{"code": "a"}]}, "scales[0].method"),
    ],
)
def test_a_key_that_contradicts_itself_is_refused(definitions, change, place):
    definition = definitions["asc-pulse-scoring"] | change
    if place is None:
        definition["reversed"] = []
        assert scoring_key(definition).items == ()
        return
    with pytest.raises(AppError) as refusal:
        scoring_key(definition)
    assert place in {issue.expression for issue in refusal.value.issues}


def test_a_sum_that_would_count_a_missing_item_as_nothing_is_refused(definitions):
    definition = definitions["srs-scoring"]
    (scale,) = definition["scales"]
    with pytest.raises(AppError) as refusal:
        scoring_key(definition | {"scales": [scale | {"minimum": 3}]})
    assert [issue.expression for issue in refusal.value.issues] == ["scales[0].minimum"]


def test_members_name_scales_further_up(definitions):
    definition = definitions["wai-sr-scoring"]
    with pytest.raises(AppError) as refusal:
        scoring_key(definition | {"scales": definition["scales"][::-1]})
    assert [issue.code for issue in refusal.value.issues] == ["not-found"]

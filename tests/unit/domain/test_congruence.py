"""Raters compared, by the worked cases D1, D3 and E1, and therapists shrunken."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.domain.congruence import congruence, decompose, pair, shrink


def numbers(text):
    return [Decimal(word) for word in text.split()]


def sessions(text):
    return {
        session: None if word == "-" else Decimal(word)
        for session, word in enumerate(text.split(), 1)
    }


def test_d1_bias_slope_correlation_gap():
    found: Any = congruence(pair(sessions("60 64 62 70 66 72"), sessions("55 57 58 63 60 66")))
    assert round(found.bias, 4) == Decimal("-5.8333")
    assert round(found.slope, 4) == Decimal("0.8540")
    assert round(found.correlation, 4) == Decimal("0.9722")
    assert round(found.mean_absolute_gap, 4) == Decimal("5.8333")
    assert len(found.pairs) == 6


def test_e1_a_correlation_of_the_published_size_is_a_difference_of_the_published_size():
    """Flueckiger 2018: r = .278, d = .579, here between two groups of spread 1."""
    groups = sessions("0 0 1 1")
    values = dict(zip(groups, numbers("-1 1 -.421 1.579"), strict=True))
    found: Any = congruence(pair(groups, values))
    assert found.slope == Decimal(".579")
    assert round(found.correlation, 3) == Decimal(".278")


def test_only_sessions_that_both_rated_are_paired():
    pairs: Any = pair(sessions("60 - 62 70"), sessions("55 57 -"))
    assert [(each.session, each.left, each.right) for each in pairs] == [(1, 60, 55)]
    found: Any = congruence(pairs)
    assert (found.bias, found.mean_absolute_gap) == (-5, 5)
    assert found.slope is None
    assert found.correlation is None


def test_no_pair_and_no_spread_give_no_figure():
    assert congruence(()).bias is None
    flat: Any = congruence(pair(sessions("60 60 60"), sessions("50 55 60")))
    assert (flat.bias, flat.slope, flat.correlation) == (-5, None, None)


def test_a_couple_session_has_a_gap_and_a_lower_score():
    first: Any
    second: Any
    (first, second) = pair(sessions("80 50"), sessions("62 75"))
    assert (first.gap, first.lower) == (18, 62)
    assert (second.gap, second.lower) == (25, 50)


def test_d3_between_and_within():
    found: Any = decompose(
        {"c1": numbers("40 44 48"), "c2": numbers("52 50 54"), "c3": numbers("58 60 56"), "c4": []}
    )
    assert round(found.grand, 4) == Decimal("51.3333")
    assert {name: round(value, 4) for name, value in found.between.items()} == {
        "c1": Decimal("-7.3333"),
        "c2": Decimal("0.6667"),
        "c3": Decimal("6.6667"),
    }
    assert found.within == {"c1": (-4, 0, 4), "c2": (0, -2, 2), "c3": (0, 2, -2)}
    assert decompose({}) is None


@given(
    st.dictionaries(
        st.text(max_size=3),
        st.lists(st.integers(0, 100).map(Decimal), min_size=1, max_size=8),
        min_size=1,
        max_size=8,
    )
)
def test_deviations_sum_to_zero(scores):
    found: Any = decompose(scores)
    assert abs(sum(found.between.values())) < Decimal("1e-20")
    for values in found.within.values():
        assert abs(sum(values)) < Decimal("1e-20")


def test_a_therapist_with_few_clients_is_drawn_to_the_mean_of_all():
    effects: Any = shrink(
        {
            "a": numbers("70 72 74 71 73 72 71 73"),
            "b": numbers("60 62 58 61 59 60 61 59"),
            "c": numbers("80 84"),
        }
    )
    for effect in effects.values():
        assert abs(effect.shrunken) <= abs(effect.raw)
        assert 0 <= effect.reliability <= 1
        assert effect.low <= effect.shrunken <= effect.high
    assert effects["c"].reliability < effects["a"].reliability
    assert effects["c"].high - effects["c"].low > effects["a"].high - effects["a"].low


def test_where_therapists_do_not_differ_nothing_is_left_of_their_distance():
    effects: Any = shrink({"a": numbers("60 80 70"), "b": numbers("80 60 71")})
    assert {effect.shrunken for effect in effects.values()} == {Decimal(0)}
    assert all(effect.low == effect.high == 0 for effect in effects.values())


def test_too_little_is_known_to_shrink():
    assert shrink({"a": numbers("60 80")}) is None
    assert shrink({"a": numbers("60"), "b": numbers("80")}) is None
    same: Any = shrink({"a": numbers("70 70"), "b": numbers("70 70")})
    assert same["a"].shrunken == 0

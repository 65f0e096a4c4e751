"""Raters compared, by the worked cases D1 and E1."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from app.domain.congruence import congruence, pair


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

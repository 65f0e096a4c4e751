"""Clients within and between, by the worked case D3, and therapists shrunken."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.domain.supervision import decompose, published, shrink, summary


def numbers(text):
    return [Decimal(word) for word in text.split()]


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


def caseload(*means):
    """Clients with two scores each, two apart."""
    scores = {f"c{n}": [Decimal(mean - 1), Decimal(mean + 1)] for n, mean in enumerate(means)}
    return published(scores)


def test_a_therapist_is_told_of_as_far_as_is_known():
    found: Any = summary(
        "a", {"a": caseload(*[70] * 5), "b": caseload(*[60] * 5), "c": caseload(*[65] * 5)}
    )
    assert (found.clients, found.between) == (5, 0)
    assert round(found.within, 4) == Decimal("1.4142")
    assert (found.effect.shrunken, found.effect.reliability) == (5, 1)


def test_two_therapists_are_not_compared_and_a_caseload_that_was_held_back_is_not_told():
    two = {"a": caseload(70, 72, 74, 70, 68), "b": caseload(60, 61, 62, 63, 64), "c": None}
    found: Any = summary("a", two)
    assert found.effect is None
    assert found.between > 0
    assert summary("c", two) is None
    assert summary("nobody", two) is None


def test_one_score_a_client_says_nothing_of_change_within():
    once = published({f"c{n}": [Decimal(n)] for n in range(5)})
    found: Any = summary("a", {"a": once})
    assert found.within is None
    assert published({"c": []}) == {}

"""Figures about many, by the worked cases E6 and E7."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.domain.aggregate import LEAST, SUPPRESSED, cell, differ, release, release_together


def clients(count, value=70):
    return {f"c{number}": Decimal(value + number) for number in range(count)}


def test_e6_the_mean_of_a_pair_is_no_aggregate():
    assert 2 * Decimal(71) - 80 == 62  # what the shown mean would tell who knows their own score
    assert cell(release({"a": Decimal(80), "b": Decimal(62)})) == SUPPRESSED


def test_a_cell_of_five_has_figures():
    shown: Any = cell(release(clients(5)))
    assert (shown.suppressed, shown.n, shown.mean) == (False, 5, 72)
    assert round(shown.sd, 4) == Decimal("1.5811")
    assert cell(release(clients(4))) == SUPPRESSED


def test_e7_one_client_more_gives_the_same_figures_again():
    five, six = clients(5), clients(6)
    assert differ(five, six) == 1
    assert cell(release(six, [five])) == cell(five)
    assert release(clients(10), [five]) == clients(10)


def test_e7_one_changed_value_is_a_client_too():
    five = clients(5)
    changed = five | {"c0": Decimal(10)}
    assert release(changed, [five]) == five


def test_a_release_is_safe_next_to_every_earlier_one():
    first, second = clients(5), clients(12)
    back = clients(6)  # six fewer than the newest, one more than the first
    assert release(back, [first, second]) == second
    assert release(first, [first, second]) == first


def test_a_cell_that_shrank_shows_what_it_showed():
    assert release(clients(3), [clients(6)]) == clients(6)
    assert release(clients(3), [clients(4)]) is None


VALUES = st.dictionaries(st.sampled_from("abcdefghijklm"), st.integers(0, 3).map(Decimal))


@given(st.lists(VALUES, max_size=6))
def test_no_two_releases_ever_differ_in_fewer_than_five_clients(states):
    published: list[Any] = []
    for state in states:
        shown = release(state, published)
        if shown is not None:
            assert len(shown) >= LEAST
            assert all(
                differ(shown, each) == 0 or differ(shown, each) >= LEAST for each in published
            )
            published.append(shown)


def test_cells_that_add_up_are_released_together_or_as_they_were():
    five = {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}
    six, ten = {**five, "f": 6}, {**five, **dict.fromkeys("fghij", 9)}
    cells = {"bond": five, "total": five}
    assert release_together(cells, {}) == cells
    earlier = {"bond": [five], "total": [five]}
    assert release_together({"bond": six, "total": six}, earlier) == cells
    # Ten differ enough in one of them, not in the other: neither is new.
    assert release_together({"bond": ten, "total": six}, earlier) == cells
    grown = {"bond": ten, "total": ten}
    assert release_together(grown, earlier) == grown
    few = {"bond": five, "total": {"a": 1}}
    assert release_together(few, {}) == {"bond": five, "total": None}

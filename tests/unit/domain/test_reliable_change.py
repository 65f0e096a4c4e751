"""Reliable change, by the worked cases B1 to B5 and D5."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from app.core.errors import AppError, Category
from app.domain.measure import Direction
from app.domain.reliable_change import Distribution, alpha, norms, reliable_change

HIGHER, LOWER = Direction.HIGHER, Direction.LOWER


def d(text):
    return Decimal(str(text))


def test_b1_the_textbook_case():
    change: Any = reliable_change(
        d("32.5"),
        d("47.5"),
        direction=HIGHER,
        sd=d("7.5"),
        reliability=d(".80"),
        dysfunctional=Distribution(d(40), d("7.5")),
        functional=Distribution(d(60), d("7.5")),
    )
    assert [
        round(value, 4) for value in (change.sem, change.sdiff, change.rc, change.criterion)
    ] == [
        d("3.3541"),
        d("4.7434"),
        d("3.1623"),
        d("9.2971"),
    ]
    assert (change.cut_a, change.cut_b, change.cut_c) == (55, 45, 50)
    assert change.verdict == "reliable-improvement"


def test_b3_lower_is_better():
    change: Any = reliable_change(d(17), d(9), direction=LOWER, sd=d(6), reliability=d(".84"))
    assert round(change.sdiff, 4) == d("3.3941")
    assert round(change.rc, 4) == d("-2.3570")
    assert round(change.criterion, 4) == d("6.6525")
    assert change.verdict == "reliable-improvement"
    back = reliable_change(d(9), d(17), direction=LOWER, sd=d(6), reliability=d(".84"))
    assert back.verdict == "reliable-deterioration"


def test_b5_three_norm_sets_class_the_same_client_differently(definitions):
    sets = {each.name: each for each in norms(definitions["ors-norms"]).sets}
    verdicts = {
        name: reliable_change(
            d(18),
            d(26),
            direction=HIGHER,
            criterion=each.criterion,
            cutoff=each.cutoff,
            inclusive=each.inclusive,
        ).verdict
        for name, each in sets.items()
    }
    assert verdicts == {
        "original": "recovered",
        "argentina": "recovered",
        "spain": "no-reliable-change",
    }


@pytest.mark.parametrize(
    "pre, post, inclusive, verdict",
    [
        (26, 20, False, "reliable-deterioration"),
        (27, 33, False, "reliable-improvement"),
        (20, 25, True, "recovered"),
        (20, 25, False, "no-reliable-change"),
        (18, 25, False, "reliable-improvement"),
        (25, 20, True, "reliable-deterioration"),
        (24, 24, True, "no-reliable-change"),
    ],
)
def test_b5_at_the_borders(pre, post, inclusive, verdict):
    change: Any = reliable_change(
        d(pre), d(post), direction=HIGHER, criterion=d(5), cutoff=d(25), inclusive=inclusive
    )
    assert change.verdict == verdict
    assert change.sem is change.sdiff is change.rc is change.cut_a is None


def test_lower_is_better_mirrors_cuts_and_classes():
    change: Any = reliable_change(
        d(30),
        d(10),
        direction=LOWER,
        sd=d(5),
        reliability=d(".9"),
        dysfunctional=Distribution(d(30), d(5)),
        functional=Distribution(d(10), d(5)),
    )
    assert (change.cut_a, change.cut_b, change.cut_c) == (20, 20, 20)
    assert change.verdict == "recovered"


def test_without_a_cut_off_nobody_recovers():
    change: Any = reliable_change(d(0), d(40), direction=HIGHER, sd=d(5), reliability=d(".9"))
    assert change.verdict == "reliable-improvement"


def test_every_bad_argument_is_named():
    with pytest.raises(AppError) as refusal:
        reliable_change(d(1), d(2), direction=HIGHER, sd=d(0), reliability=d(1), criterion=d(-1))
    assert refusal.value.category is Category.UNPROCESSABLE
    assert [i.expression for i in refusal.value.issues] == ["sd", "reliability", "criterion"]
    with pytest.raises(AppError) as refusal:
        reliable_change(d("1e30"), d(2), direction=HIGHER, sd=d(1))
    assert [issue.code for issue in refusal.value.issues] == ["value", "required"]


def test_d5_cronbachs_alpha():
    rows = [[Decimal(digit) for digit in row] for row in ["4344", "3332", "2232", "4443", "1211"]]
    found: Any = alpha(rows)
    assert round(found, 4) == d(".9481")
    assert alpha(rows[:1]) is None
    assert alpha([[d(1), d(2)], [d(1), d(2)]]) is None


def test_bands_start_at_their_lower_bound(definitions):
    phq: Any = norms(definitions["phq-9-norms"])
    found = {value: phq.band(Decimal(value)).code for value in (0, 4, 5, 10, 15, 19, 20, 27)}
    assert list(found.values()) == [
        "minimal",
        "minimal",
        "mild",
        "moderate",
        "moderately-severe",
        "moderately-severe",
        "severe",
        "severe",
    ]
    gad: Any = norms(definitions["gad-7-norms"])
    assert gad.band(Decimal(7)).code == "mild"

"""Expected trajectories, by the worked case C6 (ORS)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.core.errors import AppError
from app.domain.expected import signal, table

DEFINITION = {
    "kind": "expected-trajectory",
    "url": "https://clinic.example.org/Library/ors-expected",
    "version": "1",
    "instrument": "ors",
    "scale": "total",
    "direction": "higher",
    "cutoff": 25,
    "rows": [
        {"intake": 0, "session": 2, "target": 15, "lower": 10},
        {"intake": 18, "session": 2, "target": 24, "lower": 18},
        {"intake": 18, "session": 5, "target": 27, "lower": 20},
    ],
}
ORS = table(DEFINITION)


@pytest.mark.parametrize(
    "session, value, colour",
    [
        (1, 20, "grey"),
        (2, 20, "orange"),
        (2, 17, "red"),
        (2, 24, "green"),
        (4, 18, "orange"),
        (5, 26, "green"),
        (5, 19, "red"),
        (2, None, "grey"),
    ],
)
def test_c6_ors(session, value, colour):
    value = None if value is None else Decimal(value)
    assert signal(ORS, Decimal(19), session, value) == colour


def test_a_client_who_came_lower_follows_the_lower_curve():
    assert signal(ORS, Decimal(10), 3, Decimal(16)) == "green"
    assert signal(ORS, None, 3, Decimal(16)) == "grey"
    assert signal(ORS, Decimal(-1), 3, Decimal(16)) == "grey"


def test_where_lower_is_better_the_colours_turn():
    phq = table(
        DEFINITION
        | {
            "direction": "lower",
            "cutoff": 5,
            "rows": [
                {"intake": 10, "session": 2, "target": 12, "lower": 16},
            ],
        }
    )
    found = [signal(phq, Decimal(15), 3, Decimal(value)) for value in (4, 12, 15, 17)]
    assert found == ["green", "green", "orange", "red"]


def test_a_table_without_rows_of_the_right_form_is_refused():
    with pytest.raises(AppError) as refusal:
        table(DEFINITION | {"rows": [{"intake": 0, "session": "two", "target": 1}]})
    places = {issue.expression for issue in refusal.value.issues}
    assert places == {"rows[0].session", "rows[0].lower"}

"""A simulated clinic: every planted rupture that the rules can see is found, none is invented.

The suite runs a slice. ``RAPPORT_TEST_WHOLE_CLINIC=1`` runs 20 therapists, 400 clients and a year.
"""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest

from tests.support.simulation import WINDOW, differences, falls, load, year

WHOLE = "RAPPORT_TEST_WHOLE_CLINIC"


async def test_every_planted_rupture_is_found_and_none_invented(clinic):
    found = await load(clinic, therapists=2, clients=5, sessions=18, seed=20261125)
    assert {fall.status for fall in falls(found)} >= {"repaired", "unrepaired"}
    assert await differences(clinic, found) == []


@pytest.mark.slow
@pytest.mark.skipif(WHOLE not in os.environ, reason=f"takes minutes: set {WHOLE}=1")
async def test_a_whole_year_of_a_whole_clinic(clinic):
    found = await load(clinic, therapists=20, clients=400, sessions=52, seed=1)
    planted = Counter(fall.status for fall in falls(found))
    told = await differences(clinic, found)
    print(f"planted: {dict(planted)}; found or invented otherwise: {len(told)}")
    assert planted.total() > 300
    assert told == []


def test_what_is_planted_is_what_the_rules_can_see():
    dice = random.Random(7)
    for _ in range(200):
        told = year(dice, 52)
        for fall in told.planted:
            assert (told.sums[fall.session - 2] or 15) >= 15
            if fall.status == "repaired":
                assert len(fall.low) <= WINDOW
                assert told.sums[fall.low[-1]] == 16
            if fall.status == "unrepaired":
                assert len(fall.low) > WINDOW

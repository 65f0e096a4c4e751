"""A simulated clinic: every planted rupture that the rules can see is found, none is invented.

The suite runs a slice. ``RAPPORT_TEST_WHOLE_CLINIC=1`` runs 20 therapists, 400 clients and a year.
"""

from __future__ import annotations

import os
import random
import re
import sqlite3
from collections import Counter
from contextlib import closing

import pytest
from sqlalchemy import Executable
from sqlalchemy.engine.interfaces import Dialect

from app.db.engine import CompiledStatement, Statement, compiled
from tests.support.application import clinic_of
from tests.support.simulation import WINDOW, differences, falls, load, year

WHOLE = "RAPPORT_TEST_WHOLE_CLINIC"
# A step over a table of records by nothing that is a client's own.
WIDE = re.compile(
    r"(SCAN|SEARCH) (resource|resource_history|compartment|idx_\w+)(_\d+)?\b"
    r"(?!.*\b(id|rid|code|folded|target_id|low|high|value|owner_id)[=<>])"
)


async def test_every_planted_rupture_is_found_and_none_invented(clinic):
    found = await load(clinic, therapists=2, clients=5, sessions=18, seed=20261125)
    assert {fall.status for fall in falls(found)} >= {"repaired", "unrepaired"}
    assert await differences(clinic, found) == []


async def test_nothing_looks_through_the_whole_clinic_for_one_client(applications, monkeypatch):
    """What is done for a client must not take longer because there are others (SQLite)."""
    asked: set[str] = set()

    def recorded(statement: Statement | Executable, dialect: Dialect) -> CompiledStatement:
        found = compiled(statement, dialect)
        asked.add(found.sql)
        return found

    application = await applications("sqlite")
    async with clinic_of(application) as clinic:
        for place in ("app.db.sqlite.compiled", "app.db.sqlite_statements.compiled"):
            monkeypatch.setattr(place, recorded)
        await load(clinic, therapists=1, clients=1, sessions=8, seed=3)
    path = application.database.url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as database:
        wide = {
            f"{step}: {sql}"
            for sql in asked
            if sql.lstrip().startswith("SELECT")
            for *_, step in database.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * sql.count("?"))
            if WIDE.search(step)
        }
    assert len(asked) > 20
    assert wide == set()


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

"""Paging while others write: what was there all along comes once, neither skipped nor repeated."""

from __future__ import annotations

import random

import pytest

from app.search.cursor import Position
from tests.support.databases import Database
from tests.support.searching import name_of, world


def observation(id: str, day: int, *, patient: int = 0) -> dict[str, object]:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"coding": [{"code": "bond"}]},
        "subject": {"reference": f"Patient/{patient}"},
        **({"effectiveDateTime": f"2025-01-{day:02d}"} if day else {}),
    }


@pytest.mark.parametrize(
    "query",
    [
        "",
        "subject=Patient/0",
        "code=bond",
        "_sort=date",
        "_sort=-date",
        "_sort=-date,_id",
        "subject=Patient/0&_sort=date",
        "_sort=_id",
        "_sort=-_lastUpdated",
        "code:not=goal&_sort=-date,_id",
    ],
)
async def test_pages_neither_skip_nor_repeat(database: Database, query):
    chance = random.Random(query)
    async with world(database) as made:
        days = {f"o{n}": chance.randrange(5) for n in range(30)}
        await made.put(*(observation(id, day) for id, day in days.items()))
        doomed = set(chance.sample(sorted(days), 5))
        if "_lastUpdated" in query:
            touched: set[str] = set()  # a row that is changed moves to where its time puts it
        else:
            touched = set(chance.sample(sorted(days), 10)) - doomed
        steady = set(days) - doomed
        seen: list[str] = []
        after: Position | None = None
        step = 0
        while step == 0 or after is not None:
            page = await made.page("Observation", query, count=4, after=after)
            seen += [name_of(row).partition("/")[2] for row in page.matches]
            after = page.next
            # Between two pages: new rows, gone rows, rows with a new version of the same date.
            await made.put(*(observation(f"new{step}-{n}", chance.randrange(5)) for n in range(3)))
            for id in list(doomed)[:1]:
                doomed.discard(id)
                await made.remove(f"Observation/{id}")
            for id in list(touched)[:2]:
                touched.discard(id)
                await made.put(
                    observation(id, days[id]) | {"status": "final", "note": [{"text": "x"}]}
                )
            step += 1
        counted = [id for id in seen if id in steady]
        assert sorted(counted) == sorted(steady)
        assert len(seen) == len(set(seen))


async def test_the_total_stays_what_it_was(database: Database):
    async with world(database) as made:
        await made.put(*(observation(f"o{n}", 1) for n in range(5)))
        first = await made.page("Observation", "", count=2)
        await made.put(observation("late", 1))
        second = await made.page("Observation", "", count=2, after=first.next)
        assert (first.total, second.total) == (5, 5)


async def test_a_page_that_is_just_full_is_the_last(database: Database):
    async with world(database) as made:
        await made.put(*(observation(f"o{n}", n % 2) for n in range(4)))
        for query in ("", "_sort=date", "_sort=-date", "subject=Patient/0&_sort=date"):
            pages = await made.pages("Observation", query, count=2)
            assert [len(page.matches) for page in pages] == [2, 2], query


async def test_ten_thousand_values_are_searched(database: Database):
    async with world(database) as made:
        await made.put(observation("o1", 1, patient=7), observation("o2", 1, patient=10_001))
        many = ",".join(map(str, range(10_000)))
        for name in ("subject", "subject:Patient", "_id", "code", "subject:identifier"):
            found = await made.find("Observation", f"{name}={many}")
            assert found == (
                ["Observation/o1"] if name.startswith("subject") and ":i" not in name else []
            )
        pairs = ",".join(f"http://s|{n}" for n in range(10_000))
        assert await made.find("Observation", f"code={pairs}") == []
        assert await made.find("Observation", f"code:not={pairs}") == [
            "Observation/o2",
            "Observation/o1",
        ]


HOSTILE = [
    "'", "''", '"', "\\", "%", "_", "%%", "' OR 1=1 --", "'; DROP TABLE resource; --", "$1", ":v0",
    "?", "%(x)s", "{}", "/*", "\x01", "\U0010ffff", "\u0301", "a" * 256, "ﬀ", "İ",
]  # fmt: skip


async def test_values_are_only_ever_values(database: Database):
    patient = {"resourceType": "Patient", "id": "1", "name": [{"family": "x"}]}
    async with world(database) as made:
        await made.put(patient)
        for text in HOSTILE:
            value = text.replace("\\", "\\\\").replace("%", "%25").replace("+", "%2B")
            for name in (
                "name", "name:exact", "name:contains", "identifier", "identifier:text", "_id",
                "_tag", "_profile", "_source", "general-practitioner:identifier", "_security:not",
            ):  # fmt: skip
                if "&" in value or ";" in value:
                    continue
                found = await made.find("Patient", f"{name}={value}")
                assert found in ([], ["Patient/1"])
        stored = {
            **patient,
            "id": "2",
            "name": [{"family": text} for text in HOSTILE if text.isprintable()],
        }
        await made.put(stored)
        assert await made.find("Patient", "name:contains=drop table") == ["Patient/2"]

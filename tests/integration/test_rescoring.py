"""Scoring again: what changed gets a new version, what did not is left alone, a stop is no harm."""

from __future__ import annotations

import base64
import json

import pytest

from app.services.rescoring import Rescoring
from tests.http.answers import ok
from tests.support import therapy
from tests.support.therapy import wai


@pytest.fixture
async def course(clinic):
    made = await therapy.begin(clinic)
    await made.sessions("wai-sr", [wai(total) for total in (50, 50, 44)])
    return made


@pytest.fixture
def job(application):
    services = application.services
    rules = services.engine.services
    return Rescoring(
        services.units, scoring=rules.scoring, derived=rules.derived, clock=services.clock
    )


async def totals(course):
    query = {"subject": course.patient, "code": f"{therapy.SCALES}|total", "_count": "100"}
    found = ok(await course.http.get("Observation", params=query))
    return {
        entry["resource"]["id"]: (
            entry["resource"]["valueQuantity"]["value"],
            entry["resource"]["meta"]["versionId"],
        )
        for entry in found.get("entry", ())
    }


async def changed_key(course):
    """The clinic's key, with a total that counts from zero."""
    library = ok(await course.http.get("Library/wai-sr-scoring"))
    definition = json.loads(base64.b64decode(library["content"][0]["data"]))
    definition["version"] = library["version"] = "1.1.0"
    for scale in definition["scales"]:
        if scale["code"] == "total":
            scale["method"] = "mean"
    data = json.dumps(definition).encode()
    library["content"][0]["data"] = base64.b64encode(data).decode()
    await course.put(library)


async def test_nothing_changed_is_nothing_done(clinic, course, job):
    before = await totals(course)
    assert await job.run(clinic.tenant.id) == 0
    assert await totals(course) == before


async def test_a_changed_definition_gives_new_versions_and_keeps_the_old(clinic, course, job):
    before = await totals(course)
    await changed_key(course)
    assert await job.run(clinic.tenant.id) > 0
    after = await totals(course)
    assert after.keys() == before.keys()
    for id, (value, version) in after.items():
        assert value == pytest.approx(before[id][0] / 3)
        assert int(version) == int(before[id][1]) + 1
        past = ok(await course.http.get(f"Observation/{id}/_history/{before[id][1]}"))
        assert past["valueQuantity"]["value"] == before[id][0]
        noted = ok(await course.http.get("Provenance", params={"target": f"Observation/{id}"}))
        assert noted["total"] == 1
    assert await job.run(clinic.tenant.id) == 0


async def test_it_goes_on_where_it_was_stopped(clinic, course, job, monkeypatch):
    monkeypatch.setattr("app.services.rescoring._STEP", 1)
    await changed_key(course)

    class Stopped(Exception):
        pass

    def stop(done):
        if done == 2:
            raise Stopped

    with pytest.raises(Stopped):
        await job.run(clinic.tenant.id, told=stop)
    told = []
    await job.run(clinic.tenant.id, told=told.append)
    assert told == [3]
    values = sorted(round(value, 6) for value, _ in (await totals(course)).values())
    assert values == [round(44 / 3, 6), round(50 / 3, 6), round(50 / 3, 6)]

"""Scoring again: what changed gets a new version, what did not is left alone, a stop is no harm."""

from __future__ import annotations

import base64
import json
from functools import partial

import pytest

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
    return partial(services.engine.services.rescoring.run, services.units)


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
    """The clinic's next version of the key, whose total is a mean; the one before is retired."""
    library = ok(await course.http.get("Library/wai-sr-scoring"))
    await course.put({**library, "status": "retired"})
    definition = json.loads(base64.b64decode(library["content"][0]["data"]))
    definition["version"] = library["version"] = "1.1.0"
    for scale in definition["scales"]:
        if scale["code"] == "total":
            scale["method"] = "mean"
    data = json.dumps(definition).encode()
    library["content"][0]["data"] = base64.b64encode(data).decode()
    await course.put({**library, "id": "wai-sr-scoring-2"})


async def test_nothing_changed_is_nothing_done(clinic, course, job):
    before = await totals(course)
    assert await job(clinic.tenant.id) == 0
    assert await totals(course) == before


async def test_a_changed_definition_gives_new_versions_and_keeps_the_old(clinic, course, job):
    before = await totals(course)
    await changed_key(course)
    assert await job(clinic.tenant.id) > 0
    after = await totals(course)
    assert after.keys() == before.keys()
    for id, (value, version) in after.items():
        assert value == pytest.approx(before[id][0] / 3)
        assert int(version) == int(before[id][1]) + 1
        past = ok(await course.http.get(f"Observation/{id}/_history/{before[id][1]}"))
        assert past["valueQuantity"]["value"] == before[id][0]
        noted = ok(await course.http.get("Provenance", params={"target": f"Observation/{id}"}))
        assert noted["total"] == 1
    assert await job(clinic.tenant.id) == 0


async def test_it_goes_on_where_it_was_stopped(clinic, course, job, monkeypatch):
    monkeypatch.setattr("app.services.rescoring._STEP", 1)
    await changed_key(course)

    class Stopped(Exception):
        pass

    def stop(done):
        if done == 2:
            raise Stopped

    with pytest.raises(Stopped):
        await job(clinic.tenant.id, told=stop)
    told = []
    await job(clinic.tenant.id, told=told.append)
    assert told == [3]
    values = sorted(round(value, 6) for value, _ in (await totals(course)).values())
    assert values == [round(44 / 3, 6), round(50 / 3, 6), round(50 / 3, 6)]


async def test_one_response_is_scored_again(course):
    before = await totals(course)
    response = f"QuestionnaireResponse/r-wai-sr-{course.key}-1"
    same = ok(await course.http.post(f"{response}/$rescore"))
    assert {entry["resource"]["meta"]["versionId"] for entry in same["entry"]} == {"1"}
    await changed_key(course)
    again = ok(await course.http.post(f"{response}/$rescore"))
    assert {entry["resource"]["meta"]["versionId"] for entry in again["entry"]} == {"2"}
    changed = [id for id, kept in (await totals(course)).items() if kept != before[id]]
    assert len(changed) == 1


async def test_unfinished_answers_are_not_scored_again(course):
    tree = course.response("wai-sr", wai(40), None) | {"status": "in-progress"}
    await course.put(tree)
    answer = await course.http.post(f"QuestionnaireResponse/{tree['id']}/$rescore")
    assert answer.status_code == 422


async def test_what_was_published_stays_and_its_next_version_stands_beside_it(course):
    library = ok(await course.http.get("Library/wai-sr-scoring"))
    other = json.loads(base64.b64decode(library["content"][0]["data"]))
    other["scales"][0]["minimum"] = 4
    data = base64.b64encode(json.dumps(other).encode()).decode()
    content = [{"contentType": "application/json", "data": data}]
    for change in ({"content": content}, {"url": f"{library['url']}-x"}):
        answer = await course.http.put("Library/wai-sr-scoring", json={**library, **change})
        assert answer.status_code == 422, answer.text
    form = ok(await course.http.get("Questionnaire/wai-sr"))
    form["item"] = form["item"][:-1]
    answer = await course.http.put("Questionnaire/wai-sr", json=form)
    assert answer.status_code == 422
    assert "Questionnaire.item" in answer.text
    retired = {**library, "status": "retired", "title": "Before"}
    assert (await course.http.put("Library/wai-sr-scoring", json=retired)).status_code == 200

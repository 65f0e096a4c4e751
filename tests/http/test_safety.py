"""Answers that somebody must hear of: the right person, once, and nobody else."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.support import therapy
from tests.support.eyes import eyes
from tests.support.staff import signed_in
from tests.support.therapy import OURS, asc

CLEAR = {"C1": 3, "C2": 3, "C3": 0}
PHQ = {str(number): 0 for number in range(1, 10)}


@pytest.fixture
async def course(clinic):
    return await therapy.begin(clinic)


@pytest.fixture
async def records(clinic):
    """A system that may see the most confidential of its clinic."""
    return await clinic.as_client("system/*.cruds", clearance="V")


def role(key, code, practitioner, **more):
    return {
        "resourceType": "PractitionerRole",
        "id": f"role-{key}",
        "active": True,
        "practitioner": {"reference": practitioner},
        "code": [{"coding": [{"system": f"{OURS}/CodeSystem/practitioner-role", "code": code}]}],
        **more,
    }


def person(key):
    return {"resourceType": "Practitioner", "id": key, "name": [{"family": "Rahman"}]}


@pytest.fixture
async def lead(course):
    await course.put(person("lead"), person("deputy"))
    await course.put(role("lead", "clinical-lead", "Practitioner/lead"))
    await course.put(role("deputy", "deputy-clinical-lead", "Practitioner/deputy"))
    return "Practitioner/lead"


async def found(http, type_name, course):
    answer = await http.get(type_name, params={"patient": course.patient})
    assert answer.status_code == 200, answer.text
    return [entry["resource"] for entry in answer.json().get("entry", ())]


def labels(tree):
    return [coding["code"] for coding in tree["meta"]["security"]]


def code(tree):
    return tree["code"]["coding"][0]["code"]


async def test_a_crossed_line_is_told_to_the_clinical_lead_alone(course, lead, records):
    await course.sessions("asc-client", [asc(4, x1="yes")])
    (flag,) = await found(records, "Flag", course)
    assert (code(flag), flag["status"], labels(flag)) == ("boundary-concern", "active", ["V"])
    assert flag["category"][0]["coding"][0]["code"] == "safety"
    assert flag["subject"] == {"reference": course.patient}
    (task,) = await found(records, "Task", course)
    assert task["owner"] == {"reference": lead}
    assert labels(task) == ["V"]
    assert task["focus"] == {"reference": f"Flag/{flag['id']}"}
    made, end = task["authoredOn"], task["restriction"]["period"]["end"]
    hours = datetime.fromisoformat(end) - datetime.fromisoformat(made)
    assert hours == timedelta(hours=24)
    assert await found(course.http, "Flag", course) == []
    assert await found(course.http, "Task", course) == []


async def test_a_task_does_not_say_what_it_is_about(course, lead, records):
    await course.sessions("asc-client", [asc(4, x1="yes")])
    (task,) = await found(records, "Task", course)
    assert code(task) == "safety-follow-up"
    assert "boundary" not in str(task)
    assert "description" not in task


async def test_a_lead_who_is_the_rated_therapist_is_not_told_of_it(clinic, course, lead, records):
    other = await therapy.begin(clinic, therapist_key="lead")
    await other.sessions("asc-client", [asc(4, x1="yes")])
    (task,) = await found(records, "Task", other)
    assert task["owner"] == {"reference": "Practitioner/deputy"}


async def test_who_was_rated_never_sees_it_and_the_deputy_does(clinic, course, lead, records):
    """Lead and deputy as the demo has them: the deputy is a supervisor, cleared for R."""
    rated = await therapy.begin(clinic, therapist_key="lead")
    for each in (course, rated):
        await each.sessions("asc-client", [asc(4, x1="yes")])
    leads = eyes(clinic, "clinical_lead", lead, clearance="V")
    deputy = eyes(clinic, "supervisor", "Practitioner/deputy")
    colleague = eyes(clinic, "supervisor", "Practitioner/theo")
    told = {}
    for each in (course, rated):
        (flag,) = await found(records, "Flag", each)
        (task,) = await found(records, "Task", each)
        (answer,) = await found(records, "QuestionnaireResponse", each)
        told[each.patient] = [f"{tree['resourceType']}/{tree['id']}" for tree in (flag, task)]
        read = await leads.read(f"QuestionnaireResponse/{answer['id']}")
        assert ("X1" in str(read["item"])) is (each is course)
    assert [await leads.sees(row) for row in told[course.patient]] == [True, True]
    assert [await leads.sees(row) for row in told[rated.patient]] == [False, False]
    assert [await deputy.sees(row) for row in told[course.patient]] == [False, False]
    assert [await deputy.sees(row) for row in told[rated.patient]] == [True, True]
    assert not any([await colleague.sees(row) for each in told.values() for row in each])
    # A course that was handed over since was still this lead's when the words were said.
    stored = (await records.get(rated.episode)).json()
    handed = {**stored, "careManager": {"reference": "Practitioner/deputy"}}
    assert (await records.put(rated.episode, json=handed)).status_code == 200
    assert [await leads.sees(row) for row in told[rated.patient]] == [False, False]
    assert [await deputy.sees(row) for row in told[rated.patient]] == [True, True]


async def test_nobody_gives_themselves_a_safety_task(clinic, course, lead, records):
    await course.sessions("asc-couple", [CLEAR | {"C3": 4}])
    (task,) = await found(records, "Task", course)
    tess = await signed_in(clinic, "therapist", course.therapist)
    address = f"Task/{task['id']}"
    own = {"owner": {"reference": course.therapist}, "focus": {"reference": "Flag/guessed"}}
    forged = {name: value for name, value in task.items() if name not in ("id", "meta")} | own
    for refused in (
        await tess.post("Task", json=forged),
        await tess.put(address, json={**task, "focus": own["focus"]}),
        await tess.put(address, json={**task, "owner": {"reference": lead}}),
    ):
        assert refused.status_code == 403, refused.text
    done = await tess.put(address, json={**task, "status": "completed"})
    assert done.status_code == 200, done.text


async def test_without_a_lead_the_task_is_there_and_waits_for_one(course, records):
    await course.sessions("asc-client", [asc(4, x1="yes")])
    (task,) = await found(records, "Task", course)
    assert "owner" not in task
    assert task["performerType"][0]["coding"][0]["code"] == "clinical-lead"


async def test_a_role_that_has_ended_is_nobodys(course, records):
    await course.put(person("former"))
    past = {"period": {"start": "2020-01-01", "end": "2021-01-01"}}
    await course.put(role("former", "clinical-lead", "Practitioner/former", **past))
    await course.sessions("asc-client", [asc(4, x1="yes")])
    (task,) = await found(records, "Task", course)
    assert "owner" not in task


@pytest.mark.parametrize("answer", ["no", "rather-not-say", None])
async def test_any_other_answer_calls_nobody(course, lead, records, answer):
    await course.sessions("asc-client", [asc(4, x1=answer)])
    assert await found(records, "Flag", course) == []
    assert await found(records, "Task", course) == []


@pytest.mark.parametrize("level, flags", [(2, 0), (3, 1), (4, 1)])
async def test_fear_at_home_is_told_to_the_therapist(course, lead, records, level, flags):
    await course.sessions("asc-couple", [CLEAR | {"C3": level}])
    made = await found(records, "Flag", course)
    assert [(code(each), labels(each)) for each in made] == [("fear-at-home", ["V", "SDV"])] * flags
    tasks = await found(records, "Task", course)
    assert [each["owner"]["reference"] for each in tasks] == [course.therapist] * flags


@pytest.mark.parametrize("level", [1, 3])
async def test_thoughts_of_death_are_told_whatever_the_total(course, lead, records, level):
    await course.sessions("phq-9", [PHQ | {"9": level}])
    (flag,) = await found(records, "Flag", course)
    assert (code(flag), labels(flag)) == ("self-harm-thoughts", ["R"])
    tasks = {each["owner"]["reference"]: each for each in await found(records, "Task", course)}
    assert tasks.keys() == {course.therapist, lead}
    assert "restriction" in tasks[course.therapist]
    assert code(tasks[lead]) == "safety-notice"
    assert "restriction" not in tasks[lead]


async def test_an_unanswered_item_is_not_a_zero_nor_a_concern(course, lead, records):
    await course.sessions("phq-9", [{key: value for key, value in PHQ.items() if key != "9"}])
    assert await found(records, "Flag", course) == []


async def test_what_was_said_once_stays_said(course, lead, records):
    await course.sessions("asc-client", [asc(4, x1="yes")])
    await course.put(course.response("asc-client", asc(4, x1="no"), 1, status="amended"))
    await course.settle()
    (flag,) = await found(records, "Flag", course)
    assert flag["status"] == "active"
    assert flag["meta"]["versionId"] == "1"


async def test_what_people_closed_is_not_opened_again(course, lead, records):
    await course.sessions("asc-client", [asc(4, x1="yes")])
    (flag,) = await found(records, "Flag", course)
    closed = await records.put(f"Flag/{flag['id']}", json={**flag, "status": "inactive"})
    assert closed.status_code == 200
    await course.put(course.response("asc-client", asc(3, x1="yes"), 1, status="amended"))
    await course.settle()
    (flag,) = await found(records, "Flag", course)
    assert flag["status"] == "inactive"
    assert len(await found(records, "Task", course)) == 1


async def test_answers_that_are_not_finished_call_nobody(course, lead, records):
    await course.sessions("asc-client", [None])
    await course.put(course.response("asc-client", asc(4, x1="yes"), 1, status="in-progress"))
    await course.settle()
    assert await found(records, "Flag", course) == []

"""A goal is agreed; a client notes what became of it and changes nothing else."""

from __future__ import annotations

import pytest

from tests.http.answers import made, ok, refused
from tests.support import therapy
from tests.support.staff import signed_in

JSON_PATCH = {"Content-Type": "application/json-patch+json"}
REACHED = {
    "coding": [
        {
            "system": "http://terminology.hl7.org/CodeSystem/goal-achievement",
            "code": "in-progress",
        }
    ]
}


@pytest.fixture
async def course(clinic):
    return await therapy.begin(clinic)


@pytest.fixture
async def client(clinic, course):
    return await signed_in(clinic, "client", course.patient)


@pytest.fixture
async def goal(course):
    agreed = {
        "resourceType": "Goal",
        "lifecycleStatus": "active",
        "description": {"text": "to say what is wanted"},
        "subject": {"reference": course.patient},
        "note": [
            {"authorReference": {"reference": course.therapist}, "text": "agreed in session 2"},
            {"text": "brought over"},
        ],
    }
    return ok(await course.http.get(made(await course.http.post("Goal", json=agreed))))


def with_note(goal, text, **author):
    return {**goal, "note": [*goal["note"], {"text": text, **author}]}


async def test_a_client_notes_what_became_of_a_goal(course, client, goal):
    where = f"Goal/{goal['id']}"
    own = {"authorReference": {"reference": course.patient}}
    noted = ok(await client.put(where, json=with_note(goal, "said it on Sunday", **own)))
    assert noted["note"][2]["text"] == "said it on Sunday"
    reached = ok(await client.put(where, json={**noted, "achievementStatus": REACHED}))
    more = ok(await client.put(where, json=with_note(reached, "and again")))
    patch = [{"op": "replace", "path": "/note/2/text", "value": "said it twice"}]
    changed = ok(await client.patch(where, json=patch, headers=JSON_PATCH))
    assert [each["text"] for each in changed["note"]][2:] == ["said it twice", "and again"]
    assert more["achievementStatus"] == REACHED
    ok(await client.put(where, json=changed))  # unchanged


async def test_a_client_changes_nothing_that_was_agreed(course, client, goal):
    where = f"Goal/{goal['id']}"
    for place, body in {
        "lifecycleStatus": {**goal, "lifecycleStatus": "cancelled"},
        "description": {**goal, "description": {"text": "another"}},
        "target": {**goal, "target": [{"dueDate": "2027-01-01"}]},
        "note": with_note(goal, "x", authorReference={"reference": course.therapist}),
    }.items():
        [issue] = refused(await client.put(where, json=body), 403, "forbidden")
        assert issue["expression"] == [f"Goal.{place}"]
    for notes in (goal["note"][:1], goal["note"][1:], [{"text": "x"}, *goal["note"][1:]]):
        refused(await client.put(where, json={**goal, "note": notes}), 403, "forbidden")
    unsigned = with_note(goal, "x", authorString="the therapist")
    refused(await client.put(where, json=unsigned), 403, "forbidden")
    patch = [{"op": "replace", "path": "/lifecycleStatus", "value": "completed"}]
    refused(await client.patch(where, json=patch, headers=JSON_PATCH), 403, "forbidden")
    assert ok(await client.get(where))["meta"]["versionId"] == "1"


async def test_the_therapist_and_the_record_system_change_it(clinic, course, goal):
    where = f"Goal/{goal['id']}"
    therapist = await signed_in(clinic, "therapist", course.therapist)
    done = ok(await therapist.put(where, json={**goal, "lifecycleStatus": "completed"}))
    ok(await course.http.put(where, json={**done, "description": {"text": "to say it"}}))

"""Measure schedules: a plan says which forms are asked for, tasks ask, answers end them."""

from __future__ import annotations

import pytest

from tests.http.answers import made, ok, refused
from tests.support import therapy
from tests.support.therapy import OURS, asc, pulse


@pytest.fixture
async def course(clinic):
    return await therapy.begin(clinic)


def schedule(cadence, form="asc-pulse", **more):
    parts = [
        {"url": "questionnaire", "valueCanonical": f"{OURS}/Questionnaire/{form}|1.0.0"},
        {"url": "cadence", "valueCode": cadence},
        *(
            {"url": name, "valuePositiveInt": days}
            for name, days in more.items()
            if name != "rater"
        ),
    ]
    if "rater" in more:
        parts.append({"url": "rater", "valueCode": more["rater"]})
    return {"url": f"{OURS}/StructureDefinition/measure-schedule", "extension": parts}


def plan(course, *schedules, **more):
    return {
        "resourceType": "CarePlan",
        "id": f"plan-{course.key}",
        "status": "active",
        "intent": "plan",
        "subject": {"reference": course.patient},
        "extension": list(schedules),
        **more,
    }


async def tasks(course):
    found = ok(await course.http.get("Task", params={"patient": course.patient, "_count": "200"}))
    trees = [entry["resource"] for entry in found.get("entry", ())]
    return sorted(trees, key=lambda tree: tree["authoredOn"])


def told(trees):
    return [
        (tree.get("encounter", {}).get("reference", "").rpartition("-")[2], tree["status"])
        for tree in trees
    ]


async def test_after_every_session_somebody_is_asked_and_answers_end_it(course):
    await course.put(plan(course, schedule("per-session", reminderDays=2, expiryDays=4)))
    await course.sessions("asc-pulse", [pulse(15), None])
    found = await tasks(course)
    assert told(found) == [("1", "completed"), ("2", "requested")]
    asked = found[1]
    assert asked["owner"] == asked["for"] == {"reference": course.patient}
    assert asked["restriction"]["period"] == {
        "start": "2026-01-12T17:00:00.000Z",
        "end": "2026-01-16T17:00:00.000Z",
    }
    given = {each["type"]["text"]: each for each in asked["input"]}
    assert given["reminder"]["valueDateTime"] == "2026-01-14T17:00:00.000Z"
    assert given["questionnaire"]["valueCanonical"].endswith("/asc-pulse|1.0.0")
    await course.put(course.response("asc-pulse", pulse(16), 2))
    await course.settle()
    assert told(await tasks(course)) == [("1", "completed"), ("2", "completed")]


async def test_the_long_form_after_the_first_the_third_and_every_fourth(course):
    await course.put(plan(course, schedule("first-third-every-fourth", form="asc-client")))
    await course.sessions("asc-client", [None] * 8)
    assert told(await tasks(course)) == [(n, "requested") for n in ("1", "3", "7")]


async def test_the_therapist_is_asked_too(course):
    await course.put(plan(course, schedule("per-session", form="asc-therapist", rater="therapist")))
    await course.sessions("asc-therapist", [None])
    (task,) = await tasks(course)
    assert task["owner"] == {"reference": course.therapist}
    assert task["for"] == {"reference": course.patient}
    await course.answer("asc-therapist", [asc(3)])
    assert told(await tasks(course)) == [("1", "completed")]


async def test_every_week_of_the_plan(course):
    period = {"period": {"start": "2026-01-05", "end": "2026-02-01"}}
    await course.put(plan(course, schedule("weekly", form="phq-9"), **period))
    await course.settle()
    starts = [task["restriction"]["period"]["start"][:10] for task in await tasks(course)]
    assert starts == ["2026-01-05", "2026-01-12", "2026-01-19", "2026-01-26"]


async def test_at_the_end_of_the_course(course):
    await course.put(plan(course, schedule("at-close", form="asc-client")))
    await course.sessions("asc-client", [None])
    assert await tasks(course) == []
    episode = ok(await course.http.get(course.episode))
    episode["status"] = "finished"
    episode["period"]["end"] = "2026-03-01"
    ok(await course.http.put(course.episode, json=episode))
    await course.settle()
    assert len(await tasks(course)) == 1


async def test_what_people_ended_is_not_asked_again(course):
    await course.put(plan(course, schedule("per-session")))
    await course.sessions("asc-pulse", [None])
    (task,) = await tasks(course)
    await course.put({**task, "status": "cancelled"})
    await course.put(course.sitting(1) | {"language": "en"})
    await course.settle()
    assert told(await tasks(course)) == [("1", "cancelled")]


async def test_a_plan_that_has_ended_asks_for_nothing(course):
    await course.put(plan(course, schedule("per-session"), status="completed"))
    await course.sessions("asc-pulse", [None])
    assert await tasks(course) == []


@pytest.mark.parametrize(
    "days, code",
    [
        ({"reminderDays": 4, "expiryDays": 4}, "invariant"),
        ({"reminderDays": 10}, "value"),
        ({"expiryDays": 31}, "value"),
    ],
)
async def test_days_that_make_no_sense_are_refused(course, days, code):
    tree = plan(course, schedule("per-session", **days))
    issues = refused(await course.http.put(f"CarePlan/{tree['id']}", json=tree), 422, code)
    assert issues[0]["expression"] == ["CarePlan.extension[0]"]


async def test_a_schedule_without_a_form_is_refused(course):
    broken = schedule("per-session")
    broken["extension"] = broken["extension"][1:]
    tree = plan(course, broken)
    refused(await course.http.put(f"CarePlan/{tree['id']}", json=tree), 422, "value")
    odd = plan(course, schedule("fortnightly"))
    refused(await course.http.put(f"CarePlan/{odd['id']}", json=odd), 422, "value")
    right = plan(course, schedule("per-session"))
    made(await course.http.put(f"CarePlan/{tree['id']}", json=right))


@pytest.mark.parametrize(
    "period, code",
    [
        ({}, "required"),
        ({"start": "2026-01-05"}, "required"),
        ({"start": "2026-01-05", "end": "2027-01-11"}, "value"),
    ],
)
async def test_a_week_without_end_is_refused_and_asks_for_nothing_in_silence(course, period, code):
    tree = plan(course, schedule("weekly"), **({"period": period} if period else {}))
    (issue,) = refused(await course.http.put(f"CarePlan/{tree['id']}", json=tree), 422, code)
    assert issue["expression"] == ["CarePlan.period"]
    draft = {**tree, "status": "draft"}
    made(await course.http.put(f"CarePlan/{tree['id']}", json=draft))
    whole = {"period": {"start": "2026-01-05", "end": "2027-01-10"}}
    ok(await course.http.put(f"CarePlan/{tree['id']}", json={**tree, **whole}))
    await course.settle()
    assert len(await tasks(course)) == 53


async def test_a_week_begins_at_midnight_where_the_clinic_is(clinic, course):
    async with clinic.application.services.units.accounts.write() as unit:
        await unit.installation.set_zone(clinic.tenant.id, "Asia/Dubai")
    period = {"period": {"start": "2026-01-05", "end": "2026-01-12"}}
    await course.put(plan(course, schedule("weekly", form="phq-9"), **period))
    await course.settle()
    starts = [task["restriction"]["period"]["start"] for task in await tasks(course)]
    assert starts == ["2026-01-04T20:00:00.000Z", "2026-01-11T20:00:00.000Z"]


async def test_two_forms_every_week_of_a_year_are_all_asked(course):
    period = {"period": {"start": "2026-01-05", "end": "2027-01-10"}}
    forms = [schedule("weekly", form="phq-9"), schedule("weekly", form="gad-7")]
    await course.put(plan(course, *forms, **period))
    await course.settle()
    assert len(await tasks(course)) == 106

"""What another server calls by an id of ours is somebody else; what is ours is, however written."""

from __future__ import annotations

import pytest

from app.core.clock import SECOND, format_instant
from tests.http.answers import made, ok, refused, resources
from tests.http.resources import ANSWERS, BASE
from tests.http.test_rated_lead import LEAD, member_of
from tests.http.test_reminders import after, told
from tests.support import therapy
from tests.support.asking import asking
from tests.support.hooks import cards, ruptured
from tests.support.operations import all_of
from tests.support.people import add_person
from tests.support.staff import signed_in
from tests.support.therapy import OURS, asc, pulse

A_DAY = 86_400 * SECOND
OWN = ("{}", f"{BASE}/{{}}", "{}/_history/1", f"{BASE}/{{}}/_history/1")
ELSEWHERE = ("https://elsewhere.example.org/fhir/{}", "https://rapport.test/{}")
FORMS = [*((form, True) for form in OWN), *((form, False) for form in ELSEWHERE)]
anyhow = pytest.mark.parametrize("form, is_ours", FORMS)


@pytest.fixture
async def course(clinic):
    return await therapy.begin(clinic)


def episode(course, **more):
    return {
        "resourceType": "EpisodeOfCare", "id": course.episode.partition("/")[2],
        "status": "active", "patient": {"reference": course.patient},
        "period": {"start": "2026-01-05"}, **more,
    }  # fmt: skip


def afraid(course):
    answer = {"linkId": "C3", "answer": [{"valueCoding": {"system": ANSWERS, "code": "4"}}]}
    return {
        "resourceType": "QuestionnaireResponse", "status": "completed",
        "questionnaire": f"{OURS}/Questionnaire/asc-couple|1.0.0",
        "authored": "2026-11-02T18:30:00+01:00", "item": [answer],
        "subject": {"reference": course.patient}, "source": {"reference": course.patient},
    }  # fmt: skip


@anyhow
async def test_who_manages_care_elsewhere_is_told_of_no_fear_here(clinic, course, form, is_ours):
    await course.put(episode(course, careManager={"reference": form.format(course.therapist)}))
    made(await course.http.post("QuestionnaireResponse", json=afraid(course)))
    await clinic.settle()
    records = await clinic.as_client("system/*.cruds", clearance="V")
    [task] = resources(ok(await records.get(f"Task?patient={course.patient}")))
    assert task.get("owner") == ({"reference": course.therapist} if is_ours else None)


@anyhow
async def test_a_session_is_of_the_courses_of_this_server(clinic, course, form, is_ours):
    other = await therapy.begin(clinic, therapist_key=course.therapist.partition("/")[2])
    named = [{"reference": other.episode}, {"reference": form.format(course.episode)}]
    await course.put({**other.sitting(1), "episodeOfCare": named})
    therapist = await signed_in(clinic, "therapist", course.therapist)
    caseload = all_of(ok(await therapist.get(f"{course.therapist}/$caseload")), "client")
    assert {each["patient"]: each["sessions"] for each in caseload} == {
        other.patient: 1,
        course.patient: int(is_ours),
    }


@anyhow
async def test_a_couple_is_of_this_server(clinic, form, is_ours):
    both = [
        await therapy.begin(clinic, key=key, couple=form.format("Group/us"), therapist_key="amal")
        for key in ("a", "b")
    ]
    people = [{"entity": {"reference": each.patient}} for each in both]
    group = {"resourceType": "Group", "id": "us", "type": "person", "actual": True}
    await both[0].put({**group, "member": people})
    for each in both:
        await each.sessions("asc-pulse", [pulse(16)])
    therapist = await signed_in(clinic, "therapist", "Practitioner/amal")
    answer = ok(await therapist.get("Group/us/$couple-summary?scale=total"))
    assert len(all_of(answer, "session")) == is_ours


@anyhow
async def test_a_client_takes_back_the_notes_of_nobody_elsewhere(clinic, course, form, is_ours):
    note = {"authorReference": {"reference": form.format(course.patient)}, "text": "said it"}
    goal = {
        "resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "to talk"},
        "subject": {"reference": course.patient}, "note": [note],
    }  # fmt: skip
    where = made(await course.http.post("Goal", json=goal))
    stored = ok(await course.http.get(where))
    del stored["note"]
    client = await signed_in(clinic, "client", course.patient)
    answer = await client.put(where, json=stored)
    ok(answer) if is_ours else refused(answer, 403, "forbidden")


@anyhow
async def test_nobody_here_is_reminded_of_what_somebody_elsewhere_is_asked(
    clinic, course, form, is_ours
):
    mail = f"{course.key}@example.org"
    await add_person(clinic, "tess", "therapist", fhir_user=course.therapist, email=mail)
    await course.put(
        {"resourceType": "Patient", "id": course.patient.partition("/")[2],
         "telecom": [{"system": "email", "value": f"client-{mail}"}]},
    )  # fmt: skip
    due = format_instant(clinic.application.clock.now() + A_DAY)
    reminder = [{"type": {"text": "reminder"}, "valueDateTime": due}]
    owner = {"reference": form.format(course.therapist)}
    made(await course.http.post("Task", json=asking(course.patient, owner=owner, input=reminder)))
    await clinic.settle()
    await after(clinic, days=1)
    assert len(told(clinic, mail)) == is_ours
    assert told(clinic, f"client-{mail}") == []


@anyhow
async def test_a_role_stands_for_nobody_elsewhere(clinic, course, form, is_ours):
    await add_person(clinic, "tess", "therapist", fhir_user=course.therapist)
    await ruptured(course)
    await course.put(
        {"resourceType": "PractitionerRole", "id": "role",
         "practitioner": {"reference": form.format(course.therapist)}},
    )  # fmt: skip
    assert bool(await cards(clinic, course.patient, "PractitionerRole/role")) == is_ours


@pytest.mark.parametrize("form", OWN)
async def test_a_lead_who_treats_reads_no_private_answer_however_it_names_its_person(
    clinic, course, form
):
    await course.put(
        {"resourceType": "Practitioner", "id": "lead"},
        *member_of(course),
        course.response(
            "asc-client", asc(4, x1="yes"), None, subject={"reference": form.format(course.patient)}
        ),
    )  # fmt: skip
    lead = await signed_in(clinic, "clinical_lead", LEAD)
    [answer] = resources(ok(await lead.get(f"QuestionnaireResponse?subject={course.patient}")))
    assert "X1" not in str(answer["item"])


async def test_a_lead_who_treats_reads_no_private_answer_about_nobody(clinic, course):
    response = course.response("asc-client", asc(4, x1="yes"), None)
    del response["subject"]
    await course.put({"resourceType": "Practitioner", "id": "lead"}, *member_of(course), response)
    lead = await signed_in(clinic, "clinical_lead", LEAD)
    answer = ok(await lead.get(f"QuestionnaireResponse/{response['id']}"))
    assert "X1" not in str(answer["item"])

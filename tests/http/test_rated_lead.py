"""A clinical lead who treats somebody, in whatever part, hears nothing that is said of that."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.answers import ok, resources
from tests.http.resources import encounter
from tests.support import therapy
from tests.support.staff import signed_in
from tests.support.therapy import OURS, asc

LEAD, DEPUTY = "Practitioner/lead", "Practitioner/deputy"
ROLES = f"{OURS}/CodeSystem/practitioner-role"


def in_charge(id: str, code: str, who: str) -> dict[str, Any]:
    coding = [{"coding": [{"system": ROLES, "code": code}]}]
    named = {"practitioner": {"reference": who}, "code": coding}
    return {"resourceType": "PractitionerRole", "id": id, "active": True, **named}


def member_of(course: therapy.Therapy) -> list[dict[str, Any]]:
    """The lead is in the client's team."""
    team = {"resourceType": "CareTeam", "id": "team", "status": "active"}
    members = [{"member": {"reference": LEAD}}]
    return [{**team, "subject": {"reference": course.patient}, "participant": members}]


def sat_with(course: therapy.Therapy) -> list[dict[str, Any]]:
    """The lead sat with the client and the client's partner."""
    people = [{"entity": {"reference": each}} for each in (course.patient, "Patient/other")]
    group = {"resourceType": "Group", "id": "couple", "type": "person", "actual": True}
    there = [{"individual": {"reference": LEAD}}]
    return [
        {"resourceType": "Patient", "id": "other"},
        {**group, "member": people},
        {**encounter("Group/couple"), "id": "joint", "participant": there},
    ]


@pytest.fixture
async def course(clinic):
    made = await therapy.begin(clinic)
    await made.put(
        *(
            {"resourceType": "Practitioner", "id": each.partition("/")[2]}
            for each in (LEAD, DEPUTY)
        ),
        in_charge("of-lead", "clinical-lead", LEAD),
        in_charge("of-deputy", "deputy-clinical-lead", DEPUTY),
    )
    return made


async def told(clinic, course) -> tuple[bool, list[str]]:
    """Whether the lead reads what crossed a line, and whose task that is."""
    await course.sessions("asc-client", [asc(4, x1="yes")])
    lead = await signed_in(clinic, "clinical_lead", LEAD)
    [answer] = resources(ok(await lead.get(f"QuestionnaireResponse?subject={course.patient}")))
    records = await clinic.as_client("system/*.cruds", clearance="V")
    tasks = resources(ok(await records.get(f"Task?patient={course.patient}")))
    return "X1" in str(answer["item"]), [task["owner"]["reference"] for task in tasks]


async def test_a_lead_who_does_not_treat_them_is_told(clinic, course):
    assert await told(clinic, course) == (True, [LEAD])


async def test_one_in_their_team_is_not_and_the_deputy_is(clinic, course):
    await course.put(*member_of(course))
    assert await told(clinic, course) == (False, [DEPUTY])


async def test_one_who_sat_with_the_couple_reads_nothing_of_it(clinic, course):
    await course.put(*sat_with(course))
    reads, _ = await told(clinic, course)
    assert not reads

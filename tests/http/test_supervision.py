"""``$supervision-summary``: one therapist's figures, for whoever oversees them and nobody else."""

from __future__ import annotations

import pytest

from tests.http.answers import ok, refused
from tests.support import therapy
from tests.support.operations import all_of
from tests.support.staff import signed_in
from tests.support.therapy import wai
from tests.support.twin_records import SUPERVISION

AMAL = "Practitioner/amal"
BOND = ("3", "5", "7", "9")
LEVELS = {"amal": (50, 52, 51, 53, 49), "chidi": (40, 42, 41, 43, 39), "dana": (45, 47, 46, 48)}


async def treats(clinic, therapist, *totals):
    for total in totals:
        course = await therapy.begin(clinic, therapist_key=therapist)
        await course.sessions("wai-sr", [wai(total - 1), wai(total + 1)])


@pytest.fixture
async def clinic_with_three(clinic):
    for therapist, totals in LEVELS.items():
        await treats(clinic, therapist, *totals)
    await clinic.http.put("Practitioner/sue", json={"resourceType": "Practitioner", "id": "sue"})
    return clinic


def team(**more):
    members = ("amal", "sue")
    return {
        "resourceType": "CareTeam",
        "id": "supervision",
        "status": "active",
        "category": [{"coding": [SUPERVISION]}],
        "participant": [{"member": {"reference": f"Practitioner/{each}"}} for each in members],
        "period": {"start": "2026-01-01"},
        **more,
    }


async def told(http, therapist=AMAL, scale="total"):
    answer = ok(await http.get(f"{therapist}/$supervision-summary", params={"scale": scale}))
    return all_of(answer, "cell")


async def test_figures_of_one_therapist_shrunken_and_with_their_interval(clinic_with_three):
    clinic = clinic_with_three
    lead = await signed_in(clinic, "clinical_lead", "Practitioner/lena")
    (cell,) = await told(lead)
    assert cell.keys() == {"instrument", "scale", "n", "within", "between"}  # of two: no place
    await treats(clinic, "dana", 44)
    (cell,) = await told(lead)
    assert (cell["instrument"], cell["scale"], cell["n"]) == ("wai-sr", "total", 5)
    assert cell["within"] == pytest.approx(2**0.5)
    assert cell["between"] == pytest.approx(2.5**0.5)
    assert 4 < cell["estimate"] < 5  # the mean of hers is 51, of all 46
    assert cell["low"] < cell["estimate"] < cell["high"]
    assert 0 < cell["reliability"] < 1
    (other,) = await told(lead, "Practitioner/chidi")
    assert other["estimate"] < 0


async def test_four_clients_are_too_few_and_a_sixth_cannot_be_told_from_the_difference(
    clinic_with_three,
):
    clinic = clinic_with_three
    lead = await signed_in(clinic, "clinical_lead", "Practitioner/lena")
    assert await told(lead, "Practitioner/dana") == [
        {"instrument": "wai-sr", "scale": "total", "suppressed": True}
    ]
    before = await told(lead)
    await treats(clinic, "amal", 30)
    assert await told(lead) == before
    await treats(clinic, "chidi", 20)  # nor does somebody else's client show in hers
    assert await told(lead) == before
    await treats(clinic, "amal", 31, 32, 33, 34)
    (cell,) = await told(lead)
    assert cell["n"] == 10


async def test_who_left_a_scale_out_is_not_the_difference_of_two_scales(clinic_with_three):
    clinic = clinic_with_three
    lead = await signed_in(clinic, "clinical_lead", "Practitioner/lena")
    course = await therapy.begin(clinic, therapist_key="amal")
    goal_and_task_only = {link: value for link, value in wai(48).items() if link not in BOND}
    await course.sessions("wai-sr", [goal_and_task_only])
    for scale in ("goal", "task", "bond", "total"):
        assert [cell["n"] for cell in await told(lead, scale=scale)] == [5], scale


async def test_a_supervisor_is_told_of_who_is_supervised_while_that_lasts(clinic_with_three):
    clinic = clinic_with_three
    sue = await signed_in(clinic, "supervisor", "Practitioner/sue")
    refused(await sue.get(f"{AMAL}/$supervision-summary"), 403, "forbidden")
    assert (await clinic.http.put("CareTeam/supervision", json=team())).status_code == 201
    assert [cell["n"] for cell in await told(sue)] == [5]
    for other in ("Practitioner/chidi", "Practitioner/sue"):
        refused(await sue.get(f"{other}/$supervision-summary"), 403, "forbidden")
    over = team(period={"start": "2026-01-01", "end": "2026-02-01"})
    await clinic.http.put("CareTeam/supervision", json=over)
    refused(await sue.get(f"{AMAL}/$supervision-summary"), 403, "forbidden")


async def test_nobody_else_is_told(clinic_with_three):
    clinic = clinic_with_three
    await clinic.http.put("CareTeam/supervision", json=team())
    for role, actor in (
        ("therapist", AMAL),
        ("researcher", "Practitioner/ro"),
        ("admin", "Practitioner/ad"),
    ):
        http = await signed_in(clinic, role, actor)
        refused(await http.get(f"{AMAL}/$supervision-summary"), 403, "forbidden")
    refused(await clinic.http.get(f"{AMAL}/$supervision-summary"), 403, "forbidden")
    lead = await signed_in(clinic, "clinical_lead", "Practitioner/lena")
    refused(await lead.get("Practitioner/nobody/$supervision-summary"), 404, "not-found")

"""Who makes up a couple stays as it is once anything is about them: nobody takes a place."""

from __future__ import annotations

import pytest

from tests.http.answers import made, ok, refused
from tests.support.staff import signed_in

PEOPLE = ("anna", "berta", "carl")


def group(*members: str, **more):
    people = [{"entity": {"reference": f"Patient/{id}"}} for id in members]
    return {
        "resourceType": "Group", "id": "couple", "type": "person", "actual": True,
        "member": people, **more,
    }  # fmt: skip


def joint(text: str = "what Anna and Berta said to each other"):
    return {
        "resourceType": "Goal", "id": "joint", "lifecycleStatus": "active",
        "subject": {"reference": "Group/couple"}, "description": {"text": text},
    }  # fmt: skip


def opening(patient: str):
    """Opens what is about both to whoever is in the Group."""
    return {
        "resourceType": "Consent", "id": f"opens-{patient}", "status": "active",
        "scope": {"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/consentscope",
            "code": "patient-privacy",
        }]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": f"Patient/{patient}"},
        "dateTime": "2026-01-02",
        "policy": [{"uri": "https://rapport.example.org/policy/privacy"}],
        "provision": {
            "type": "permit",
            "actor": [{
                "role": {"coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
                    "code": "IRCP",
                }]},
                "reference": {"reference": "Group/couple"},
            }],
        },
    }  # fmt: skip


@pytest.fixture
async def records(clinic):
    for id in PEOPLE:
        await clinic.http.put(f"Patient/{id}", json={"resourceType": "Patient", "id": id})
        tree = opening(id)
        made(await clinic.http.put(f"Consent/{tree['id']}", json=tree))
    made(await clinic.http.put("Group/couple", json=group("anna", "berta")))
    return clinic.http


async def test_members_see_what_is_about_both(clinic, records):
    made(await records.put("Goal/joint", json=joint()))
    for id, status in (("anna", 200), ("berta", 200), ("carl", 404)):
        who = await signed_in(clinic, "client", f"Patient/{id}")
        assert (await who.get("Goal/joint")).status_code == status, id


@pytest.mark.parametrize(
    "members", [("anna", "carl"), ("anna", "berta", "carl"), ("anna",), ("carl", "berta")]
)
async def test_nobody_joins_or_is_taken_out_once_something_is_about_them(clinic, records, members):
    made(await records.put("Goal/joint", json=joint()))
    refused(await records.put("Group/couple", json=group(*members)), 422, "business-rule")
    patch = [{"op": "replace", "path": "/member", "value": group(*members)["member"]}]
    headers = {"Content-Type": "application/json-patch+json"}
    refused(await records.patch("Group/couple", json=patch, headers=headers), 422, "business-rule")
    carl = await signed_in(clinic, "client", "Patient/carl")
    assert (await carl.get("Goal/joint")).status_code == 404


async def test_a_group_that_something_is_about_is_not_deleted_for_another_to_come(clinic, records):
    made(await records.put("Goal/joint", json=joint()))
    refused(await records.delete("Group/couple"), 422, "business-rule")
    ok(await records.put("Group/couple", json=group("anna", "berta", active=False)))
    (await records.delete("Goal/joint")).raise_for_status()
    refused(await records.delete("Group/couple"), 422, "business-rule")  # its past is about them


async def test_a_group_that_nothing_is_about_changes_as_its_keeper_likes(records):
    ok(await records.put("Group/couple", json=group("anna", "carl")))
    ok(await records.put("Group/couple", json=group("carl")))
    assert (await records.delete("Group/couple")).status_code in (200, 204)


async def test_the_second_of_a_couple_may_come_later(clinic, records):
    alone = {**group("anna"), "id": "later"}
    made(await records.put("Group/later", json=alone))
    about = {**joint(), "id": "first", "subject": {"reference": "Group/later"}}
    made(await records.put("Goal/first", json=about))
    ok(await records.put("Group/later", json={**group("anna", "berta"), "id": "later"}))


async def test_a_period_ends_a_membership(records):
    made(await records.put("Goal/joint", json=joint()))
    over = group("anna", "berta")
    over["member"][0]["period"] = {"end": "2026-02-01"}
    ok(await records.put("Group/couple", json=over))

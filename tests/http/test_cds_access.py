"""Whose cards they are: what both the calling client and the person whom it names may see."""

from __future__ import annotations

import json

import pytest

from app.security import roles
from tests.http.answers import comparable, ok, refused, resources
from tests.http.test_audit_failing import stored, taking_nothing
from tests.http.test_audited import about, asked
from tests.support import therapy
from tests.support.asking import asked as ask
from tests.support.consents import actor, consent, provision
from tests.support.hooks import (
    ALERTS,
    FORMS,
    RUPTURE,
    called,
    cards,
    claims,
    ruptured,
    signed,
    view,
)
from tests.support.people import add_person

V = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "V"}
SDV = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SDV"}


@pytest.fixture
async def course(clinic):
    """A course with a rupture; its therapist has an account."""
    begun = await therapy.begin(clinic)
    await add_person(clinic, "tess", "therapist", fhir_user=begun.therapist)
    return await ruptured(begun)


async def of_role(clinic, role, *, actor="Practitioner/somebody"):
    await add_person(clinic, role, role, fhir_user=actor)
    return actor


SEES = {"clinical_lead"}


@pytest.mark.parametrize("role", sorted(roles.STAFF))
async def test_a_role_without_care_of_the_patient_gets_what_its_reads_get(clinic, course, role):
    who = await of_role(clinic, role)
    found = await cards(clinic, course.patient, who)
    assert bool(found) == (role in SEES)


async def test_a_supervisor_sees_while_the_supervision_lasts(clinic, course):
    who = await of_role(clinic, "supervisor", actor="Practitioner/super")
    assert await cards(clinic, course.patient, who) == []
    kind = {"system": f"{therapy.OURS}/CodeSystem/care-team-category", "code": "supervision"}
    team = {
        "resourceType": "CareTeam",
        "id": f"supervision-{course.key}",
        "status": "active",
        "category": [{"coding": [kind]}],
        "period": {"start": "2026-01-01"},
        "participant": [
            {"member": {"reference": who}},
            {"member": {"reference": course.therapist}},
        ],
    }
    await course.put({"resourceType": "Practitioner", "id": "super"}, team)
    assert await cards(clinic, course.patient, who)
    await course.put({**team, "status": "inactive"})
    assert await cards(clinic, course.patient, who) == []


@pytest.mark.parametrize("who", ["Patient", "RelatedPerson", "other", "PractitionerRole/none"])
async def test_nobody_else_gets_any(clinic, course, who):
    named = {"Patient": course.patient, "RelatedPerson": "RelatedPerson/partner"}
    await add_person(clinic, "person", "client", fhir_user=course.patient)
    assert (
        await cards(clinic, course.patient, named.get(who, who if "/" in who else "Practitioner/x"))
        == []
    )


async def test_a_role_of_the_therapist_stands_for_them(clinic, course):
    role = {
        "resourceType": "PractitionerRole",
        "id": f"role-{course.key}",
        "practitioner": {"reference": course.therapist},
    }
    await course.put(role)
    named = await cards(clinic, course.patient, f"PractitionerRole/{role['id']}")
    assert named == await cards(clinic, course.patient, course.therapist) != []


async def test_an_account_that_was_closed_opens_nothing(clinic):
    course = await ruptured(await therapy.begin(clinic))
    account = await add_person(clinic, "gone", "therapist", fhir_user=course.therapist)
    assert await cards(clinic, course.patient, course.therapist)
    async with clinic.application.services.units.accounts.write() as unit:
        await unit.accounts.people.set_enabled(account, enabled=False)
    assert await cards(clinic, course.patient, course.therapist) == []


async def test_without_an_account_the_therapist_is_nobody(clinic):
    course = await ruptured(await therapy.begin(clinic))
    assert await cards(clinic, course.patient, course.therapist) == []


async def test_a_consent_and_its_withdrawal_hold_at_once(clinic, course):
    id = course.patient.partition("/")[2]
    lead = await of_role(clinic, "clinical_lead", actor="Practitioner/lea")
    denied = provision("permit", provision("deny", actor=[actor(lead)]))
    assert await cards(clinic, course.patient, lead)
    tree = consent(id, denied, id=f"k-{id}")
    assert (await clinic.http.put(f"Consent/{tree['id']}", json=tree)).is_success
    assert await cards(clinic, course.patient, lead) == []
    assert await cards(clinic, course.patient, course.therapist), "only whom it denies"
    withdrawn = {**tree, "status": "inactive"}
    assert (await clinic.http.put(f"Consent/{tree['id']}", json=withdrawn)).is_success
    assert await cards(clinic, course.patient, lead)


async def test_a_consent_that_denies_the_client_denies_the_card(clinic, course):
    id = course.patient.partition("/")[2]
    other = await clinic.application.register(clinic.tenant, actor="Organization/denied")
    denied = provision("permit", provision("deny", actor=[actor("Organization/denied")]))
    assert await cards(clinic, course.patient, course.therapist, by=other)
    tree = consent(id, denied, id=f"k-{id}")
    assert (await clinic.http.put(f"Consent/{tree['id']}", json=tree)).is_success
    assert await cards(clinic, course.patient, course.therapist, by=other) == []
    assert await cards(clinic, course.patient, course.therapist)


async def test_another_organization_gets_what_a_consent_permits_it(clinic, course):
    id = course.patient.partition("/")[2]
    hie = await clinic.application.register(
        clinic.tenant,
        scope="system/*.rs",
        role="outside_system",
        actor="Organization/exchange",
        clearance="N",
    )
    assert await cards(clinic, course.patient, course.therapist, by=hie) == []
    tree = consent(id, provision("permit", actor=[actor("Organization/exchange")]), id=f"k-{id}")
    assert (await clinic.http.put(f"Consent/{tree['id']}", json=tree)).is_success
    assert (await hie_reads(hie, course)) == bool(
        await cards(clinic, course.patient, course.therapist, by=hie)
    )


async def hie_reads(hie, course):
    http = await hie.http()
    try:
        found = await http.get("DetectedIssue", params={"patient": course.patient})
        return bool(ok(found).get("entry"))
    finally:
        await http.aclose()


@pytest.mark.parametrize("label", [V, SDV], ids=["V", "SDV"])
async def test_what_is_very_restricted_is_on_no_card_of_a_system_of_clearance_r(clinic, label):
    """Neither for the therapist, whom it may be about, nor for the lead: the client sees it not."""
    course = await therapy.begin(clinic)
    await add_person(clinic, "tess", "therapist", fhir_user=course.therapist)
    lead = await of_role(clinic, "clinical_lead", actor="Practitioner/lea")
    course.sittings = len(RUPTURE)
    numbered = list(enumerate(RUPTURE, 1))
    await course.put(*(course.sitting(number) for number, _ in numbered))
    await course.put(
        *(
            course.response("wai-sr", answers, number, meta={"security": [label]})
            for number, answers in numbered
        )
    )
    await clinic.settle()
    for who in (course.therapist, lead):
        assert await cards(clinic, course.patient, who) == []
    cleared = await clinic.application.register(clinic.tenant, clearance="V")
    assert await cards(clinic, course.patient, lead, by=cleared)
    found = await cards(clinic, course.patient, course.therapist, by=cleared)
    assert bool(found) == (label is SDV), "a therapist sees what was labelled for violence"


async def test_what_was_said_in_private_is_on_no_card(clinic):
    """Neither X1, of which the lead alone hears, nor what calls a clinician at once."""
    course = await therapy.begin(clinic)
    await add_person(clinic, "tess", "therapist", fhir_user=course.therapist)
    lead = await of_role(clinic, "clinical_lead", actor="Practitioner/lea")
    await course.sessions("asc-client", [therapy.asc(3, x1="yes")])
    await course.sessions("phq-9", [{str(item): 1 for item in range(1, 10)}])
    flags = resources(ok(await clinic.http.get("Flag", params={"patient": course.patient})))
    assert flags, "somebody is told, elsewhere"
    for by in (None, await clinic.application.register(clinic.tenant, clearance="V")):
        for who in (course.therapist, lead):
            for service in (ALERTS, FORMS):
                assert await cards(clinic, course.patient, who, service, by=by) == []


async def test_partners_get_each_their_own(clinic):
    pair = [await therapy.begin(clinic, couple="Group/g", therapist_key="both") for _ in range(2)]
    await add_person(clinic, "both", "therapist", fhir_user="Practitioner/both")
    await ruptured(pair[0])
    one, other = [
        json.dumps(await cards(clinic, each.patient, "Practitioner/both")) for each in pair
    ]
    assert pair[0].key in one and pair[1].key not in one
    assert other == "[]"
    await add_person(clinic, "partner", "client", fhir_user=pair[1].patient)
    assert await cards(clinic, pair[0].patient, pair[1].patient) == []


async def test_a_therapist_says_first_how_they_saw_the_session(clinic, course):
    task = await ask(course, "asc-therapist", session=6, owner={"reference": course.therapist})
    assert await cards(clinic, course.patient, course.therapist) == []
    tree = ok(await clinic.http.get(f"Task/{task}"))
    await course.put({**tree, "status": "completed"})
    assert await cards(clinic, course.patient, course.therapist)


async def test_a_hidden_patient_is_one_who_is_not_there(clinic, course):
    """To whoever may not see them: another's therapist, another clinic's system and person."""
    stranger = await of_role(clinic, "therapist")
    services = clinic.application.services
    tenant = await clinic.application.add_tenant(f"twin-{course.key}")
    elsewhere = await clinic.application.register(tenant)
    for service in (ALERTS, FORMS):
        await ask(course, session=6)
        for who, by in ((stranger, None), (course.therapist, elsewhere)):
            there, nowhere = [
                await called(clinic, view(patient, who, service), service, by=by)
                for patient in (course.patient, "Patient/nobody-at-all")
            ]
            assert ok(there) == {"cards": []}
            assert comparable(there) == comparable(nowhere)
    assert services.settings.env == "production"


@pytest.fixture
async def log(clinic):
    auditor = await clinic.as_client("system/AuditEvent.rs", role="auditor")

    async def events(**params):
        query = {"subtype": "operation", "_count": "200", **params}
        found = resources(ok(await auditor.get("AuditEvent", params=query)))
        return [each for each in found if "/cds-services/" in asked(each)]

    return events


async def test_a_look_is_recorded_once_with_client_person_and_patient(clinic, course, log):
    await cards(clinic, course.patient, course.therapist)
    [event] = await log(patient=course.patient)
    assert f"POST /cds-services/{ALERTS}" in asked(event)
    assert event["outcome"] == "0"
    told = json.dumps(event)
    assert clinic.ehr.client_id in told and course.therapist in told and "patient-view" in told
    assert "Worth a word" not in told
    await cards(clinic, course.patient, course.therapist, FORMS)
    assert len(await log(patient=course.patient)) == 2


async def test_a_look_at_nobody_is_recorded_too(clinic, course, log):
    stranger = await of_role(clinic, "therapist")
    await cards(clinic, course.patient, stranger)
    assert await log(patient=course.patient) == []
    [event] = await log()
    assert about(event) == [], "whose record it was not is no part of their accounting"
    assert course.patient.partition("/")[2] in json.dumps(event["entity"])
    assert stranger in json.dumps(event)


async def test_what_a_consent_hid_is_recorded_with_the_consent(clinic, course, log):
    id = course.patient.partition("/")[2]
    lead = await of_role(clinic, "clinical_lead", actor="Practitioner/lea")
    denied = provision("permit", provision("deny", actor=[actor(lead)]))
    tree = consent(id, denied, id=f"k-{id}")
    assert (await clinic.http.put(f"Consent/{tree['id']}", json=tree)).is_success
    assert await cards(clinic, course.patient, lead) == []
    [event] = await log(patient=course.patient)
    assert f"Consent/k-{id}" in json.dumps(event)


async def test_no_card_and_no_refusal_without_its_record(clinic, course):
    database = clinic.application.database
    token = signed(clinic.ehr, claims(clinic.ehr, ALERTS))
    before = await stored(database)
    async with taking_nothing(database):
        for body, given in (
            (view(course.patient, course.therapist), token),
            (view("Patient/nobody", course.therapist), None),
            ({}, None),
            (view(course.patient, course.therapist), "x.y.z"),
        ):
            answer = await called(clinic, body, token=given)
            refused(answer, 503, "transient")
            assert course.key not in answer.text
        assert await stored(database) == before
    refused(await called(clinic, view("Patient/x", "Practitioner/x"), token=token), 401)

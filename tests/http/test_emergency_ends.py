"""The end of an emergency is told where its beginning is, once, whatever runs meanwhile."""

from __future__ import annotations

import asyncio

from app.interactions.relay import Relay
from tests.http.answers import ok, resources
from tests.http.resources import patient
from tests.support.application import clinic_of, running
from tests.support.people import add_person, browser, code_now, enrol
from tests.support.staff import signed_in

BEGAN, ENDED = "110127", "110128"
HOUR = 3600


async def treats_nobody(clinic):
    """A therapist who does not treat the patient, signed in."""
    for tree in ({"resourceType": "Practitioner", "id": "theo"}, patient(id="anna")):
        stored = await clinic.http.put(f"{tree['resourceType']}/{tree['id']}", json=tree)
        assert stored.status_code == 201, stored.text
    return await signed_in(clinic, "therapist", "Practitioner/theo")


async def declares(theo):
    reason = {"name": "reason", "valueCode": "ETREAT"}
    asked = {"resourceType": "Parameters", "parameter": [reason]}
    given = ok(await theo.post("Patient/anna/$break-glass", json=asked))["parameter"]
    told = {each["name"]: each for each in given}
    return told["audit"]["valueReference"]["reference"], told["expires"]["valueDateTime"]


async def events(clinic, subtype):
    auditor = await clinic.as_client("system/*.rs", role="auditor")
    return await told_to(auditor, subtype)


async def told_to(auditor, subtype):
    asked = {"subtype": subtype, "patient": "Patient/anna"}
    return resources(ok(await auditor.get("AuditEvent", params=asked)))


def details(event):
    return {
        detail["type"]: detail["valueString"]
        for entity in event.get("entity", ())
        for detail in entity.get("detail", ())
    }


async def test_the_end_is_told_of_who_declared_it_when_the_hour_is_over(clinic):
    theo = await treats_nobody(clinic)
    began, expires = await declares(theo)
    clock = clinic.application.clock
    await clinic.settle()
    clock.turn(seconds=HOUR - 5)
    await clinic.settle()
    assert await events(clinic, ENDED) == []
    clock.turn(seconds=5)
    await clinic.settle()
    await clinic.settle()
    (ended,) = await events(clinic, ENDED)
    assert details(ended) == {"began": began, "ended": expires}
    (start,) = await events(clinic, BEGAN)
    assert f"AuditEvent/{start['id']}" == began
    assert ended["agent"][0]["who"] == start["agent"][0]["who"]
    assert any(entity.get("what") == {"reference": "Patient/anna"} for entity in ended["entity"])


async def test_the_client_and_the_auditor_find_it_beside_the_beginning(clinic):
    theo = await treats_nobody(clinic)
    await declares(theo)
    clinic.application.clock.turn(seconds=HOUR)
    await clinic.settle()
    anna = await signed_in(clinic, "client", "Patient/anna")
    account = ok(await anna.get("Patient/anna/$accounting-of-disclosures"))
    told = [each["subtype"][0]["code"] for each in resources(account)]
    assert [code for code in told if code in (BEGAN, ENDED)] == [ENDED, BEGAN]
    own, ada = browser(clinic.application), browser(clinic.application)
    client = await add_person(clinic, "anna-2", "client", fhir_user="Patient/anna")
    await own.open("/login")
    await own.sign_in(client)
    page = await own.open("/me/looks")
    assert "declared an emergency to open your record" in page.text
    assert "the emergency ended" in page.text
    assert "انتهت حالة الطوارئ" in (await own.open("/me/looks?lang=ar")).text
    auditor = await add_person(clinic, "ada", "auditor")
    secret = await enrol(clinic.application, auditor)
    await ada.open("/login?next=/audit")
    await ada.sign_in(auditor)
    await ada.submit("/login/second", code=code_now(clinic.application, secret))
    page = await ada.open("/audit?glass=1")
    assert "Emergency Override Started" in page.text and "Emergency Override Stopped" in page.text
    for who in (own, ada):
        await who.http.aclose()


async def test_each_of_two_has_its_end(clinic):
    theo = await treats_nobody(clinic)
    first, _ = await declares(theo)
    clinic.application.clock.turn(seconds=60)
    second, _ = await declares(theo)
    clinic.application.clock.turn(seconds=HOUR - 30)
    await clinic.settle()
    assert [details(each)["began"] for each in await events(clinic, ENDED)] == [first]
    clinic.application.clock.turn(seconds=30)
    await clinic.settle()
    assert [details(each)["began"] for each in await events(clinic, ENDED)] == [second, first]


async def test_what_was_not_declared_does_not_end(clinic):
    theo = await treats_nobody(clinic)
    refused = await theo.post("Patient/nobody/$break-glass", json={"resourceType": "Parameters"})
    assert refused.status_code >= 400
    clinic.application.clock.turn(seconds=HOUR)
    await clinic.settle()
    assert await events(clinic, ENDED) == []


async def test_two_processes_tell_it_once(databases, dialect, tmp_path):
    database = await databases.make(dialect)
    async with (
        running(database, tmp_path) as first,
        running(database, tmp_path, clock=first.clock) as second,
        clinic_of(first) as clinic,
    ):
        began, _ = await declares(await treats_nobody(clinic))
        await first.settle()
        first.clock.turn(seconds=HOUR)
        relays = [
            Relay(
                each.services.units, each.services.engine.services, clock=first.clock, holder=str(n)
            )
            for n, each in enumerate((first, second))
        ]
        for _ in range(2):
            await asyncio.gather(*(relay.run_once() for relay in relays))
        assert [details(each)["began"] for each in await events(clinic, ENDED)] == [began]
    await databases.drop(database)


async def test_a_restart_within_the_hour_loses_nothing(databases, dialect, tmp_path):
    database = await databases.make(dialect)
    async with running(database, tmp_path) as first, clinic_of(first) as clinic:
        began, _ = await declares(await treats_nobody(clinic))
        await first.settle()
    first.clock.turn(seconds=2 * HOUR)
    async with running(database, tmp_path, clock=first.clock) as second:
        await second.settle()
        backend = await second.register(clinic.tenant, scope="system/*.rs", role="auditor")
        async with await backend.http() as auditor:
            found = await told_to(auditor, ENDED)
        assert [details(each)["began"] for each in found] == [began]
    await databases.drop(database)

"""A person is meant however a reference is written: short, with the server's address, versioned."""

from __future__ import annotations

import httpx
import pytest

from tests.http.answers import made, ok, refused
from tests.http.resources import BASE, couple, goal, observation, patient
from tests.http.writing import put
from tests.support.application import Application, Clinic, clinic_of
from tests.support.consents import actor, consent, data, labels, provision
from tests.support.indexing import indexing
from tests.support.staff import signed_in

FORMS = ("{}", f"{BASE}/{{}}", "{}/_history/1", f"{BASE}/{{}}/_history/1")
# Nobody here is meant by these.
ELSEWHERE = ("https://elsewhere.example.org/fhir/{}", "https://rapport.test/{}")


async def recorded(clinic: Clinic) -> httpx.AsyncClient:
    """What there is of Pia, whom Tess treats, and Paul; its record system."""
    for id in ("pia", "paul"):
        await put(clinic.http, patient(id, id=id))
    await put(clinic.http, {"resourceType": "Practitioner", "id": "tess"})
    tess = {"careManager": {"reference": "Practitioner/tess"}}
    pia = {"patient": {"reference": "Patient/pia"}}
    await put(
        clinic.http,
        {"resourceType": "EpisodeOfCare", "id": "e", "status": "active", **pia, **tess},
    )
    await put(clinic.http, {**observation("Patient/pia"), "id": "score"})
    return clinic.http


async def treating(clinic: Clinic) -> httpx.AsyncClient:
    """Tess."""
    return await signed_in(clinic, "therapist", "Practitioner/tess")


@pytest.fixture
async def records(clinic):
    return await recorded(clinic)


@pytest.fixture
async def tess(clinic, records):
    return await treating(clinic)


@pytest.mark.parametrize("form", FORMS)
async def test_a_couple_shares_nothing_without_both_whoever_writes_its_members(
    clinic, records, form
):
    await put(records, couple(form.format("Patient/pia"), "Patient/paul", id="couple"))
    joint = made(await records.post("Goal", json=goal("Group/couple")))
    rules = provision("permit", actor=[actor("Group/couple")])
    await put(records, consent("paul", rules, id="of-paul"))
    paul = await signed_in(clinic, "client", "Patient/paul")
    refused(await paul.get(joint), 404)
    assert ok(await paul.get("Goal?subject=Group/couple"))["total"] == 0
    await put(records, consent("pia", rules, id="of-pia"))
    assert ok(await paul.get("Goal?subject=Group/couple"))["total"] == 1


@pytest.mark.parametrize("form", FORMS)
async def test_a_separated_couple_is_closed_whatever_it_is_called(records, form):
    pair = couple(*(form.format(f"Patient/{id}") for id in ("pia", "paul")), id="couple")
    await put(records, pair)
    made(await records.post("Goal", json=goal(form.format("Group/couple"))))
    pair["member"][0]["period"] = {"end": "2026-02-01"}
    await put(records, pair)
    for named in FORMS:
        refused(await records.post("Goal", json=goal(named.format("Group/couple"))), 422)


@pytest.mark.parametrize("form", FORMS)
async def test_a_denial_holds_whoever_is_named_in_it(records, tess, form):
    assert ok(await tess.get("Observation/score"))
    denial = consent("pia", provision("deny"), id="c")
    await put(records, {**denial, "patient": {"reference": form.format("Patient/pia")}})
    refused(await tess.get("Observation/score"), 404)
    await put(records, {**denial, "status": "inactive"})
    exception = provision("deny", actor=[actor(form.format("Practitioner/tess"))])
    await put(records, consent("pia", provision("permit", exception), id="d"))
    refused(await tess.get("Observation/score"), 404)
    one = provision("deny", data=data("instance", form.format("Observation/score")))
    await put(records, consent("pia", provision("permit", one), id="d"))
    refused(await tess.get("Observation/score"), 404)


@pytest.mark.parametrize("form", ELSEWHERE)
async def test_who_is_elsewhere_is_nobody_here(records, tess, form):
    denial = consent("pia", provision("deny"), id="c")
    await put(records, {**denial, "patient": {"reference": form.format("Patient/pia")}})
    assert ok(await tess.get("Observation/score"))


@pytest.mark.parametrize("form", FORMS)
async def test_a_consent_ends_the_one_it_names(records, form):
    await put(records, consent("pia", provision("deny"), id="older"))
    newer = consent("pia", provision("permit"), id="newer", dateTime="2023-01-01")
    named = {
        "patient": {"reference": form.format("Patient/pia")},
        "sourceReference": {"reference": form.format("Consent/older")},
    }
    await put(records, {**newer, **named})
    assert ok(await records.get("Consent/older"))["status"] == "inactive"


@pytest.mark.parametrize("form", FORMS)
async def test_what_is_made_of_something_is_as_confidential(records, form):
    very = {**observation("Patient/pia"), "id": "very", "meta": {"security": labels("V")}}
    await put(records, very)
    made_of = observation(
        "Patient/pia", derivedFrom=[{"reference": form.format("Observation/very")}]
    )
    stored = await records.post("Observation", json=made_of)
    assert stored.json()["meta"]["security"][0]["code"] == "V"


async def test_an_index_made_anew_knows_whom_old_rows_mean(installation: Application):
    async with clinic_of(installation) as clinic:
        records, tess = await recorded(clinic), await treating(clinic)
        denial = consent("pia", provision("deny"), id="c")
        await put(records, {**denial, "patient": {"reference": f"{BASE}/Patient/pia"}})
        async with installation.services.units.write(clinic.tenant.id, resources=0) as uow:
            uow.consents.decide(clinic.tenant.id, "c", ())
            await uow.consents.flush()
        assert ok(await tess.get("Observation/score"))
        await indexing(installation).run()
        refused(await tess.get("Observation/score"), 404)

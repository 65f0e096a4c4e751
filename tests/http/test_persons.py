"""What a person meets where a system would be told more: no ids of their choice, no oracle."""

from __future__ import annotations

import json

import pytest

from tests.http.answers import comparable, made, ok, refused, resources, version
from tests.http.resources import MRN, bundle, entry, episode, observation, patient, pulse
from tests.support.staff import signed_in

MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture
async def records(clinic):
    """Two patients, one of whom the therapist treats, each with an observation."""
    ehr = clinic.http
    for id in ("tess", "theo"):
        await ehr.put(f"Practitioner/{id}", json={"resourceType": "Practitioner", "id": id})
    for id, therapist in (("anna", "tess"), ("berta", "theo")):
        await ehr.put(f"Patient/{id}", json=patient(id, id=id))
        made(
            await ehr.post(
                "EpisodeOfCare",
                json=episode(
                    f"Patient/{id}", careManager={"reference": f"Practitioner/{therapist}"}
                ),
            )
        )
        own = observation(f"Patient/{id}", id=f"of-{id}", identifier=[{"system": MRN, "value": id}])
        made(await ehr.put(f"Observation/of-{id}", json=own))
    return ehr


@pytest.fixture
async def therapist(clinic, records):
    return await signed_in(clinic, "therapist", "Practitioner/tess")


@pytest.fixture
async def client_(clinic, records):
    return await signed_in(clinic, "client", "Patient/anna")


async def test_what_is_hidden_is_answered_like_what_never_was(therapist, records):
    assert (await therapist.get("Observation/of-anna")).status_code == 200
    changed = observation("Patient/anna", 9)
    for method, headers, body in (
        ("GET", {}, None),
        ("HEAD", {}, None),
        ("GET", {"If-None-Match": 'W/"1"'}, None),
        ("PUT", {}, changed),
        ("PUT", {"If-Match": 'W/"1"'}, changed),
        ("PUT", {"If-Match": 'W/"7"'}, changed),
        ("PUT", {"If-Match": "*"}, changed),
        ("PUT", {"If-None-Match": "*"}, changed),
        ("PATCH", MERGE, {"status": "amended"}),
        ("PATCH", {**MERGE, "If-Match": 'W/"1"'}, {"status": "amended"}),
        ("PATCH", {**MERGE, "If-Match": 'W/"7"'}, {"status": "amended"}),
    ):
        answers = []
        for id in ("of-berta", "of-nobody"):
            sent = json.dumps(body | {"id": id} if method == "PUT" else body) if body else None
            answers.append(
                await therapist.request(method, f"Observation/{id}", headers=headers, content=sent)
            )
        assert comparable(answers[0]) == comparable(answers[1]), (method, headers)
        assert answers[0].status_code == 404, (method, headers, answers[0].text)
    assert version(await records.get("Observation/of-berta")) == 1


async def test_no_transaction_tells_what_is_hidden(therapist):
    for ask in (
        lambda one: entry("GET", f"Observation/{one}"),
        lambda one: entry("PUT", f"Observation/{one}", observation("Patient/anna", id=one)),
        lambda one: entry(
            "PUT", f"Observation/{one}", observation("Patient/anna", id=one), ifMatch='W/"1"'
        ),
    ):
        for kind in ("batch", "transaction"):
            answers = [
                await therapist.post("", json=bundle(kind, ask(id)))
                for id in ("of-berta", "of-nobody")
            ]
            told = [
                one.json()["entry"][0]["response"] if kind == "batch" else one.json()
                for one in answers
            ]
            assert told[0] == told[1]


async def test_a_condition_finds_only_what_is_seen(therapist, records):
    criteria = f"Observation?identifier={MRN}|"
    for value in ("berta", "nobody"):
        answer = await therapist.patch(
            criteria + value, content=b'{"status":"amended"}', headers=MERGE
        )
        refused(answer, 404, "not-found")
    ok(await therapist.patch(f"{criteria}anna", content=b'{"status":"amended"}', headers=MERGE))
    made(
        await therapist.post(
            "Observation",
            json=observation("Patient/anna"),
            headers={"If-None-Exist": f"identifier={MRN}|berta"},
        )
    )
    # A new record by criteria is under an id of the server's.
    fresh = await therapist.put(
        f"{criteria}new",
        json=observation("Patient/anna", identifier=[{"system": MRN, "value": "new"}]),
    )
    assert fresh.status_code == 201
    assert version(await records.get("Observation/of-berta")) == 1


async def test_ids_are_chosen_by_systems(therapist):
    chosen = observation("Patient/anna", id="mine")
    refused(await therapist.put("Observation/mine", json=chosen), 404, "not-found")
    refused(await therapist.put(f"Observation?identifier={MRN}|x", json=chosen), 404, "not-found")


async def test_nothing_is_written_of_who_is_not_in_reach(therapist, records):
    for tree in (observation("Patient/berta"), observation("Patient/nobody")):
        refused(await therapist.post("Observation", json=tree), 403, "forbidden")
    moved = observation("Patient/berta", id="of-anna")
    refused(await therapist.put("Observation/of-anna", json=moved), 403, "forbidden")
    refused(
        await therapist.patch(
            "Observation/of-anna",
            content=b'{"subject":{"reference":"Patient/berta"}}',
            headers=MERGE,
        ),
        403,
        "forbidden",
    )
    assert ok(await records.get("Observation?subject=Patient/berta"))["total"] == 1
    # All or nothing, here too.
    sent = bundle(
        "transaction",
        entry("POST", "Observation", observation("Patient/anna")),
        entry("POST", "Observation", observation("Patient/berta")),
    )
    issues = refused(await therapist.post("", json=sent), 403, "forbidden")
    assert issues[0]["expression"] == ["Bundle.entry[1]"]
    assert ok(await records.get("Observation?subject=Patient/anna"))["total"] == 1


async def test_answers_without_subject_are_the_client_s_own(client_, records):
    answer = await client_.post("QuestionnaireResponse", json=pulse(3, 3, 3, 1, 3))
    made(answer)
    assert answer.json()["subject"] == {"reference": "Patient/anna"}
    refused(
        await client_.post(
            "QuestionnaireResponse", json=pulse(3, 3, 3, 1, 3, subject="Patient/berta")
        ),
        403,
        "forbidden",
    )
    found = resources(ok(await records.get("QuestionnaireResponse")))
    assert [one["subject"]["reference"] for one in found] == ["Patient/anna"]


async def test_a_client_sees_their_own_record_and_no_other(client_):
    assert ok(await client_.get("Patient"))["total"] == 1
    assert ok(await client_.get("Observation"))["total"] == 1
    for address in ("Patient/berta", "Observation/of-berta", "Patient/berta/Observation",
                    "Patient/berta/$everything", "Patient/berta/_history"):  # fmt: skip
        refused(await client_.get(address), 404, "not-found")
    everything = ok(await client_.get("Patient/anna/$everything"))
    assert "berta" not in json.dumps(everything)
    assert ok(await client_.get("Observation/_history"))["total"] == 1


async def test_who_deleted_nothing_learns_nothing(clinic, records):
    """A person's deletion of what is hidden is answered like that of what never was."""
    lead = await signed_in(clinic, "clinical_lead", "Practitioner/theo")
    answers = [await lead.delete(f"Subscription/{id}") for id in ("one", "two")]
    assert comparable(answers[0]) == comparable(answers[1])

"""A clinic's evening, from the record system's token to the auditor's search."""

from __future__ import annotations

from tests.http.resources import PULSE, SCALES, bundle, encounter, entry, episode, pulse, urn


async def test_an_evening(clinic):
    ehr = clinic.http
    anna, course, session = urn(), urn(), urn()
    sent = await ehr.post(
        "",
        json=bundle(
            "transaction",
            entry(
                "POST",
                "Patient",
                {"resourceType": "Patient", "name": [{"family": "Costa", "given": ["Nadia"]}]},
                full_url=anna,
            ),
            entry("POST", "EpisodeOfCare", episode(anna), full_url=course),
            entry(
                "POST",
                "Encounter",
                encounter(
                    anna,
                    episodeOfCare=[{"reference": course}],
                    period={
                        "start": "2026-11-02T17:30:00+01:00",
                        "end": "2026-11-02T18:20:00+01:00",
                    },
                ),
                full_url=session,
            ),
        ),
    )
    assert sent.status_code == 200, sent.text
    made = [one["response"]["location"].split("/fhir/")[1] for one in sent.json()["entry"]]
    patient, care, visit = (location.split("/_history/")[0] for location in made)

    answers = await ehr.post(
        "QuestionnaireResponse",
        json=pulse(
            3,
            4,
            3,
            1,
            2,
            subject=patient,
            author={"reference": patient},
            encounter={"reference": visit},
        ),
    )
    assert answers.status_code == 201, answers.text
    response = f"QuestionnaireResponse/{answers.json()['id']}"
    await clinic.settle()

    found = await ehr.get(
        "Observation", params={"patient": patient, "date": "2026-11-02", "code": f"{SCALES}|total"}
    )
    assert found.json()["total"] == 1
    score = found.json()["entry"][0]["resource"]
    assert score["status"] == "final"
    assert score["category"][0]["coding"][0]["code"] == "survey"
    assert score["code"]["coding"][0] == {"system": SCALES, "code": "total"}
    # (3 + 4 + 3 + (4 - 1) + 2) / 5 of 4
    assert score["valueQuantity"]["value"] == 75
    assert score["subject"] == {"reference": patient}
    assert score["encounter"] == {"reference": visit}
    assert score["effectiveDateTime"] == "2026-11-02T18:30:00+01:00"
    assert score["derivedFrom"] == [{"reference": response}]
    extensions = {
        one["url"].rpartition("/")[2]: value
        for one in score["extension"]
        for name, value in one.items()
        if name != "url"
    }
    assert extensions["rater"] == "client"
    assert extensions["scoring-definition"] == (
        "https://rapport.example.org/Library/asc-pulse-scoring|1.0.0"
    )
    assert PULSE.startswith("https://rapport.example.org/")

    auditor = await clinic.as_client("system/AuditEvent.rs", role="auditor")
    created = {patient, care, visit, response, f"Observation/{score['id']}"}
    assert created <= await _entities(auditor, "create")
    assert created <= await _entities(auditor, "create", patient)
    for subtype in ("transaction", "search-type"):
        assert await _entities(auditor, subtype) == {None}


async def _entities(auditor, subtype, patient=None):
    """What the log says was done so: the first entity of each event."""
    params = {"subtype": subtype, "_count": "100"} | ({"patient": patient} if patient else {})
    events = await auditor.get("AuditEvent", params=params)
    whats = [one["resource"]["entity"][0].get("what") for one in events.json()["entry"]]
    return {what and what["reference"].split("/_history/")[0] for what in whats}

"""What a clinician did with a card is kept: which card, what, by which code, when. No words."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.http.answers import ok, refused, resources
from tests.http.test_audit_failing import stored, taking_nothing
from tests.http.test_audited import asked
from tests.http.test_cds import JSON
from tests.support import therapy
from tests.support.hooks import ALERTS, FORMS, called, cards, claims, ruptured, signed
from tests.support.people import add_person
from tests.support.staff import signs_in
from tests.support.therapy import OURS

REASONS = f"{OURS}/CodeSystem/cds-override-reason"
WHEN = "2026-11-26T09:30:00Z"


@pytest.fixture
async def card(clinic):
    """A card that the clinic's record system was given."""
    course = await therapy.begin(clinic)
    await add_person(clinic, "tess", "therapist", fhir_user=course.therapist)
    await ruptured(course)
    [found] = await cards(clinic, course.patient, course.therapist)
    return found


def overridden(uuid, reason="talked-about", **more):
    said = {"reason": {"code": reason, "system": REASONS}}
    given = {"card": uuid, "outcome": "overridden", "outcomeTimestamp": WHEN}
    return {**given, "overrideReason": said, **more}


def accepted(card, **more):
    ids = [{"id": each["uuid"]} for each in card["suggestions"]]
    given = {"card": card["uuid"], "outcome": "accepted", "outcomeTimestamp": WHEN}
    return {**given, "acceptedSuggestions": ids, **more}


async def tell(clinic, *said, service=ALERTS, **more):
    return await called(clinic, {"feedback": list(said)}, service, path="/feedback", **more)


@pytest.fixture
def kept(clinic, card):
    """What is kept of the card, by whichever client."""

    async def found():
        async with clinic.application.services.units.read(clinic.tenant.id) as unit:
            return [
                (each.card, each.client_id, each.outcome, each.reason)
                for each in await unit.cds_feedback.about(clinic.tenant.id, card["uuid"][:18])
            ]

    return found


async def test_what_was_done_is_kept_and_said_again_is_silence(clinic, card, kept):
    for _ in range(2):
        answer = await tell(clinic, overridden(card["uuid"]))
        assert answer.status_code == 200 and answer.content == b""
    assert await kept() == [(card["uuid"], clinic.ehr.client_id, "overridden", "talked-about")]
    later = accepted(card, outcomeTimestamp="2026-11-26T10:00:00+04:00")
    assert (await tell(clinic, later)).status_code == 200
    assert len(await kept()) == 2


async def test_it_takes_no_step_in_the_work_on_the_alert(clinic, card):
    await tell(clinic, overridden(card["uuid"]))
    found = ok(await clinic.http.get("DetectedIssue", params={"_count": "10"}))
    alerts = [entry["resource"] for entry in found["entry"]]
    assert {therapy.status(each) for each in alerts} == {"open"}


async def test_the_course_tells_it_to_whoever_sees_the_alert(clinic, card, at_work):
    page = card["links"][0]["url"].removeprefix("https://rapport.test")
    await tell(clinic, overridden(card["uuid"]))
    await tell(clinic, accepted(card, outcomeTimestamp="2026-11-27T09:00:00Z"))
    other = await clinic.application.register(clinic.tenant, actor="Organization/other")
    await signs_in(clinic, at_work, "clinical_lead", "Practitioner/lea")
    english = (await at_work.open(page)).text
    assert "Set aside in the record system: Already talked about (2026-11-26)" in english
    assert "To be talked about, says the record system (2026-11-27)" in english
    arabic = (await at_work.open(f"{page}?lang=ar")).text
    assert "صُرف النظر عنه في نظام السجلات: جرى الحديث عنه (2026-11-26)" in arabic
    course = page.rpartition("/e-")[2]
    [theirs] = await cards(clinic, f"Patient/p-{course}", "Practitioner/lea", by=other)
    assert theirs["uuid"] != card["uuid"]
    await tell(clinic, overridden(theirs["uuid"], "another-time"), by=other)
    assert "Not today" in (await at_work.open(f"{page}?lang=en")).text, "of every client"


async def test_no_word_of_a_comment_or_of_another_reason_is_kept(clinic, card, kept):
    secret = "she told me about the affair"
    reason = {"reason": {"code": secret, "system": "https://e.example"}, "userComment": secret}
    said = overridden(card["uuid"], overrideReason=reason)
    assert (await tell(clinic, said)).status_code == 200
    assert [each[3] for each in await kept()] == ["other"]
    auditor = await clinic.as_client("system/AuditEvent.rs", role="auditor")
    query = {"subtype": "operation", "_count": "50"}
    events = resources(ok(await auditor.get("AuditEvent", params=query)))
    [event] = [each for each in events if "/feedback" in asked(each)]
    told = json.dumps(event)
    assert card["uuid"] in told and "overridden" in told and secret not in told


async def test_every_problem_is_told_at_once(clinic, card):
    theirs = await clinic.application.register(clinic.tenant, actor="Organization/other")
    known = card["uuid"]
    forged = known[:-1] + ("0" if known[-1] != "0" else "1")
    answer = await tell(
        clinic,
        overridden(str(uuid4())),
        overridden(forged),
        overridden(known, "made-up"),
        overridden(known, outcomeTimestamp="2026-02-30T00:00:00Z"),
        accepted(card, acceptedSuggestions=[{"id": str(uuid4())}]),
    )
    places = [issue["expression"][0] for issue in refused(answer, 400)]
    assert places == [
        "feedback[0].card",
        "feedback[1].card",
        "feedback[2].overrideReason.reason",
        "feedback[3].outcomeTimestamp",
        "feedback[4].acceptedSuggestions",
    ]
    refused(await tell(clinic, overridden(known), by=theirs), 400)
    refused(await tell(clinic, overridden(known), service=FORMS), 400)
    for bad in ([], [{}], [overridden(known)] * 101, [accepted(card, acceptedSuggestions=None)]):
        refused(await tell(clinic, *bad), 400)


async def test_it_is_signed_for_its_own_address(clinic, card):
    token = signed(clinic.ehr, claims(clinic.ehr, ALERTS))
    refused(await tell(clinic, overridden(card["uuid"]), token=token), 401)


async def test_nothing_is_kept_without_its_record(clinic, card, kept):
    database = clinic.application.database
    before = await stored(database)
    async with taking_nothing(database):
        refused(await tell(clinic, overridden(card["uuid"])), 503, "transient")
        assert await stored(database) == before
    assert await kept() == []


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_no_body_is_a_fault(house, data):
    said = overridden(str(uuid4()))
    said[data.draw(st.sampled_from([*said, "acceptedSuggestions"]))] = data.draw(JSON)
    body = data.draw(st.just({"feedback": [said]}) | JSON)
    answer = await called(house, body, ALERTS, path="/feedback")
    assert answer.status_code == 400, answer.text

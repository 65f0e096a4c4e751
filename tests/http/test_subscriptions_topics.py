"""What each topic tells of, and what its filters leave out."""

from __future__ import annotations

import pytest

from tests.http.answers import made, ok, resources
from tests.http.resources import SCALES, episode, patient
from tests.support import therapy
from tests.support.consents import consent, provision
from tests.support.staff import signed_in
from tests.support.subscribing import subscribe


@pytest.fixture
async def course(local):
    return await therapy.begin(local)


def told(posts):
    return [focus for post in posts for focus in post.focuses]


async def test_a_response_is_told_of_when_it_is_completed_and_when_it_is_amended(
    local, receiver, course
):
    subscribed = await subscribe(local, receiver, "response-completed")
    tree = course.response("asc-pulse", therapy.pulse(15), None)
    where = f"QuestionnaireResponse/{tree['id']}"
    await course.put(tree | {"status": "in-progress"})
    assert await subscribed.deliver() == []
    await course.put(tree)
    (post,) = await subscribed.deliver()
    assert post.focuses == [where]
    assert post.body["entry"][1]["resource"] == ok(await local.http.get(where))
    await course.put(tree | {"language": "en"})
    assert await subscribed.deliver() == []
    await course.put(tree | {"status": "amended", "language": "en"})
    assert told(await subscribed.deliver()) == [where]
    await course.put(tree | {"status": "entered-in-error", "language": "en"})
    assert await subscribed.deliver() == []


async def test_scores_are_told_of_with_what_they_are(local, receiver, course):
    subscribed = await subscribe(local, receiver, "score-created")
    plain = {"resourceType": "Observation", "status": "final", "code": {"text": "no score"}}
    about = {"id": f"o-{course.key}", "subject": {"reference": course.patient}}
    await course.put(plain | about)
    await course.put(course.response("asc-pulse", therapy.pulse(15), None))
    posts = await subscribed.deliver()
    found = resources(ok(await local.http.get("Observation", params={"patient": course.patient})))
    scores = {f"Observation/{each['id']}" for each in found if "coding" in each["code"]}
    assert set(told(posts)) == scores
    assert scores
    await course.put(course.response("asc-pulse", therapy.pulse(10), None))
    assert set(told(await subscribed.deliver())) == scores  # they have become others


async def test_an_alert_is_told_of_when_it_is_raised_and_when_it_stands_otherwise(
    local, receiver, course
):
    subscribed = await subscribe(local, receiver, "alert-changed")
    await course.sessions("srs", [therapy.srs(total) for total in ("38", "38", "30")])
    raised = told(await subscribed.deliver())
    alerts = [f"DetectedIssue/{each['id']}" for each in await course.alerts()]
    assert set(raised) == set(alerts)
    lead = await signed_in(local, "clinical_lead", "Practitioner/lea")
    body = {
        "resourceType": "Parameters",
        "parameter": [{"name": "status", "valueCode": "acknowledged"}],
    }
    ok(await lead.post(f"{alerts[0]}/$resolve", json=body))
    assert told(await subscribed.deliver()) == alerts[:1]


async def test_an_episode_is_told_of_at_each_step(local, receiver):
    subscribed = await subscribe(local, receiver, "episode-status")
    subject = made(await local.http.post("Patient", json=patient()))
    where = made(await local.http.post("EpisodeOfCare", json=episode(subject)))
    assert told(await subscribed.deliver()) == [where]
    tree = ok(await local.http.get(where))
    tree["language"] = "en"
    ok(await local.http.put(where, json=tree))
    assert await subscribed.deliver() == []
    ok(await local.http.put(where, json=tree | {"status": "onhold"}))
    (post,) = await subscribed.deliver()
    assert (post.focuses, post.numbers) == ([where], [2])
    assert post.body["entry"][1]["request"] == {"method": "PUT", "url": where}


async def test_a_consent_is_told_of_when_it_says_something_else(local, receiver):
    subscribed = await subscribe(local, receiver, "consent-changed")
    subject = made(await local.http.post("Patient", json=patient())).partition("/")[2]
    rules = provision("permit")
    where = made(await local.http.post("Consent", json=consent(subject, rules)))
    assert told(await subscribed.deliver()) == [where]
    tree = ok(await local.http.get(where))
    ok(await local.http.put(where, json=tree | {"language": "en"}))
    assert await subscribed.deliver() == []
    ok(await local.http.put(where, json=tree | {"status": "inactive"}))
    assert told(await subscribed.deliver()) == [where]


async def test_an_emergency_is_told_of_to_the_lead(local, receiver):
    lead = await signed_in(local, "clinical_lead", "Practitioner/lea")
    subscribed = await subscribe(local, receiver, "break-glass", lead)
    subject = made(await local.http.post("Patient", json=patient()))
    forged = {
        "resourceType": "Communication",
        "status": "completed",
        "subject": {"reference": subject},
        "reasonCode": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
                        "code": "BTG",
                    }
                ]
            }
        ],
    }
    made(await local.http.post("Communication", json=forged))
    assert await subscribed.deliver() == []
    therapist = await signed_in(local, "therapist", "Practitioner/theo")
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "reason", "valueCode": "BTG"},
            {"name": "note", "valueString": "called at night"},
        ],
    }
    ok(await therapist.post(f"{subject}/$break-glass", json=body))
    (post,) = await subscribed.deliver()
    notice = post.body["entry"][1]["resource"]
    assert notice["subject"]["reference"] == subject
    assert notice["sender"]["reference"] == "Practitioner/theo"
    assert notice == ok(await lead.get(post.focuses[0]))


@pytest.mark.parametrize("content", ["empty", "id-only", "full-resource"])
async def test_filters_leave_out_what_they_do_not_find(local, receiver, course, content):
    total = f"{SCALES}|total"
    subscribed = await subscribe(
        local,
        receiver,
        "score-created",
        content=content,
        filters=(f"Observation?patient={course.patient}", f"Observation?code={total}"),
    )
    other = await therapy.begin(local)
    for each in (other, course, other):
        await each.sessions("wai-sr", [therapy.wai(40)])
    posts = await subscribed.deliver()
    found = resources(
        ok(await local.http.get("Observation", params={"patient": course.patient, "code": total}))
    )
    assert [number for post in posts for number in post.numbers] == list(range(1, len(found) + 1))
    if content != "empty":
        assert set(told(posts)) == {f"Observation/{each['id']}" for each in found}
    assert len(found) == 1


async def test_a_filter_may_name_the_episode(local, receiver, course):
    subscribed = await subscribe(
        local,
        receiver,
        "response-completed",
        filters=(f"QuestionnaireResponse?encounter.episode-of-care={course.episode}",),
    )
    other = await therapy.begin(local)
    for each in (other, course):
        await each.sessions("asc-pulse", [therapy.pulse(12)])
    (focus,) = told(await subscribed.deliver())
    assert focus.startswith(f"QuestionnaireResponse/r-asc-pulse-{course.key}")


async def test_a_filter_is_asked_when_it_happened_whatever_the_endpoint_does(local, receiver):
    subscribed = await subscribe(
        local, receiver, "episode-status", filters=("EpisodeOfCare?status=onhold",)
    )
    subject = made(await local.http.post("Patient", json=patient()))
    where = made(await local.http.post("EpisodeOfCare", json=episode(subject)))
    await local.application.deliver()
    tree = ok(await local.http.get(where))
    receiver.answers = [500]
    ok(await local.http.put(where, json=tree | {"status": "onhold"}))
    await local.application.deliver()
    tree = ok(await local.http.get(where))
    ok(await local.http.put(where, json=tree | {"status": "active"}))
    await local.application.deliver()
    local.application.clock.turn(seconds=2)
    (post,) = await subscribed.deliver()
    assert (post.focuses, post.numbers) == ([where], [1])


async def test_another_filter_forgets_what_waits_for_the_one_before(local, receiver):
    subscribed = await subscribe(local, receiver, "episode-status")
    subject = made(await local.http.post("Patient", json=patient()))
    made(await local.http.post("EpisodeOfCare", json=episode(subject)))
    tree = await subscribed.read()
    ok(
        await local.http.put(
            subscribed.where,
            json=tree | {"criteria": tree["criteria"].replace("episode-status", "score-created")},
        )
    )
    assert await subscribed.deliver() == []
    assert (await subscribed.read())["status"] == "active"


async def test_a_transaction_tells_of_all_that_it_made(local, receiver):
    subscribed = await subscribe(local, receiver, "episode-status")
    courses = [therapy.Therapy(local.http, local.settle) for _ in range(3)]
    for each in courses:
        await each.begin()
    assert set(told(await subscribed.deliver())) == {each.episode for each in courses}


async def test_two_clinics_hear_nothing_of_each_other(local, receiver):
    from tests.support.application import clinic_of

    subscribed = await subscribe(local, receiver, "episode-status")
    async with clinic_of(local.application) as other:
        subject = made(await other.http.post("Patient", json=patient()))
        made(await other.http.post("EpisodeOfCare", json=episode(subject)))
        assert await subscribed.deliver() == []

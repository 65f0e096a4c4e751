"""Subscriptions as they are asked for: what is refused, how they stand, how they end."""

from __future__ import annotations

import json

import pytest

from app.core.clock import format_instant
from tests.http.answers import made, ok, refused, resources, version
from tests.http.resources import episode, patient
from tests.support.staff import signed_in
from tests.support.subscribing import TOPICS, extension, subscribe, subscription

HOOK = "https://ehr.example.org/hook"


async def begin(clinic):
    """An episode of somebody new."""
    subject = made(await clinic.http.post("Patient", json=patient()))
    return made(await clinic.http.post("EpisodeOfCare", json=episode(subject)))


async def test_a_new_one_is_shaken_hands_with_and_becomes_active(local, receiver):
    tree = subscription("episode-status", receiver.url) | {"status": "active"}
    where = made(await local.http.post("Subscription", json=tree))
    assert ok(await local.http.get(where))["status"] == "requested"
    assert receiver.posts == []
    await local.application.deliver()
    (hand,) = receiver.posts
    assert hand.type == "handshake"
    assert hand.status["status"] == "requested"
    assert hand.status["events-since-subscription-start"] == "0"
    assert hand.status["topic"] == tree["criteria"]
    assert hand.status["subscription"]["reference"].endswith(where)
    assert hand.fields["content-type"] == "application/fhir+json"
    assert len(hand.body["entry"]) == 1
    assert ok(await local.http.get(where))["status"] == "active"


@pytest.mark.parametrize("answer", [500, 404, "close", "Location: http://127.0.0.1/"])
async def test_a_hand_that_is_not_taken_is_an_error_until_it_is_asked_again(
    local, receiver, answer
):
    receiver.answers = [answer]
    tree = subscription("episode-status", receiver.url)
    where = made(await local.http.post("Subscription", json=tree))
    await local.application.deliver()
    failed = ok(await local.http.get(where))
    assert failed["status"] == "error"
    assert failed["error"].startswith("the endpoint")
    assert "receiver" not in json.dumps(failed)
    assert len(receiver.posts) == 1  # no redirect was followed
    assert version(await local.http.put(where, json=failed)) == 2 + 0
    ok(await local.http.put(where, json=failed | {"status": "requested"}))
    await local.application.deliver()
    again = ok(await local.http.get(where))
    assert again["status"] == "active"
    assert "error" not in again


async def test_everything_that_is_wrong_is_told_at_once(ehr):
    tree = subscription(
        "no-such-topic",
        "http://169.254.169.254/",
        content="everything",
        header=["no field", "Host: x", "X-Key: ***"],
        channel={
            "payload": "text/plain",
            "extension": [
                extension("backport-timeout", valueUnsignedInt=31),
                extension("backport-max-count", valuePositiveInt=101),
                extension("backport-heartbeat-period", valueUnsignedInt=1),
            ],
        },
        end="2020-01-01T00:00:00Z",
    )
    issues = refused(await ehr.post("Subscription", json=tree), 422)
    assert {place for each in issues for place in each["expression"]} == {
        "Subscription.criteria",
        "Subscription.end",
        "Subscription.channel.endpoint",
        "Subscription.channel.payload",
        "Subscription.channel.payload.extension[0]",
        "Subscription.channel.header[0]",
        "Subscription.channel.header[1]",
        "Subscription.channel.header[2]",
        "Subscription.channel.extension[0]",
        "Subscription.channel.extension[1]",
        "Subscription.channel.extension[2]",
    }


@pytest.mark.parametrize(
    "filter_, code",
    [
        ("Observation?patient=Patient/1", "not-supported"),  # another type
        ("EpisodeOfCare?type=x", "not-supported"),  # no filter of the topic
        ("EpisodeOfCare", "value"),
        ("EpisodeOfCare?status:below=active", "not-supported"),
    ],
)
async def test_a_filter_that_the_topic_has_not_is_refused(ehr, filter_, code):
    tree = subscription("episode-status", HOOK, filters=(filter_,))
    (issue,) = refused(await ehr.post("Subscription", json=tree), 422, code)
    assert issue["expression"] == ["Subscription.criteria.extension[0]"]


@pytest.mark.parametrize("kind", ["email", "sms", "message"])
async def test_other_channels_are_refused(ehr, kind):
    endpoint = {"email": "mailto:a@example.org", "sms": "tel:1"}.get(kind, HOOK)
    tree = subscription("episode-status", endpoint, channel={"type": kind})
    (issue,) = refused(await ehr.post("Subscription", json=tree), 422, "not-supported")
    assert issue["expression"] == ["Subscription.channel.type"]


async def test_who_may_not_subscribe_is_refused(clinic):
    hie = await clinic.as_client("system/*.rs", role="outside_system", actor="Organization/hie")
    refused(await hie.post("Subscription", json=subscription("score-created", HOOK)), 403)
    therapist = await signed_in(clinic, "therapist", "Practitioner/tess")
    refused(await therapist.post("Subscription", json=subscription("score-created", HOOK)), 403)
    lead = await signed_in(clinic, "clinical_lead", "Practitioner/lea")
    made(await lead.post("Subscription", json=subscription("score-created", HOOK)))


async def test_off_ends_it_and_asking_begins_anew(local, receiver):
    subscribed = await subscribe(local, receiver, "episode-status")
    tree = await subscribed.read()
    ok(await local.http.put(subscribed.where, json=tree | {"status": "off"}))
    await begin(local)
    assert await subscribed.deliver() == []
    tree = await subscribed.read()
    assert tree["status"] == "off"
    ok(await local.http.put(subscribed.where, json=tree | {"status": "requested"}))
    await local.application.deliver()
    second = await begin(local)
    (post,) = await subscribed.deliver()
    assert post.focuses == [second]


async def test_what_is_deleted_is_not_served_any_more(local, receiver):
    subscribed = await subscribe(local, receiver, "episode-status")
    await begin(local)
    assert (await local.http.delete(subscribed.where)).status_code in (200, 204)
    assert await subscribed.deliver() == []


async def test_it_ends_at_its_end(local, receiver):
    end = format_instant(local.application.clock.now() + 60_000_000)
    subscribed = await subscribe(local, receiver, "episode-status", end=end)
    local.application.clock.turn(seconds=61)
    await begin(local)
    assert await subscribed.deliver() == []
    assert (await subscribed.read())["status"] == "off"


async def test_a_resource_that_comes_back_as_it_was_read_stays_as_it_stood(local, receiver):
    subscribed = await subscribe(local, receiver, "episode-status")
    tree = await subscribed.read()
    same = await local.http.put(subscribed.where, json=tree)
    assert same.json() == tree
    told = await local.http.put(subscribed.where, json=tree | {"reason": "other words"})
    assert told.json()["status"] == "active"
    moved = tree | {"channel": tree["channel"] | {"endpoint": receiver.url + "2"}}
    assert (await local.http.put(subscribed.where, json=moved)).json()["status"] == "requested"


async def test_its_status_is_asked_for(local, receiver):
    subscribed = await subscribe(local, receiver, "episode-status")
    other = made(await local.http.post("Subscription", json=subscription("break-glass", HOOK)))
    await begin(local)
    await subscribed.deliver()
    answers = [
        await local.http.get(f"{subscribed.where}/$status"),
        await local.http.get("Subscription/$status", params={"id": subscribed.id}),
        await local.http.get("Subscription/$status", params={"status": "active"}),
    ]
    for answer in answers:
        bundle = ok(answer)
        assert (bundle["type"], bundle["total"]) == ("searchset", 1)
        (status,) = resources(bundle)
        values = {
            each["name"]: next(v for k, v in each.items() if k.startswith("value"))
            for each in status["parameter"]
        }
        assert values["subscription"]["reference"].endswith(subscribed.where)
        assert values["type"] == "query-status"
        assert values["status"] == "active"
        assert values["topic"] == TOPICS + "episode-status"
        assert values["events-since-subscription-start"] == "1"
    assert ok(await local.http.get("Subscription/$status"))["total"] == 2
    assert ok(await local.http.get("Subscription/$status", params={"id": "none"}))["total"] == 0
    refused(await local.http.get("Subscription/none/$status"), 404)
    assert other


async def test_the_events_are_those_that_were_told(local, receiver):
    subscribed = await subscribe(local, receiver, "episode-status", content="id-only")
    where = [await begin(local) for _ in range(3)]
    (post,) = await subscribed.deliver()
    assert post.focuses == where
    bundle = ok(await local.http.get(f"{subscribed.where}/$events"))
    (head, *_) = bundle["entry"]

    def told(body):
        (first, *rest) = body["entry"]
        parts = [each for each in first["resource"]["parameter"] if "part" in each]
        return parts, rest

    assert told(bundle) == told(post.body)
    assert {"name": "type", "valueCode": "query-event"} in head["resource"]["parameter"]
    some = ok(
        await local.http.get(
            f"{subscribed.where}/$events",
            params={"eventsSinceNumber": "2", "eventsUntilNumber": "2", "content": "full-resource"},
        )
    )
    (entry,) = some["entry"][1:]
    assert entry["resource"] == ok(await local.http.get(where[1]))
    nothing = ok(await local.http.get(f"{subscribed.where}/$events", params={"content": "empty"}))
    assert len(nothing["entry"]) == 1
    assert "EpisodeOfCare" not in json.dumps(nothing)
    body = {
        "resourceType": "Parameters",
        "parameter": [{"name": "eventsSinceNumber", "valueString": "3"}],
    }
    last = ok(await local.http.post(f"{subscribed.where}/$events", json=body))
    assert last["entry"][1]["fullUrl"].endswith(where[2])


async def test_topics_are_told_of_in_the_statement(client):
    statement = ok(await client.get("/fhir/metadata"))
    (one,) = [each for each in statement["rest"][0]["resource"] if each["type"] == "Subscription"]
    assert [each["valueCanonical"] for each in one["extension"]] == [
        TOPICS + code
        for code in (
            "response-completed",
            "score-created",
            "alert-changed",
            "episode-status",
            "consent-changed",
            "break-glass",
        )
    ]
    assert {each["name"] for each in one["operation"]} >= {"status", "events"}


async def test_a_clinic_has_so_many_and_no_more(clinic, monkeypatch):
    from app.services import subscriptions

    monkeypatch.setattr(subscriptions, "MOST", 1)
    tree = subscription("episode-status", HOOK)
    where = made(await clinic.http.post("Subscription", json=tree))
    refused(await clinic.http.post("Subscription", json=tree), 422, "too-costly")
    stored = ok(await clinic.http.get(where))
    ok(await clinic.http.put(where, json=stored | {"status": "off"}))
    made(await clinic.http.post("Subscription", json=tree))


async def test_it_is_validated_without_being_kept(clinic):
    wrong = subscription("no-such-topic", HOOK, header=["Authorization: Bearer s3cret"])
    answer = await clinic.http.post("Subscription/$validate", json=wrong)
    (issue,) = [each for each in ok(answer)["issue"] if each["severity"] == "error"]
    assert issue["expression"] == ["Subscription.criteria"]
    assert "s3cret" not in answer.text
    assert ok(await clinic.http.get("Subscription"))["total"] == 0

"""Deliveries: in order, at least once, whatever an endpoint does, and none without its record."""

from __future__ import annotations

import asyncio

import pytest
from fhir.resources.R4B.bundle import Bundle

from app.fhir import validation
from app.services.deliveries import Deliveries
from tests.http.answers import made, ok, resources
from tests.http.resources import episode, patient
from tests.http.test_audit_failing import owner, taking_nothing
from tests.support.receiver import receiving
from tests.support.subscribing import extension, subscribe


async def begin(clinic, count=1):
    """Episodes of one person."""
    subject = made(await clinic.http.post("Patient", json=patient()))
    return [
        made(await clinic.http.post("EpisodeOfCare", json=episode(subject))) for _ in range(count)
    ]


async def notifications(clinic):
    auditor = await clinic.as_client("system/AuditEvent.rs", role="auditor")
    found = await auditor.get("AuditEvent", params={"subtype": "notification", "_count": "200"})
    return resources(ok(found))


@pytest.mark.parametrize("content", ["empty", "id-only", "full-resource"])
async def test_a_notification_is_legal_and_holds_what_was_asked_for(local, receiver, content):
    subscribed = await subscribe(local, receiver, "episode-status", content=content)
    (where,) = await begin(local)
    (post,) = await subscribed.deliver()
    assert validation.check(post.body, "Bundle") == []
    Bundle.model_validate(post.body)
    (head, *rest) = post.body["entry"]
    assert head["request"]["method"] == "GET"
    assert head["request"]["url"].endswith(f"/{subscribed.where}/$status")
    assert post.status["events-since-subscription-start"] == "1"
    (event,) = post.status["notification-event"]
    assert event["event-number"] == "1"
    assert ("focus" in event) == (content != "empty")
    if content == "empty":
        assert rest == []
        assert "EpisodeOfCare" not in str(post.body)
        return
    (entry,) = rest
    assert entry["fullUrl"].endswith(where)
    assert entry["request"] == {"method": "POST", "url": "EpisodeOfCare"}
    assert ("resource" in entry) == (content == "full-resource")


async def test_nothing_said_means_ids_only(local, receiver):
    subscribed = await subscribe(local, receiver, "episode-status", content=None)
    await begin(local)
    (post,) = await subscribed.deliver()
    assert "resource" not in post.body["entry"][1]


async def test_what_is_not_taken_comes_again_later_and_in_order(local, receiver):
    subscribed = await subscribe(
        local,
        receiver,
        "episode-status",
        channel={"extension": [extension("backport-max-count", valuePositiveInt=2)]},
    )
    clock, before = local.application.clock, len(receiver.posts)
    receiver.answers = [500, "close", 503]
    where = await begin(local, 3)
    for wait in (0, 1, 2):
        clock.turn(seconds=wait)
        await subscribed.deliver()
        await subscribed.deliver()  # not before its time
    assert [post.numbers for post in receiver.posts[before:]] == [[1, 2]] * 3
    clock.turn(seconds=4)
    await subscribed.deliver()
    later = receiver.posts[before + 3 :]
    assert [post.numbers for post in later] == [[1, 2], [3]]
    assert [focus for post in later for focus in post.focuses] == where
    assert (await subscribed.read())["status"] == "active"


async def test_who_fails_for_long_is_in_error_and_loses_nothing(local, receiver):
    subscribed = await subscribe(local, receiver, "episode-status")
    receiver.default = 500
    first = await begin(local)
    clock = local.application.clock
    for _ in range(3):
        await subscribed.deliver()
        clock.turn(seconds=local.application.settings.subscription_retry_seconds)
    local.http.headers["Authorization"] = f"Bearer {await local.ehr.token()}"
    failed = await subscribed.read()
    assert failed["status"] == "error"
    receiver.default = 200
    second = await begin(local)
    assert await subscribed.deliver() == []
    ok(await local.http.put(subscribed.where, json=failed | {"status": "requested"}))
    (post,) = await subscribed.deliver()
    assert (post.focuses, post.numbers) == (first + second, [1, 2])


async def test_an_endpoint_that_cannot_be_reached_uses_no_number_up(local, receiver):
    async with receiving() as gone:
        subscribed = await subscribe(local, gone, "episode-status")
    await begin(local)
    await local.application.deliver()
    status = ok(await local.http.get(f"{subscribed.where}/$status"))
    assert {"name": "events-since-subscription-start", "valueString": "0"} in (
        resources(status)[0]["parameter"]
    )


async def test_one_that_hangs_keeps_nobody_else_waiting(local, receiver):
    async with receiving() as slow:
        patient_ = {"extension": [extension("backport-timeout", valueUnsignedInt=30)]}
        await subscribe(local, slow, "episode-status", channel=patient_)
        await subscribe(local, receiver, "episode-status")
        slow.default = "hang"
        (where,) = await begin(local)
        task = asyncio.create_task(local.application.deliver())
        async with asyncio.timeout(30):
            while not (receiver.events and slow.events):
                await asyncio.sleep(0.01)
        assert receiver.events[0].focuses == [where]
        assert slow.open == 1
        slow.released.set()
        await task


async def test_one_that_hangs_is_given_up_in_time(local, receiver):
    short = {"extension": [extension("backport-timeout", valueUnsignedInt=1)]}
    subscribed = await subscribe(local, receiver, "episode-status", channel=short)
    receiver.answers = ["hang"]
    (where,) = await begin(local)
    await local.application.deliver()
    local.application.clock.turn(seconds=2)
    await subscribed.deliver()
    assert [post.focuses for post in receiver.events] == [[where], [where]]
    assert [post.numbers for post in receiver.events] == [[1], [1]]


async def test_two_at_work_never_send_the_same_at_once(local, receiver):
    from app.interactions.deliverer import Deliverer
    from app.main import opened

    subscribed = await subscribe(local, receiver, "episode-status")
    await begin(local, 3)
    application = local.application
    async with opened(application.settings, clock=application.clock) as core:
        other = Deliverer(core.engine, holder="another")
        await asyncio.gather(
            *(each.run_once() for each in (other, application.app.state.deliverer) * 3)
        )
    await subscribed.deliver()
    assert sorted(n for post in receiver.events for n in post.numbers) == [1, 2, 3]
    assert receiver.most_open == 1


async def test_who_dies_while_sending_leaves_it_to_the_next(local, receiver, monkeypatch):
    subscribed = await subscribe(local, receiver, "episode-status")
    (where,) = await begin(local)

    async def dies(self, units, letter):
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(Deliveries, "taken", dies)
        await local.application.app.state.deliverer.run_once()
    assert len(receiver.events) == 1
    assert await subscribed.deliver() == []  # it is claimed
    local.application.clock.turn(seconds=20)
    (post,) = await subscribed.deliver()
    assert (post.numbers, post.focuses) == ([1], [where])
    assert await subscribed.deliver() == []


async def test_a_clinic_whose_endpoints_hang_leaves_room_for_others(local, receiver, monkeypatch):
    from app.interactions import deliverer
    from tests.support.application import clinic_of

    monkeypatch.setattr(deliverer, "MOST_OF_ONE", 1)
    async with receiving() as slow, clinic_of(local.application) as other:
        long = {"extension": [extension("backport-timeout", valueUnsignedInt=30)]}
        for _ in range(2):
            await subscribe(local, slow, "episode-status", channel=long)
        await subscribe(other, receiver, "episode-status")
        slow.default = "hang"
        await begin(local)
        (where,) = await begin(other)
        task = asyncio.create_task(local.application.deliver())
        async with asyncio.timeout(30):
            while not (receiver.events and slow.events):
                await asyncio.sleep(0.01)
        assert receiver.events[0].focuses == [where]
        assert (slow.open, slow.most_open) == (1, 1)
        slow.released.set()
        await task


async def test_every_delivery_is_recorded_for_each_patient(local, receiver):
    subscribed = await subscribe(local, receiver, "episode-status")
    subjects = [made(await local.http.post("Patient", json=patient())) for _ in range(2)]
    where = [made(await local.http.post("EpisodeOfCare", json=episode(s))) for s in subjects]
    await subscribed.deliver()
    found = {}
    for event in await notifications(local):
        what = [entity["what"]["reference"] for entity in event["entity"] if "what" in entity]
        found[what[0].partition("/_history")[0]] = what
        agents = str(event["agent"])
        assert local.ehr.client_id in agents
    assert subscribed.where in found  # the handshake
    for one, subject in zip(where, subjects, strict=True):
        assert subject in found[one]
    auditor = await local.as_client("system/*.rs", role="auditor")
    account = ok(await auditor.get(f"{subjects[0]}/$accounting-of-disclosures"))
    told = [e for e in resources(account) if e["subtype"][0]["code"] == "notification"]
    assert len(told) == 1
    assert local.ehr.client_id in str(told[0]["agent"])


async def test_nothing_leaves_where_it_cannot_be_recorded(local, receiver):
    subscribed = await subscribe(local, receiver, "episode-status")
    (where,) = await begin(local)
    async with taking_nothing(local.application.database):
        await local.application.app.state.deliverer.run_once()
    assert receiver.events == []
    (post,) = await subscribed.deliver()
    assert (post.numbers, post.focuses) == ([1], [where])


async def test_a_heartbeat_comes_when_nothing_else_did(local, receiver):
    period = {"extension": [extension("backport-heartbeat-period", valueUnsignedInt=60)]}
    await subscribe(local, receiver, "episode-status", channel=period)
    local.application.clock.turn(seconds=30)
    await local.application.deliver()
    assert receiver.posts[-1].type == "handshake"
    local.application.clock.turn(seconds=31)
    await local.application.deliver()
    assert receiver.posts[-1].type == "heartbeat"
    assert receiver.posts[-1].numbers == []
    assert len(receiver.posts) == 2


async def test_old_events_are_forgotten(local, receiver):
    subscribed = await subscribe(local, receiver, "episode-status")
    await begin(local)
    await subscribed.deliver()
    local.application.clock.turn(seconds=31 * 86_400)
    await local.application.app.state.deliverer.purge()
    local.http.headers["Authorization"] = f"Bearer {await local.ehr.token()}"
    bundle = ok(await local.http.get(f"{subscribed.where}/$events"))
    assert len(bundle["entry"]) == 1


async def test_what_was_filtered_as_it_happened_is_told_without_filters(local, receiver):
    """An event may come just as its Subscription is written without the filters it had."""
    subscribed = await subscribe(local, receiver, "episode-status")
    (where,) = await begin(local)
    await owner(local.application.database, "UPDATE subscription_event SET state = 0")
    (post,) = await subscribed.deliver()
    assert post.focuses == [where]

"""At each delivery it is asked anew what the owner may see, as a read of theirs would ask."""

from __future__ import annotations

import json
import random

import pytest

from tests.http.answers import made, ok, refused, resources
from tests.http.resources import episode, observation, patient
from tests.support import therapy
from tests.support.consents import CONFIDENTIALITY, actor, consent, provision, purposes
from tests.support.staff import signed_in
from tests.support.subscribing import subscribe

SYSTEM = "system/*.cruds"


async def begin(clinic, **more):
    subject = made(await clinic.http.post("Patient", json=patient()))
    where = made(await clinic.http.post("EpisodeOfCare", json=episode(subject, **more)))
    return subject, where


async def own(clinic, receiver, topic="episode-status", **more):
    """A subscriber of its own, and the Subscription."""
    backend = await clinic.application.register(
        clinic.tenant, scope=more.pop("scope", SYSTEM), actor="Organization/listener"
    )
    http = await backend.http()
    clinic.opened.append(http)
    return backend, await subscribe(clinic, receiver, topic, http, **more)


async def change(clinic, backend, **rights):
    """What an administrator does to a client."""
    async with clinic.application.services.units.accounts.write() as unit:
        found = await unit.accounts.clients.find(backend.client_id, tenant=clinic.tenant.id)
        if "enabled" in rights:
            await unit.accounts.clients.set_enabled(found, **rights)
        else:
            values = {"scope": found.scope, "role": found.role, **rights}
            await unit.accounts.clients.set_rights(found, **values)


async def stands(clinic, subscribed):
    return ok(await clinic.http.get(subscribed.where))


async def test_who_is_disabled_is_told_nothing_more(local, receiver):
    backend, subscribed = await own(local, receiver)
    await begin(local)
    await change(local, backend, enabled=False)
    assert await subscribed.deliver() == []
    failed = await stands(local, subscribed)
    assert failed["status"] == "error"
    assert failed["error"] == "whoever asked for it may not be told any more"


@pytest.mark.parametrize(
    "rights",
    [
        {"scope": "system/Observation.rs"},
        {"role": "outside_system"},
    ],
)
async def test_who_may_not_subscribe_any_more_is_told_nothing_more(local, receiver, rights):
    backend, subscribed = await own(local, receiver)
    await begin(local)
    await change(local, backend, **rights)
    assert await subscribed.deliver() == []
    assert (await stands(local, subscribed))["status"] == "error"


async def test_a_scope_that_is_narrower_by_now_counts(local, receiver):
    backend, subscribed = await own(local, receiver)
    await begin(local)
    await change(local, backend, scope="system/Subscription.cruds system/Observation.rs")
    assert await subscribed.deliver() == []
    await change(local, backend, scope=SYSTEM)
    _, second = await begin(local)
    (post,) = await subscribed.deliver()
    assert (post.focuses, post.numbers) == ([second], [1])


async def test_the_token_that_it_was_written_with_is_the_most(local, receiver):
    backend = await local.application.register(local.tenant, scope=SYSTEM, actor="Organization/l")
    narrow = await backend.http("system/Subscription.cruds system/Patient.rs")
    local.opened.append(narrow)
    subscribed = await subscribe(local, receiver, "episode-status", narrow)
    await begin(local)
    assert await subscribed.deliver() == []


async def test_a_person_whose_account_is_closed_is_told_nothing_more(local, receiver):
    lead = await signed_in(local, "clinical_lead", "Practitioner/lea")
    subscribed = await subscribe(local, receiver, "episode-status", lead)
    _, where = await begin(local)
    (post,) = await subscribed.deliver()
    assert post.focuses == [where]
    await begin(local)
    async with local.application.services.units.accounts.write() as unit:
        people = unit.accounts.people
        account = await people.of_person(local.tenant.id, "Practitioner/lea")
        await people.set_enabled(account, enabled=False)
    assert await subscribed.deliver() == []
    assert (await stands(local, subscribed))["status"] == "error"


async def test_a_consent_between_event_and_delivery_counts_and_leaves_no_gap(local, receiver):
    _, subscribed = await own(local, receiver)
    subject, hidden = await begin(local)
    _, first = await begin(local)
    made(
        await local.http.post("Consent", json=consent(subject.partition("/")[2], provision("deny")))
    )
    (post,) = await subscribed.deliver()
    assert (post.focuses, post.numbers) == ([first], [1])
    assert hidden not in json.dumps(post.body)
    status = ok(await subscribed.http.get(f"{subscribed.where}/$status"))
    assert '"valueString": "1"' in json.dumps(status)


async def test_a_consent_between_two_attempts_counts(local, receiver):
    _, subscribed = await own(local, receiver)
    subject, hidden = await begin(local)
    receiver.answers = [500]
    (tried,) = await subscribed.deliver()
    assert tried.focuses == [hidden]
    made(
        await local.http.post("Consent", json=consent(subject.partition("/")[2], provision("deny")))
    )
    _, second = await begin(local)
    local.application.clock.turn(seconds=2)
    (post,) = await subscribed.deliver()
    assert (post.focuses, post.numbers) == ([second], [2])  # the first was read already


async def test_the_events_asked_for_again_are_those_that_may_be_seen_now(local, receiver):
    _, subscribed = await own(local, receiver)
    subject, hidden = await begin(local)
    _, other = await begin(local)
    await subscribed.deliver()
    made(
        await local.http.post("Consent", json=consent(subject.partition("/")[2], provision("deny")))
    )
    bundle = ok(await subscribed.http.get(f"{subscribed.where}/$events"))
    assert hidden not in json.dumps(bundle)
    assert other in json.dumps(bundle)


async def test_labels_are_kept(local, receiver):
    _, subscribed = await own(local, receiver)
    very = {"meta": {"security": [{"system": CONFIDENTIALITY, "code": "V"}]}}
    _, hidden = await begin(local, **very)
    refused(await subscribed.http.get(hidden), 404)
    assert await subscribed.deliver() == []


async def test_what_is_private_is_left_out_as_in_a_read(local, receiver):
    _, subscribed = await own(local, receiver, "response-completed")
    course = await therapy.begin(local)
    tree = course.response("asc-client", therapy.asc(3, x1="yes"), None)
    await course.put(tree)
    (post,) = await subscribed.deliver()
    told = post.body["entry"][1]["resource"]
    assert told == ok(await subscribed.http.get(f"QuestionnaireResponse/{tree['id']}"))
    assert "X1" not in [item["linkId"] for item in told["item"]]
    assert "SUBSETTED" in json.dumps(told["meta"])


async def test_an_emergency_opens_nothing_here(local, receiver):
    lead = await signed_in(local, "clinical_lead", "Practitioner/lea")
    subscribed = await subscribe(local, receiver, "episode-status", lead)
    subject, where = await begin(local)
    rules = provision("deny", provision("permit", purpose=purposes("BTG")))
    made(await local.http.post("Consent", json=consent(subject.partition("/")[2], rules)))
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "reason", "valueCode": "BTG"},
            {"name": "note", "valueString": "called at night"},
        ],
    }
    ok(await lead.post(f"{subject}/$break-glass", json=body))
    ok(await lead.get(where))  # in person, for an hour
    assert await subscribed.deliver() == []


async def test_what_is_deleted_is_not_told_of(local, receiver):
    _, subscribed = await own(local, receiver)
    _, where = await begin(local)
    assert (await local.http.delete(where)).status_code in (200, 204)
    assert await subscribed.deliver() == []


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_told_is_what_a_search_would_have_shown(local, receiver, seed):
    """Episodes begin and go on, Consents are given and withdrawn, and it is told in between."""
    chance = random.Random(seed)
    filters = ("EpisodeOfCare?status=active,onhold",)
    _, subscribed = await own(local, receiver, filters=filters)
    subjects = [made(await local.http.post("Patient", json=patient())) for _ in range(3)]
    refusal = provision("deny", actor=[actor("Organization/listener")])
    consents: dict[str, str] = {}
    begun: list[str] = []
    told: list[int] = []
    for _ in range(14):
        changed: list[str] = []
        for _ in range(chance.randint(1, 3)):
            subject = chance.choice(subjects)
            if chance.random() < 0.3:
                tree = consent(subject.partition("/")[2], provision("permit", refusal))
                if subject in consents:
                    tree["status"] = chance.choice(["active", "inactive"])
                    tree["id"] = consents[subject].partition("/")[2]
                    ok(await local.http.put(consents[subject], json=tree))
                else:
                    consents[subject] = made(await local.http.post("Consent", json=tree))
            elif begun and chance.random() < 0.5:
                where = chance.choice(begun)
                tree = ok(await local.http.get(where))
                steps = {"active": ["onhold"], "onhold": ["active", "entered-in-error"]}
                step = chance.choice(steps[tree["status"]])
                ok(await local.http.put(where, json=tree | {"status": step}))
                changed.append(where)
                if step == "entered-in-error":
                    begun.remove(where)
            else:
                where = made(await local.http.post("EpisodeOfCare", json=episode(subject)))
                begun.append(where)
                changed.append(where)
        query = {"status": "active,onhold", "_count": "200"}
        found = resources(ok(await subscribed.http.get("EpisodeOfCare", params=query)))
        seen = {f"EpisodeOfCare/{each['id']}" for each in found}
        posts = await subscribed.deliver()
        assert [f for post in posts for f in post.focuses] == [w for w in changed if w in seen]
        told += [number for post in posts for number in post.numbers]
    assert told == list(range(1, len(told) + 1))
    assert len(told) > 3


async def test_what_a_couple_shares_is_told_under_both_consents(local, receiver):
    _, subscribed = await own(local, receiver, "score-created")
    partners = [made(await local.http.post("Patient", json=patient())) for _ in range(2)]
    group = {
        "resourceType": "Group",
        "type": "person",
        "actual": True,
        "member": [{"entity": {"reference": each}} for each in partners],
    }
    couple = made(await local.http.post("Group", json=group))
    definition = {
        "url": "https://rapport.example.org/StructureDefinition/scoring-definition",
        "valueCanonical": "https://rapport.example.org/Library/joint|1.0.0",
    }
    score = observation(couple, extension=[definition])
    first = made(await local.http.post("Observation", json=score))
    (post,) = await subscribed.deliver()
    assert post.focuses == [first]
    refusal = provision("deny", actor=[actor("Organization/listener")])
    rules = consent(partners[1].partition("/")[2], provision("permit", refusal))
    made(await local.http.post("Consent", json=rules))
    second = made(await local.http.post("Observation", json=score))
    refused(await subscribed.http.get(second), 404)
    assert await subscribed.deliver() == []
    bundle = ok(await subscribed.http.get(f"{subscribed.where}/$events"))
    assert len(bundle["entry"]) == 1

"""Sockets: bound once by a token of one's own, told as an endpoint would be."""

from __future__ import annotations

import asyncio
import json

import pytest

from app.routers import sockets
from tests.http.answers import made, ok, refused
from tests.http.resources import episode, patient
from tests.http.test_audit_failing import owner, taking_nothing
from tests.support.sockets import socket
from tests.support.staff import signed_in
from tests.support.subscribing import subscription

POLICY = 1008
PATH = "Subscription/$get-ws-binding-token"


def socketed(**more):
    return subscription("episode-status", channel={"type": "websocket"}, **more)


async def begin(clinic):
    subject = made(await clinic.http.post("Patient", json=patient()))
    return made(await clinic.http.post("EpisodeOfCare", json=episode(subject)))


async def subscribed(clinic, http=None, **more):
    where = made(await (http or clinic.http).post("Subscription", json=socketed(**more)))
    await clinic.application.deliver()
    assert ok(await clinic.http.get(where))["status"] == "active"
    return where


async def token(http, *ids, kind="valueId"):
    body = {
        "resourceType": "Parameters",
        "parameter": [{"name": "id", kind: id} for id in ids],
    }
    if not ids:
        body.pop("parameter")
    found = ok(await http.post(PATH, json=body))
    return {
        each["name"]: next(v for k, v in each.items() if k.startswith("value"))
        for each in found["parameter"]
    }


async def test_a_socket_is_bound_and_told(clinic):
    where = await subscribed(clinic)
    waiting = await begin(clinic)
    given = await token(clinic.http, where.partition("/")[2])
    assert given["websocket-url"] == "wss://rapport.test/subscriptions/socket"
    assert given["subscription"] == where.partition("/")[2]
    async with socket(clinic.application) as opened:
        await opened.say(f"bind-with-token: {given['token']}")
        hand = await opened.next()
        assert (hand.type, hand.status["events-since-subscription-start"]) == ("handshake", "0")
        first = await opened.next()
        assert (first.numbers, first.focuses) == ([1], [waiting])
        later = await begin(clinic)
        second = await opened.next()
        assert (second.numbers, second.focuses) == ([2], [later])
        assert second.body["entry"][1]["resource"] == ok(await clinic.http.get(later))
    bundle = ok(await clinic.http.get(f"{where}/$events"))
    assert len(bundle["entry"]) == 3
    missed = await begin(clinic)
    again = await token(clinic.http)
    async with socket(clinic.application) as opened:
        await opened.say(f"bind-with-token: {again['token']}")
        assert (await opened.next()).type == "handshake"
        assert (await opened.next()).focuses == [missed]


async def test_a_token_binds_once_and_soon(clinic):
    await subscribed(clinic)
    given = await token(clinic.http)
    async with socket(clinic.application) as opened:
        await opened.say(f"bind-with-token: {given['token']}")
        assert (await opened.next()).type == "handshake"
    async with socket(clinic.application) as opened:
        await opened.say(f"bind-with-token: {given['token']}")
        assert await opened.closed() == POLICY
    late = await token(clinic.http)
    clinic.application.clock.turn(seconds=61)
    async with socket(clinic.application) as opened:
        await opened.say(f"bind-with-token: {late['token']}")
        assert await opened.closed() == POLICY


@pytest.mark.parametrize(
    "text", ["", "hello", "bind-with-token: ", "bind-with-token: " + "a" * 43, "x" * 5000]
)
async def test_what_is_no_token_closes_it(application, text):
    async with socket(application) as opened:
        await opened.say(text)
        assert await opened.closed() == POLICY


async def test_who_says_nothing_is_not_waited_for(application, monkeypatch):
    monkeypatch.setattr(sockets, "BIND_SECONDS", 0.01)
    async with socket(application) as opened:
        assert await opened.closed() == POLICY


async def test_another_host_is_not_ours(application):
    async with socket(application, host="elsewhere.example.org") as opened:
        assert await opened.closed() == POLICY


async def test_there_are_so_many_and_no_more(application, monkeypatch):
    monkeypatch.setattr(sockets, "MOST_SOCKETS", 0)
    async with socket(application) as opened:
        assert await opened.closed() == 1013


async def test_strangers_of_one_address_are_few(clinic, monkeypatch):
    monkeypatch.setattr(sockets, "MOST_STRANGERS", 1)
    await subscribed(clinic)
    given = await token(clinic.http)
    async with socket(clinic.application) as one:
        await one.accepted()
        async with socket(clinic.application) as two:
            assert await two.closed() == 1013
        await one.say(f"bind-with-token: {given['token']}")
        assert (await one.next()).type == "handshake"
        async with socket(clinic.application) as three:
            await three.say("hello")
            assert await three.closed() == POLICY
    assert not sockets._strangers


async def test_nobody_listens_to_what_another_asked_for(clinic):
    where = await subscribed(clinic)
    hook = made(
        await clinic.http.post(
            "Subscription", json=subscription("episode-status", "https://ehr.example.org/hook")
        )
    )
    lead = await signed_in(clinic, "clinical_lead", "Practitioner/lea")
    ids = [one.partition("/")[2] for one in (where, hook)] + ["none"]
    body = {
        "resourceType": "Parameters",
        "parameter": [{"name": "id", "valueString": id} for id in ids],
    }
    issues = refused(await lead.post(PATH, json=body), 422, "not-found")
    assert len(issues) == 3
    refused(await lead.post(PATH, json={"resourceType": "Parameters"}), 422, "not-found")
    assert len(refused(await clinic.http.post(PATH, json=body), 422, "not-found")) == 2


@pytest.mark.parametrize("how", ["disabled", "off", "deleted"])
async def test_it_is_closed_when_rights_end(clinic, how):
    backend = await clinic.application.register(clinic.tenant, actor="Organization/listener")
    http = await backend.http()
    clinic.opened.append(http)
    where = await subscribed(clinic, http)
    given = await token(http)
    async with socket(clinic.application) as opened:
        await opened.say(f"bind-with-token: {given['token']}")
        assert (await opened.next()).type == "handshake"
        if how == "disabled":
            async with clinic.application.services.units.accounts.write() as unit:
                found = await unit.accounts.clients.find(backend.client_id, tenant=clinic.tenant.id)
                await unit.accounts.clients.set_enabled(found, enabled=False)
        elif how == "off":
            tree = ok(await clinic.http.get(where))
            ok(await http.put(where, json=tree | {"status": "off"}))
        else:
            assert (await http.delete(where)).status_code in (200, 204)
        assert await opened.closed() == POLICY


async def test_nothing_goes_over_it_that_cannot_be_recorded(clinic):
    await subscribed(clinic)
    given, again = [(await token(clinic.http))["token"] for _ in range(2)]
    where = await begin(clinic)
    database = clinic.application.database
    async with taking_nothing(database), socket(clinic.application) as opened:
        await opened.say(f"bind-with-token: {given}")
        assert await opened.closed() == 1013
    async with socket(clinic.application) as opened:
        await opened.say(f"bind-with-token: {again}")
        assert (await opened.next()).type == "handshake"
        assert (await opened.next()).focuses == [where]


async def test_two_sockets_share_what_there_is_to_tell(clinic):
    await subscribed(clinic)
    tokens = [(await token(clinic.http))["token"] for _ in range(2)]
    async with socket(clinic.application) as one, socket(clinic.application) as two:
        for opened, each in zip((one, two), tokens, strict=True):
            await opened.say(f"bind-with-token: {each}")
            assert (await opened.next()).type == "handshake"
        where = [await begin(clinic) for _ in range(3)]
        told: list[str] = []
        async with asyncio.timeout(20):
            while len(told) < 3:
                for opened in (one, two):
                    while not opened.got.empty():
                        told += (await opened.next()).focuses
                await asyncio.sleep(0.01)
    assert sorted(told) == sorted(where)


async def test_a_token_is_not_at_rest(clinic):
    await subscribed(clinic)
    given = await token(clinic.http)
    for table in ("subscription_token", "audit_event"):
        rows = await owner(clinic.application.database, f"SELECT * FROM {table}")
        assert given["token"] not in str(rows)


async def test_the_statement_says_where_sockets_are(client):
    rest = ok(await client.get("/fhir/metadata"))["rest"][0]
    assert [each["valueUri"] for each in rest["extension"]] == [
        "wss://rapport.test/subscriptions/socket"
    ]


def test_a_socket_of_a_real_server(demo):
    """As a program opens it, over the wire."""
    import httpx
    from websockets.sync.client import connect

    from examples.access_token import token as token_of

    bearer = token_of(demo.data_dir / "demo" / "credentials.json", "ehr")
    headers = {"Authorization": f"Bearer {bearer}"}
    with httpx.Client(base_url=f"{demo.base_url}/fhir/", headers=headers) as http:
        tree = subscription("episode-status", channel={"type": "websocket"})
        where = made(http.post("Subscription", json=tree))
        body = {
            "resourceType": "Parameters",
            "parameter": [{"name": "id", "valueString": where.partition("/")[2]}],
        }
        found = {each["name"]: each for each in ok(http.post(PATH, json=body))["parameter"]}
        with connect(found["websocket-url"]["valueUrl"]) as opened:
            opened.send(f"bind-with-token: {found['token']['valueString']}")
            assert '"handshake"' in str(opened.recv(timeout=30))
            subject = made(http.post("Patient", json=patient()))
            made(http.post("EpisodeOfCare", json=episode(subject)))
            told = json.loads(opened.recv(timeout=30))
            assert told["entry"][1]["resource"]["patient"] == {"reference": subject}
        http.delete(where)

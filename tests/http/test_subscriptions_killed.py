"""A server that is killed while it delivers loses nothing of what there is to tell."""

from __future__ import annotations

import asyncio

import httpx

from examples.access_token import token
from tests.http.answers import made, ok
from tests.http.resources import episode, patient
from tests.support.receiver import Receiver
from tests.support.serving import environment, rapport, serving
from tests.support.subscribing import extension, subscription

PATIENCE = 120


async def test_what_was_under_way_comes_again(tmp_path, receiver: Receiver):
    env = environment(tmp_path)
    await asyncio.to_thread(rapport, "migrate", env=env)
    await asyncio.to_thread(rapport, "demo", env=env)
    with serving(env) as first:
        credentials = first.data_dir / "demo" / "credentials.json"
        bearer = await asyncio.to_thread(token, credentials, "ehr")
        headers = {"Authorization": f"Bearer {bearer}"}
        async with httpx.AsyncClient(base_url=f"{first.base_url}/fhir/", headers=headers) as http:
            short = {"extension": [extension("backport-timeout", valueUnsignedInt=1)]}
            tree = subscription("episode-status", receiver.url, channel=short)
            where = made(await http.post("Subscription", json=tree))
            await until(lambda: receiver.posts)
            receiver.default = "hang"
            subject = made(await http.post("Patient", json=patient()))
            told = [made(await http.post("EpisodeOfCare", json=episode(subject))) for _ in range(3)]
            await until(lambda: receiver.events)
            first.process.kill()
            first.process.wait()
    assert receiver.events[0].numbers[0] == 1
    receiver.default = 200
    receiver.released.set()
    tried = len(receiver.events)
    with serving(env) as second:

        def numbers() -> dict[int, str]:
            posts = receiver.events[tried:]
            pairs = [zip(post.numbers, post.focuses, strict=True) for post in posts]
            return dict(pair for each in pairs for pair in each)

        await until(lambda: len(numbers()) == 3)
        assert numbers() == dict(enumerate(told, 1))
        async with httpx.AsyncClient(base_url=f"{second.base_url}/fhir/", headers=headers) as http:
            assert ok(await http.get(where))["status"] == "active"


async def until(holds) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await asyncio.sleep(0.05)

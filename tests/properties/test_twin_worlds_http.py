"""What is hidden is byte for byte what does not exist: no request tells two worlds apart.

Clock, ids, nonces and row numbers are alike in both. The suite asks a few requests, the same each
time; ``RAPPORT_TEST_TWIN_REQUESTS=10000`` asks as many, others each time.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from itertools import product
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, Phase, assume, given, settings

from tests.support.hooks import HOOKS, view, waiting
from tests.support.twin_requests import asked as any_request
from tests.support.twin_requests import tells_what_was_done
from tests.support.twins import PEOPLE, Twins, twins

BOUNDED, A_WORLDS = 150, 500
REQUESTS = int(os.environ.get("RAPPORT_TEST_TWIN_REQUESTS", BOUNDED))
NEEDED = -(-REQUESTS // A_WORLDS)  # worlds wear out: what is deleted is gone
TWO = max(2, NEEDED)  # with their Consents and without
PARTS = [("sqlite", part) for part in range(TWO)]
PARTS += [("postgresql", part) for part in range(NEEDED)]


@pytest_asyncio.fixture(
    scope="module",
    params=[pytest.param(part, id=f"{part[0]}-{part[1]}") for part in PARTS],
)
async def worlds(request, databases, tmp_path_factory):
    dialect, part = request.param
    place = tmp_path_factory.mktemp("twins")
    # In two of four worlds the one partner asks, in two the other: the Consents go along or not.
    partnered = "pia" if part % 4 in (0, 3) else "paul"
    async with twins(
        databases, dialect, place, consents_too=part % 2 == 0, partnered=partnered
    ) as made:
        yield made


@pytest.fixture(scope="module")
def tally(worlds):
    """How often which status came; what was asked must have been told and refused."""
    counted: Counter[int] = Counter()
    yield counted
    print(f"{counted.total()} requests, answers alike: {sorted(counted.items())}")
    assert {200, 403, 404} <= counted.keys()


async def compared(worlds: Twins, caller: str, number: int, request: dict[str, Any]):
    """The answer, which must be that of both."""
    path = quote(request["url"], safe="/?&=:$|,*._-+%")
    request = {
        **request,
        "url": f"/fhir/{path}".rstrip("/") if "?" not in path else f"/fhir/{path}",
    }
    answers = [
        await twin.ask(caller, number, **request) for twin in (worlds.without, worlds.with_hidden)
    ]
    answer = alike(answers, f"{caller} tells the worlds apart by {request} after {worlds.changes}")
    if answer.is_success and request["method"] not in ("GET", "HEAD"):
        worlds.changes.append((caller, request))
    return answer


# What a key signs is never the same twice: ECDSA draws on the machine's own randomness.
SIGNED = re.compile(rb'(?<="sigFormat":"application/jose","data":")[^"]+')


def alike(answers: list[httpx.Response], otherwise: str) -> httpx.Response:
    """The one answer of both."""
    one, other = (
        (
            answer.status_code,
            [pair for pair in answer.headers.multi_items() if pair[0] != "date"],
            SIGNED.sub(b"signature", answer.content),
        )
        for answer in answers
    )
    assert one == other, otherwise
    assert one[0] < 500, one[2]
    return answers[0]


async def test_what_is_hidden_is_there(worlds):
    """Whoever may see it does, and in one world only; so the question below is one."""
    of_all = ("Patient/berta", "Observation/o0-dora", "CareTeam/t-berta")
    for path in (*of_all, f"Observation/o0-{worlds.partner}", "Observation/joint"):
        for twin, status in ((worlds.without, 404), (worlds.with_hidden, 200)):
            for caller in ("keeper", "third"):  # erna is hidden from these too
                answer = await twin.ask(caller, 1, method="GET", url=f"/fhir/{path}")
                assert answer.status_code == status, (caller, path)


async def test_no_card_tells_the_worlds_apart(worlds):
    """A record system that sees all shows those whom it names only what they see themselves."""
    hidden = ("berta", "dora", worlds.partner)
    trees = [(name, tree) for name in (*hidden, "anna") for tree in waiting(name)]
    for number, (name, tree) in enumerate(trees, 400):
        url = f"/fhir/{tree['resourceType']}/{tree['id']}"
        for twin in (worlds.without, worlds.with_hidden):
            is_there = twin is worlds.with_hidden or name == "anna"
            written = {"method": "PUT", "json": tree} if is_there else {"method": "GET"}
            stored = await twin.ask("keeper", number, url=url, **written)
            assert stored.status_code == (201 if is_there else 404), stored.text
    shown = 0
    for caller, (_, _, person, _) in PEOPLE.items():
        if caller not in worlds.callers or not person:
            continue
        for number, (name, service) in enumerate(product((*hidden, "anna", "nobody"), HOOKS)):
            body = view(f"Patient/{name}", person, service)
            answer = alike(
                [
                    await twin.hook(worlds.keeper, 430 + number, service, body)
                    for twin in (worlds.without, worlds.with_hidden)
                ],
                f"{caller} tells the worlds apart by {service} of {name}",
            )
            shown += len(answer.json()["cards"])
    assert shown > 0


async def test_no_history_of_a_closed_couple_tells_the_worlds_apart(worlds):
    """What was joint stays with who treats them; apart, neither learns from it, nor that it was."""
    members = [{"entity": {"reference": f"Patient/{one}"}} for one in ("pia", "paul")]
    ended = [{**one, "period": {"end": "2026-02-01"}} for one in members]
    group = {"resourceType": "Group", "id": "apart", "type": "person", "actual": True}
    goal = {
        "resourceType": "Goal", "id": "apart", "subject": {"reference": "Group/apart"},
        "lifecycleStatus": "active", "description": {"text": "to talk"},
    }  # fmt: skip
    written = [
        ({**group, "member": members}, True),
        (goal, False),
        ({**goal, "lifecycleStatus": "on-hold"}, False),
        ({**group, "member": ended}, True),
    ]
    for number, (tree, is_shared) in enumerate(written, 600):
        url = f"/fhir/{tree['resourceType']}/apart"
        for twin in (worlds.without, worlds.with_hidden):
            is_there = is_shared or twin is worlds.with_hidden
            put = {"method": "PUT", "json": tree} if is_there else {"method": "GET"}
            stored = await twin.ask("keeper", number, url=url, **put)
            assert stored.is_success is is_there, stored.text
    there, closed = worlds.with_hidden, "/fhir/Goal/apart"
    kept = await there.ask("keeper", 604, method="GET", url=f"{closed}/_history")
    assert kept.json()["total"] == 2
    refused = await there.ask("keeper", 605, method="PUT", url=closed, json=goal)
    assert refused.status_code == 422, "it is closed"
    worlds.without.clock.at = there.clock.at
    for caller in worlds.callers:
        for number, path in enumerate(_OF_A_CLOSED_COUPLE, 610):
            asked = {"method": "GET", "url": path}
            if caller != "own_auditor" or not tells_what_was_done(asked):
                await compared(worlds, caller, number, asked)


_OF_A_CLOSED_COUPLE = (
    "Goal/apart",
    "Goal/apart/_history",
    "Goal/apart/_history/1",
    "Goal/apart/_history/2",
    "Goal/_history?_count=5",
    "Group/apart",
    "Group/apart/_history",
    "Group/_history?_count=5",
    "_history?_count=9",
    "Goal?subject=Group/apart",
    "Group?_id=apart&_revinclude=Goal:subject",
    "Group/apart/$couple-summary?scale=core",
    *(f"Patient/{one}/$everything?_count=50" for one in ("pia", "paul")),
    *(
        f"$explain-access?resource={what}&actor={who}"
        for what in ("Goal/apart", "Patient/anna")
        for who in ("Group/apart", "CareTeam/t-berta")
    ),
)


EXPORTS = ("$export", "Patient/$export", "Group/couple/$export", "$export?_since=2020-01-01")


@pytest.mark.parametrize("path", EXPORTS)
async def test_no_export_tells_the_worlds_apart(worlds, path):
    """Neither by how far it is, nor by which files there are and what is in them."""
    for caller in ("ehr", "hie"):
        if caller in worlds.callers:
            await export_compared(worlds, caller, path)


async def export_compared(worlds: Twins, caller: str, path: str) -> None:
    """All answers of an export, which must be those of both."""

    async def same(number: int, method: str, url: str, **more: Any) -> httpx.Response:
        return await compared(worlds, caller, number, {"method": method, "url": url, **more})

    begun = await same(11, "GET", path, headers={"Prefer": "respond-async"})
    if begun.status_code == 404:
        assert path.startswith("Group")
        return
    status = begun.headers["Content-Location"].partition("/fhir/")[2]
    await same(12, "GET", status)
    for twin in (worlds.without, worlds.with_hidden):
        while await twin.application.app.state.preparing.step():
            pass
    told = (await same(13, "GET", status)).json()
    files = [item["url"].partition("/fhir/")[2] for item in told["output"] + told["deleted"]]
    assert files
    for number, url in enumerate(files):
        assert (await same(20 + number, "GET", url)).status_code == 200
    await same(14, "DELETE", status)


@settings(
    max_examples=REQUESTS // TWO,
    derandomize=REQUESTS == BOUNDED,  # the suite asks the same each time
    database=None,
    phases=[Phase.generate],  # what has changed the worlds cannot be asked again
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(one=any_request())
async def test_no_request_tells_the_worlds_apart(worlds, tally, one):
    caller, request = one
    assume(caller in worlds.callers)
    if isinstance(request, str):
        looks = [
            await twin.look(caller, 1000 + tally.total(), request)
            for twin in (worlds.without, worlds.with_hidden)
        ]
        tally[alike(looks, f"{caller} tells the worlds apart by {request}").status_code] += 1
        return
    for _ in range(3):  # and where the answer leads
        answer = await compared(worlds, caller, 1000 + tally.total(), request)
        tally[answer.status_code] += 1
        following = re.search(rb'"relation":"next","url":"([^"]+)"', answer.content)
        if following is None:
            break
        address = urlsplit(following[1].decode())
        where = f"{address.path.removeprefix('/fhir/')}?{address.query}"
        request = {"method": "GET", "url": where}

"""Sorting by what the index holds as hashes, or not at all: by the values of a bounded few."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.ids import RandomIds
from app.fhir.registry import REGISTRY
from app.search import secrecy
from tests.http.resources import encounter, patient
from tests.support.staff import signed_in

UNORDERED = ("token", "string", "number", "quantity")
STATUSES = ("planned", "finished", "arrived", "in-progress", "cancelled")
CONFIDENTIAL = [name for name, entry in REGISTRY.items() if secrecy.is_confidential(entry.code)]


@pytest.fixture
async def person(house) -> str:
    """The id of a patient with a session of each status and a task with and without priority."""
    id = f"sorted-{RandomIds().new_id()[:8]}"
    bodies: list[Any] = [{**patient(), "id": id}]
    bodies += [
        {**encounter(f"Patient/{id}", status=status), "id": f"{id}-{status}"} for status in STATUSES
    ]
    for n, priority in enumerate(({"priority": "urgent"}, {}, {"priority": "asap"})):
        task = {
            "resourceType": "Task",
            "id": f"{id}-{n}",
            "status": "requested",
            "intent": "order",
            "for": {"reference": f"Patient/{id}"},
        }
        bodies.append({**task, **priority})
    for body in bodies:
        answer = await house.http.put(f"{body['resourceType']}/{body['id']}", json=body)
        assert answer.status_code == 201, answer.text
    return id


async def ids(http: Any, address: str) -> list[str]:
    """The ids on all pages, in order."""
    found: list[str] = []
    following: str | None = address
    while following:
        answer = await http.get(following)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [entry["resource"]["id"] for entry in page.get("entry", ())]
        following = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
    return found


@pytest.mark.parametrize("name", CONFIDENTIAL)
async def test_unbounded_it_is_refused_by_name(house, name):
    for code, parameter in REGISTRY[name].search.items():
        if parameter.type in UNORDERED and code != "_id":
            for sort in (code, f"-{code}"):
                answer = await house.http.get(name, params={"_sort": f"_lastUpdated,{sort}"})
                issue = answer.json()["issue"][0]
                assert (answer.status_code, issue["code"]) == (400, "too-costly"), (name, code)
                assert f"_sort={code}:" in issue["diagnostics"]


@pytest.mark.parametrize("count", [1, 2, 20])
async def test_of_one_patient_it_is_by_the_value(house, person, count):
    for sort, order in (("status", sorted(STATUSES)), ("-status", sorted(STATUSES)[::-1])):
        found = await ids(house.http, f"Encounter?patient={person}&_sort={sort}&_count={count}")
        assert found == [f"{person}-{status}" for status in order]


@pytest.mark.parametrize("count", [1, 20])
async def test_what_has_no_value_comes_last(house, person, count):
    for sort, order in (("priority", [2, 0, 1]), ("-priority", [0, 2, 1])):
        found = await ids(house.http, f"Task?patient={person}&_sort={sort}&_count={count}")
        assert found == [f"{person}-{n}" for n in order]


async def test_the_eyes_of_one_person_are_a_bound(house, person):
    async with await signed_in(house, "client", f"Patient/{person}") as own:
        sessions = await ids(own, "Encounter?_sort=-status&_count=2")
        tasks = await ids(own, "Task?_sort=priority&_count=2")
    assert sessions == [f"{person}-{status}" for status in sorted(STATUSES)[::-1]]
    assert tasks == [f"{person}-{n}" for n in (2, 0, 1)]
    async with await signed_in(house, "therapist", f"Practitioner/{person}-nobodys") as nobodys:
        refused = await nobodys.get("Encounter?_sort=status")
    assert refused.json()["issue"][0]["code"] == "too-costly"


@pytest.mark.parametrize(
    "query, named",
    [
        ("Observation?value-quantity=gt3&code=x", "value-quantity"),
        ("Observation?code:text=bond", "code:text"),
        ("Patient?_has:Observation:patient:value-quantity=gt3", "_has:Observation:patient:value"),
        ("Observation?patient=a&subject:Group.code:text=x&_sort=status", "_sort=status"),
        ("Patient?_sort=_security", "_sort=_security"),
    ],
)
async def test_whatever_is_too_costly_is_named(house, query, named):
    answer = await house.http.get(query)
    issue = answer.json()["issue"][0]
    assert (answer.status_code, issue["code"]) == (400, "too-costly")
    assert named in issue["diagnostics"].partition(": this is not")[0]

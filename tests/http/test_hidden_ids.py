"""What a record system meets at the ids of a patient who denies it: it chooses ids itself."""

from __future__ import annotations

import pytest

from tests.http.answers import comparable, ok, refused
from tests.http.resources import MRN, observation, patient
from tests.support.consents import actor, consent, provision

MERGE = {"Content-Type": "application/merge-patch+json"}
HIDDEN = "of-berta"


@pytest.fixture
async def ehr(clinic):
    """The clinic's record system, whom berta denies and anna does not."""
    denied = actor(f"Organization/{clinic.tenant.slug}")
    for id in ("anna", "berta"):
        identifier = [{"system": MRN, "value": id}]
        await clinic.http.put(f"Patient/{id}", json=patient(id, id=id))
        stored = observation(f"Patient/{id}", id=f"of-{id}", identifier=identifier)
        assert (await clinic.http.put(f"Observation/of-{id}", json=stored)).status_code == 201
    rules = provision("permit", provision("deny", actor=[denied]))
    assert (await clinic.http.put("Consent/k", json=consent("berta", rules, id="k"))).is_success
    return clinic.http


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_reading_tells_nothing(ehr, method):
    for path in ("Observation/{}", "Observation/{}/_history/1", "Observation/{}/_history"):
        there, nowhere = [
            await ehr.request(method, path.format(id)) for id in (HIDDEN, "of-nobody")
        ]
        assert there.status_code == 404
        assert comparable(there) == comparable(nowhere)


async def test_writing_there_tells_that_the_id_is_taken_and_no_more(ehr):
    """The one exception: what a system would make under an id cannot be made twice."""
    own = observation("Patient/anna", 9, id=HIDDEN)
    answers = [
        await ehr.request(method, path, headers=headers, json=body)
        for method, path, headers, body in (
            ("PUT", f"Observation/{HIDDEN}", {}, own),
            ("PUT", f"Observation/{HIDDEN}", {"If-Match": 'W/"1"'}, own),
            ("PUT", f"Observation/{HIDDEN}", {"If-None-Match": "*"}, own),
            ("PUT", f"Observation?identifier={MRN}|new", {}, own),
            ("PATCH", f"Observation/{HIDDEN}", MERGE, {"status": "amended"}),
            ("DELETE", f"Observation/{HIDDEN}", {}, None),
        )
    ]
    for answer in answers:
        [issue] = refused(answer, 409, "conflict")
        assert issue["diagnostics"] == "the id is not available"
        assert "etag" not in answer.headers


async def test_a_condition_does_not_find_it(ehr):
    there, nowhere = f"Observation?identifier={MRN}|berta", f"Observation?identifier={MRN}|nobody"
    for method, headers, body in (
        ("PATCH", MERGE, {"status": "amended"}),
        ("DELETE", {}, None),
    ):
        one, other = [
            await ehr.request(method, path, headers=headers, json=body) for path in (there, nowhere)
        ]
        assert comparable(one) == comparable(other)
    assert ok(await ehr.get(there))["total"] == 0
    made = [
        await ehr.post(
            "Observation",
            json=observation("Patient/anna"),
            headers={"If-None-Exist": f"identifier={MRN}|{value}"},
        )
        for value in ("berta", "nobody")
    ]
    assert [answer.status_code for answer in made] == [201, 201]

"""A record that was put under the wrong person and moved: its past is not the other's to read."""

from __future__ import annotations

import pytest

from tests.http.answers import comparable, made, ok
from tests.http.resources import goal
from tests.support.staff import signed_in

SECRET = "what only Anna may read"
HISTORIES = ("Goal/{id}/_history", "Goal/_history", "_history", "Goal/{id}/_history?_since=2026")


@pytest.fixture
async def moved(clinic):
    """The id of a Goal of Anna's that is Berta's by now, and was changed since."""
    http = clinic.http
    for id in ("anna", "berta"):
        await http.put(f"Patient/{id}", json={"resourceType": "Patient", "id": id})
    id = made(await http.post("Goal", json=goal("Patient/anna", SECRET))).partition("/")[2]
    for text in ("talk", "talk more"):
        ok(await http.put(f"Goal/{id}", json=goal("Patient/berta", text, id=id)))
    return id


@pytest.mark.parametrize("who", ["berta", "record system"])
async def test_versions_about_somebody_else_are_not_there(clinic, moved, who):
    is_berta = who == "berta"
    http = await signed_in(clinic, "client", "Patient/berta") if is_berta else clinic.http
    never = await http.get(f"Goal/{moved}/_history/9")
    before = await http.get(f"Goal/{moved}/_history/1")
    assert comparable(before) == comparable(never)
    assert before.status_code == 404
    assert ok(await http.get(f"Goal/{moved}/_history/2"))["description"]["text"] == "talk"
    for path in HISTORIES:
        answer = await http.get(path.format(id=moved))
        assert SECRET not in answer.text, path
        assert "Patient/anna" not in answer.text or not is_berta, path
        bundle = ok(answer)
        mine = [each["resource"]["meta"]["versionId"] for each in bundle["entry"]
                if each["resource"]["id"] == moved]  # fmt: skip
        assert mine == ["3", "2"], path
        assert bundle["total"] == 2 or path == "_history"


async def test_who_it_was_taken_from_has_neither_past_nor_present(clinic, moved):
    anna = await signed_in(clinic, "client", "Patient/anna")
    for path in ("Goal/{id}", "Goal/{id}/_history", "Goal/{id}/_history/1"):
        assert (await anna.get(path.format(id=moved))).status_code == 404, path


async def test_a_record_that_first_had_no_patient_keeps_its_past(clinic):
    await clinic.http.put("Patient/anna", json={"resourceType": "Patient", "id": "anna"})
    task = {"resourceType": "Task", "status": "requested", "intent": "order"}
    id = made(await clinic.http.post("Task", json=task)).partition("/")[2]
    theirs = {**task, "id": id, "for": {"reference": "Patient/anna"}}
    ok(await clinic.http.put(f"Task/{id}", json=theirs))
    assert ok(await clinic.http.get(f"Task/{id}/_history"))["total"] == 2
    ok(await clinic.http.get(f"Task/{id}/_history/1"))

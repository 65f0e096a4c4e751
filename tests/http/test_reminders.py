"""Whoever was asked for answers is reminded once, in words that tell nothing."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from app.core.clock import format_instant
from tests.http.answers import ok
from tests.support import therapy
from tests.support.asking import asking

DAY = 86_400


@pytest.fixture
async def course(clinic):
    return await therapy.begin(clinic)


def told(clinic, address):
    """The messages to an address so far."""
    file = clinic.application.settings.data_dir / "messages.ndjson"
    lines = file.read_text().splitlines() if file.exists() else ()
    return [each for each in map(json.loads, lines) if each["to"] == address]


async def asked(clinic, course, *, language="en", reminder=2, expiry=4):
    """A task with a reminder, days from now; the address of whom it asks."""
    address = f"{course.key}@example.org"
    patient = {
        "resourceType": "Patient",
        "id": course.patient.partition("/")[2],
        "telecom": [{"system": "email", "value": address}],
        "communication": [
            {
                "language": {"coding": [{"system": "urn:ietf:bcp:47", "code": language}]},
                "preferred": True,
            }
        ],
    }

    def ahead(days):
        now = clinic.application.clock.now()
        return format_instant(now + int(timedelta(days=days).total_seconds()) * 1_000_000)

    task = asking(
        course.patient,
        id=f"task-{course.key}",
        restriction={"period": {"end": ahead(expiry)}},
        input=[{"type": {"text": "reminder"}, "valueDateTime": ahead(reminder)}],
    )
    await course.put(patient, task)
    await clinic.settle()
    return address, task


async def after(clinic, *, days):
    clinic.application.clock.turn(seconds=days * DAY + 60)
    await clinic.settle()


@pytest.mark.parametrize("language, words", [("en", "still waiting"), ("ar", "بانتظارك")])
async def test_a_reminder_comes_at_its_time_once_and_tells_nothing(clinic, course, language, words):
    address, task = await asked(clinic, course, language=language)
    assert told(clinic, address) == []
    await after(clinic, days=2)
    (message,) = told(clinic, address)
    assert words in message["text"]
    for tells in ("therap", "question", "alliance", "Costa", "Haddad", "http"):
        assert tells not in json.dumps(message)
    await after(clinic, days=1)
    ehr = await clinic.as_client("system/*.cruds", actor="Organization/x")
    await ehr.put(f"Task/{task['id']}", json={**task, "priority": "urgent"})
    await clinic.settle()
    assert len(told(clinic, address)) == 1
    found = ok(await ehr.get("Communication", params={"subject": course.patient}))
    (reminder,) = [entry["resource"] for entry in found["entry"]]
    assert (reminder["status"], reminder["basedOn"]) == (
        "completed",
        [{"reference": f"Task/{task['id']}"}],
    )


async def test_answers_in_the_meantime_stop_it(clinic, course):
    address, _ = await asked(clinic, course)
    await course.put(course.response("asc-pulse", therapy.pulse(15), None))
    await clinic.settle()
    await after(clinic, days=2)
    assert told(clinic, address) == []


async def test_nobody_is_reminded_of_what_is_too_late(clinic, course):
    address, _ = await asked(clinic, course, reminder=2, expiry=1)
    await after(clinic, days=3)
    assert told(clinic, address) == []


async def test_a_word_that_does_not_leave_is_kept_as_not_sent(clinic, course, monkeypatch):
    from app.security.notifier import FileNotifier, NotSent

    async def fails(self, message):
        raise NotSent

    monkeypatch.setattr(FileNotifier, "send", fails)
    await asked(clinic, course)
    await after(clinic, days=2)
    ehr = await clinic.as_client("system/*.cruds", actor="Organization/x")
    found = ok(await ehr.get("Communication", params={"subject": course.patient}))
    assert [entry["resource"]["status"] for entry in found["entry"]] == ["not-done"]

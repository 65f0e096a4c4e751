"""The life of an alert: every step from every state, allowed or not, and nothing beside it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.http.answers import ok, refused
from tests.http.test_operations_course import resolve
from tests.support import therapy
from tests.support.staff import signed_in
from tests.support.therapy import rule, srs, status, wai

STEPS = ("acknowledged", "addressed", "repaired", "unrepaired", "dismissed")
ENDS = {"repaired", "unrepaired", "dismissed"}
ALLOWED = {
    "open": set(STEPS),
    "acknowledged": {"addressed", *ENDS},
    "addressed": ENDS,
    "repaired": set(),
    "unrepaired": set(),
    "dismissed": set(),
}


@pytest.fixture
async def course(clinic):
    return await therapy.begin(clinic)


@pytest.fixture
async def therapist(clinic, course):
    return await signed_in(clinic, "therapist", course.therapist)


async def test_every_step_from_every_state(course, therapist):
    # One step-drop after the other, of which none is repaired by itself.
    await course.sessions("srs", [srs(Decimal(40 - number)) for number in range(19)])
    fresh = [each for each in await course.alerts() if rule(each) == "step-drop"]

    async def alert_in(state):
        alert = fresh.pop()
        if state != "open":
            ok(await resolve(therapist, alert, status=state, note="so"))
        return alert

    for state, allowed in ALLOWED.items():
        alert = await alert_in(state)
        for step in set(STEPS) - allowed:
            answer = await resolve(therapist, alert, status=step, note="so")
            refused(answer, 422, "business-rule")
        for step in allowed:
            answer = await resolve(therapist, await alert_in(state), status=step, note="so")
            assert status(ok(answer)) == step, (state, step)


async def test_what_the_rule_ended_a_person_may_end_otherwise(course, therapist):
    await course.sessions("wai-sr", [wai(total) for total in (50, 50, 45, 50)])
    (alert,) = [each for each in await course.alerts() if rule(each) == "v-episode"]
    assert status(alert) == "repaired"
    for step in ("acknowledged", "addressed", "repaired"):
        refused(await resolve(therapist, alert, status=step), 422, "business-rule")
    ended = ok(await resolve(therapist, alert, status="unrepaired", note="It came back."))
    assert status(ended) == "unrepaired"
    await course.sessions("wai-sr", [wai(50)])
    (after,) = [each for each in await course.alerts() if each["id"] == alert["id"]]
    assert status(after) == "unrepaired"


async def test_what_a_person_dismissed_stays_dismissed_when_the_score_comes_back(course, therapist):
    await course.sessions("srs", [srs("37.0"), srs("35.5")])
    alerts = await course.alerts()
    assert [rule(each) for each in alerts] == ["below-cutoff", "step-drop"]
    for alert in alerts:
        ok(await resolve(therapist, alert, status="dismissed", note="Answered in a hurry."))
    await course.sessions("srs", [srs("37.5"), srs("37.5")])
    assert [status(each) for each in await course.alerts()] == ["dismissed"] * 2


async def test_what_a_person_works_on_is_repaired_when_the_score_comes_back(course, therapist):
    await course.sessions("srs", [srs("37.0"), srs("35.5")])
    for alert in await course.alerts():
        ok(await resolve(therapist, alert, status="acknowledged"))
    await course.sessions("srs", [srs("36.0")])
    assert [status(each) for each in await course.alerts()] == ["repaired", "acknowledged"]
    await course.sessions("srs", [srs("37.0")])
    assert [status(each) for each in await course.alerts()] == ["repaired"] * 2


async def test_nothing_else_of_an_alert_is_anybodys_to_write(course, therapist):
    await course.sessions("wai-sr", [wai(total) for total in (50, 50, 45)])
    (alert,) = await course.alerts()
    address = f"DetectedIssue/{alert['id']}"
    state = {"url": f"{therapy.OURS}/StructureDefinition/alert-status", "valueCode": "repaired"}
    others = alert["extension"][1:]
    for change in (
        {"extension": [state, *others]},
        {"status": "final"},
        {"implicated": []},
        {"severity": "high"},
        {"detail": "A bad therapist."},
    ):
        tree = {name: value for name, value in {**alert, **change}.items() if value != []}
        refused(await therapist.put(address, json=tree), 422, "business-rule")
        refused(await course.http.put(address, json=tree), 422, "business-rule")
    assert ok(await therapist.put(address, json=alert))["meta"] == alert["meta"]

"""An answer that was put under the wrong client and moved: scores and alerts go where it went."""

from __future__ import annotations

import pytest

from tests.http.answers import ok
from tests.support import therapy
from tests.support.operations import all_of
from tests.support.therapy import srs


@pytest.fixture
async def two(clinic):
    """Two clients; an answer that is far below the cut-off stands under the first."""
    wrong, right = await therapy.begin(clinic), await therapy.begin(clinic)
    for course in (wrong, right):
        await course.sessions("srs", [srs("38"), srs("39")])
    await wrong.sessions("srs", [srs("20")])
    await right.sessions("srs", [None])
    return wrong, right


async def alerts(clinic, course):
    trend = ok(await clinic.http.get(f"{course.episode}/$alliance-trend"))
    return {(each["rule"], each["session"]) for each in all_of(trend, "alert")}


async def test_alerts_go_with_it(clinic, two):
    wrong, right = two
    raised = {("below-cutoff", 3), ("step-drop", 3)}
    assert await alerts(clinic, wrong) == raised
    assert await alerts(clinic, right) == set()
    found = ok(await clinic.http.get(
        "QuestionnaireResponse", params={"subject": wrong.patient, "_sort": "-authored"}
    ))  # fmt: skip
    answer = found["entry"][0]["resource"]
    theirs = right.response("srs", srs("20"), 3)
    moved = {**answer, **{name: theirs[name] for name in ("subject", "author", "encounter")}}
    ok(await clinic.http.put(f"QuestionnaireResponse/{answer['id']}", json=moved))
    await wrong.settle()
    assert await alerts(clinic, right) == raised
    assert await alerts(clinic, wrong) == set()
    issues = ok(await clinic.http.get("DetectedIssue", params={"patient": wrong.patient}))
    assert {each["resource"]["status"] for each in issues["entry"]} == {"entered-in-error"}

"""A clinic's own table of what is usual: stored as a Library, met in trend, chart and page."""

from __future__ import annotations

import base64
import json

import pytest

from tests.http.answers import made, ok, refused
from tests.support import therapy
from tests.support.operations import all_of
from tests.support.staff import signed_in, signs_in
from tests.support.therapy import OURS, wai

URL = "https://clinic.example.org/Library/wai-sr-expected"
KIND = {"system": f"{OURS}/CodeSystem/definition-kind"}
DOCUMENT = {
    "kind": "expected-trajectory",
    "url": URL,
    "version": "1",
    "instrument": "wai-sr",
    "scale": "total",
    "direction": "higher",
    "rows": [
        {"intake": 12, "session": 2, "target": 20, "lower": 15},
        {"intake": 40, "session": 2, "target": 44, "lower": 42},
        {"intake": 40, "session": 4, "target": 48.5, "lower": 45},
    ],
}


def library(**changes):
    document = DOCUMENT | changes
    return {
        "resourceType": "Library",
        "url": document["url"],
        "version": document["version"],
        "status": "active",
        "type": {"coding": [KIND | {"code": document["kind"]}]},
        "content": [
            {
                "contentType": "application/json",
                "data": base64.b64encode(json.dumps(document).encode()).decode(),
            }
        ],
    }


@pytest.fixture
async def course(clinic):
    made(await clinic.http.post("Library", json=library()))
    begun = await therapy.begin(clinic)
    await begun.sessions("wai-sr", [wai(t) for t in (41, 43, 44, 40)])
    return begun


async def total(http, course):
    answer = ok(await http.get(f"{course.episode}/$alliance-trend?scale=total"))
    (series,) = all_of(answer, "series")
    return series


async def test_a_trend_is_held_against_it(course):
    series = await total(course.http, course)
    assert series["expectation"] == f"{URL}|1"
    assert [
        (each["session"], each.get("target"), each.get("lower"), each.get("signal"))
        for each in series["point"]
    ] == [
        (1, None, None, None),
        (2, 44, 42, "orange"),
        (3, 44, 42, "green"),
        (4, 48.5, 45, "red"),
    ]  # fmt: skip


async def test_a_scale_without_a_table_is_as_it_was(course):
    answer = ok(await course.http.get(f"{course.episode}/$alliance-trend?scale=bond"))
    (series,) = all_of(answer, "series")
    assert "expectation" not in series
    names = {"session", "date", "value", "observation"}
    assert all(each.keys() == names for each in series["point"])


async def test_chart_and_page_show_it(clinic, course, at_work):
    therapist = await signed_in(clinic, "therapist", course.therapist)
    for language, word in (("en", "Expected"), ("ar", "المتوقَّع")):
        query = {"scale": "total", "language": language}
        picture = await therapist.get(f"{course.episode}/$alliance-chart", params=query)
        assert f"{word}: " in picture.text
    await signs_in(clinic, at_work, "clinical_lead", "Practitioner/lena")
    page = await at_work.open(course.page)
    assert "<td>worth checking in</td>" in page.text
    assert "<td>48.5</td>" in page.text


async def test_a_client_is_shown_no_verdict(clinic, course, at_work):
    client = await signed_in(clinic, "client", course.patient)
    series = await total(client, course)
    assert "expectation" not in series
    assert not any("signal" in each for each in series["point"])
    picture = await client.get(f"{course.episode}/$alliance-chart?scale=total")
    assert "Expected" not in picture.text


async def test_one_that_could_not_be_used_is_refused(clinic):
    answer = await clinic.http.post("Library", json=library(direction="up", rows=[{"intake": 1}]))
    refused(answer, 422, "value")

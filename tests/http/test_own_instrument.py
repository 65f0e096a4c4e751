"""A clinic with a licence brings its own text as a new version, without code."""

from __future__ import annotations

import base64
import json
from decimal import Decimal

import pytest

from tests.http.answers import made, ok, refused
from tests.support import therapy
from tests.support.therapy import OURS, rule, session, wai

FORM = f"{OURS}/Questionnaire/wai-sr"


async def own(http, name, *, version, **changes):
    """The next version of a shipped definition, to stand beside it."""
    library = ok(await http.get(f"Library/{name}"))
    definition = json.loads(base64.b64decode(library["content"][0]["data"]), parse_float=Decimal)
    definition |= {"version": version, **changes}
    data = base64.b64encode(json.dumps(definition, default=float).encode()).decode()
    following = {
        **library,
        "version": version,
        "content": [{"contentType": "application/json", "data": data}],
    }
    del following["id"]
    if "questionnaire" in changes:
        following["relatedArtifact"] = [
            {"type": "depends-on", "resource": changes["questionnaire"]}
        ]
    return following


@pytest.fixture
async def licensed(clinic):
    form = ok(await clinic.http.get("Questionnaire/wai-sr"))
    del form["id"]
    form |= {"version": "2.0.0-clinic", "copyright": "Licensed to this clinic."}
    for item in form["item"]:
        item["text"] = f"Licensed wording of item {item['linkId']}"
    made(await clinic.http.post("Questionnaire", json=form))
    return f"{FORM}|2.0.0-clinic"


async def test_its_answers_are_scored_and_watched_like_any(clinic, licensed):
    course = await therapy.begin(clinic)
    trees = []
    for number, total in enumerate((50, 50, 45), 1):
        trees.append(course.sitting(number))
        answers = course.response("wai-sr", wai(total), number)
        trees.append({**answers, "questionnaire": licensed})
    await course.put(*trees)
    await clinic.settle()
    assert await course.alerts() == []  # nothing says yet how this version is scored
    key = await own(clinic.http, "wai-sr-scoring", version="2.0.0", questionnaire=licensed)
    made(await clinic.http.post("Library", json=key))
    for number in (1, 2, 3):
        ok(await clinic.http.post(f"QuestionnaireResponse/r-wai-sr-{course.key}-{number}/$rescore"))
    await clinic.settle()
    alerts = await course.alerts()
    assert [(session(each), rule(each)) for each in alerts] == [(3, "v-episode")]
    score = ok(await clinic.http.get(alerts[0]["implicated"][0]["reference"]))
    named = [e["valueCanonical"] for e in score["extension"] if "valueCanonical" in e]
    assert named == [f"{OURS}/Library/wai-sr-scoring|2.0.0"]


async def test_answers_hold_to_the_version_they_name(clinic, licensed):
    course = await therapy.begin(clinic)
    tree = course.response("wai-sr", wai(40), None)
    await course.put(tree)  # 1.0.0 is still there
    unknown = {**tree, "questionnaire": f"{FORM}|3.0.0"}
    refused(await clinic.http.put(f"QuestionnaireResponse/{tree['id']}", json=unknown), 422)
    other = {**tree, "questionnaire": licensed, "item": [{"linkId": "13"}]}
    refused(await clinic.http.put(f"QuestionnaireResponse/{tree['id']}", json=other), 422)


async def test_a_key_that_cannot_be_used_is_refused_where_it_is_written(clinic, licensed):
    key = await own(
        clinic.http, "wai-sr-scoring", version="2.0.0", questionnaire=licensed, reversed=["99"]
    )
    refused(await clinic.http.post("Library", json=key), 422)

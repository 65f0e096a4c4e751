"""Answers become scores: the reaction to a QuestionnaireResponse, and what answers may be."""

from __future__ import annotations

import json

import pytest

from tests.http.answers import made, ok, refused, resources, version
from tests.http.resources import ANSWERS, OURS, PULSE, SCALES, observation, patient, pulse
from tests.support.therapy import asc, items

KEY = f"{OURS}/Library/asc-pulse-scoring|1.0.0"


async def answer(clinic, tree):
    """Sends answers and lets the scores be made; the response's address."""
    where = made(await clinic.http.post("QuestionnaireResponse", json=tree))
    await clinic.settle()
    return where


async def scores(clinic, response):
    """The scores of a response by scale."""
    params = {"derived-from": response, "_count": "100"}
    found = resources(ok(await clinic.http.get("Observation", params=params)))
    return {one["code"]["coding"][0]["code"]: one for one in found}


async def test_a_score_names_its_answers_its_definition_and_its_rater(clinic):
    person = made(await clinic.http.post("Patient", json=patient()))
    response = await answer(clinic, pulse(3, 3, 3, 1, 3, subject=person))
    (score,) = (await scores(clinic, response)).values()
    assert score["valueQuantity"]["value"] == 75
    assert score["derivedFrom"] == [{"reference": response}]
    assert score["subject"] == {"reference": person}
    values = {one["url"]: one for one in score["extension"]}
    assert values[f"{OURS}/StructureDefinition/scoring-definition"]["valueCanonical"] == KEY
    assert values[f"{OURS}/StructureDefinition/rater"]["valueCode"] == "client"
    assert score["effectiveDateTime"] == "2026-11-02T18:30:00+01:00"
    assert ok(await clinic.http.get(f"{person}/Observation"))["total"] == 1
    assert "validated" in score["note"][0]["text"]


async def test_the_same_answers_again_change_nothing(clinic):
    tree = pulse(3, 3, 3, 1, 3)
    response = await answer(clinic, tree)
    (score,) = (await scores(clinic, response)).values()
    stored = ok(await clinic.http.get(response))
    ok(await clinic.http.put(response, json=stored))
    await clinic.settle()
    await clinic.settle()
    (again,) = (await scores(clinic, response)).values()
    assert again == score
    assert ok(await clinic.http.get(f"Observation/{score['id']}/_history"))["total"] == 1


async def test_amended_answers_make_the_next_version_of_the_same_score(clinic):
    response = await answer(clinic, pulse(3, 3, 3, 1, 3))
    (before,) = (await scores(clinic, response)).values()
    amended = pulse(4, 4, 4, 0, 4, id=response.partition("/")[2], status="amended")
    assert version(await clinic.http.put(response, json=amended)) == 2
    await clinic.settle()
    (after,) = (await scores(clinic, response)).values()
    assert after["id"] == before["id"]
    assert after["meta"]["versionId"] == "2"
    assert (before["valueQuantity"]["value"], after["valueQuantity"]["value"]) == (75, 100)
    assert after["status"] == "final"


async def test_answers_in_error_take_their_scores_with_them(clinic):
    response = await answer(clinic, pulse(3, 3, 3, 1, 3))
    id = response.partition("/")[2]
    other = made(
        await clinic.http.post(
            "Observation", json=observation("Patient/1", derivedFrom=[{"reference": response}])
        )
    )
    wrong = pulse(3, 3, 3, 1, 3, id=id, status="entered-in-error")
    ok(await clinic.http.put(response, json=wrong))
    await clinic.settle()
    found = resources(ok(await clinic.http.get(f"Observation?derived-from={response}")))
    statuses = {one["id"]: one["status"] for one in found}
    # Only what the server made of them is the server's to void.
    assert statuses.pop(other.partition("/")[2]) == "final"
    assert set(statuses.values()) == {"entered-in-error"}
    ok(await clinic.http.put(response, json=wrong | {"status": "completed"}))
    await clinic.settle()
    (score, *_) = (await scores(clinic, response)).values()
    assert (await scores(clinic, response))["total"]["status"] == "final"
    assert score


async def test_deleted_answers_take_their_scores_with_them(clinic):
    response = await answer(clinic, pulse(3, 3, 3, 1, 3))
    await clinic.http.delete(response)
    await clinic.settle()
    (score,) = (await scores(clinic, response)).values()
    assert score["status"] == "entered-in-error"


async def test_answers_reopened_are_no_longer_scored(clinic):
    response = await answer(clinic, pulse(3, 3, 3, 1, 3))
    reopened = pulse(3, 3, None, None, None, id=response.partition("/")[2], status="in-progress")
    ok(await clinic.http.put(response, json=reopened))
    await clinic.settle()
    (score,) = (await scores(clinic, response)).values()
    assert score["status"] == "entered-in-error"


@pytest.mark.parametrize("status", ["in-progress", "stopped"])
async def test_unfinished_answers_are_kept_and_not_scored(clinic, status):
    response = await answer(clinic, pulse(3, None, None, None, None, status=status))
    assert await scores(clinic, response) == {}
    done = pulse(3, 3, 3, 1, 3, id=response.partition("/")[2])
    ok(await clinic.http.put(response, json=done))
    await clinic.settle()
    assert set(await scores(clinic, response)) == {"total"}


async def test_too_few_answers_make_a_score_without_a_value(clinic):
    response = await answer(clinic, pulse(3, 3, None, None, None))
    (score,) = (await scores(clinic, response)).values()
    assert "valueQuantity" not in score
    coding = score["dataAbsentReason"]["coding"][0]
    assert coding["system"] == "http://terminology.hl7.org/CodeSystem/data-absent-reason"
    assert score["status"] == "final"
    enough = await answer(clinic, pulse(3, 3, 3, None, None))
    assert (await scores(clinic, enough))["total"]["valueQuantity"]["value"] == 75


async def test_no_answers_at_all_make_a_score_without_a_value(clinic):
    response = await answer(clinic, pulse(None, None, None, None, None))
    (score,) = (await scores(clinic, response)).values()
    assert "dataAbsentReason" in score


async def test_the_same_answer_to_every_item_is_marked(clinic):
    response = await answer(clinic, pulse(3, 3, 3, 3, 3))
    (score,) = (await scores(clinic, response)).values()
    (marker,) = score["interpretation"]
    assert marker["coding"] == [
        {"system": f"{OURS}/CodeSystem/score-marker", "code": "straight-line"}
    ]
    varied = await answer(clinic, pulse(3, 3, 3, 3, 2))
    assert "interpretation" not in (await scores(clinic, varied))["total"]


async def test_scales_are_joined_to_their_total(clinic):
    tree = {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": f"{OURS}/Questionnaire/asc-client|1.0.0",
        "status": "completed",
        "authored": "2026-11-02T18:30:00Z",
        "item": items("asc-client", asc(3)),
    }
    found = await scores(clinic, await answer(clinic, tree))
    assert {"bond", "goal", "task", "core"} <= set(found)
    members = {one["reference"] for one in found["core"]["hasMember"]}
    assert members <= {f"Observation/{one['id']}" for one in found.values()}
    assert f"Observation/{found['bond']['id']}" in members
    joined = {"has-member": f"Observation/{found['bond']['id']}"}
    totals = resources(ok(await clinic.http.get("Observation", params=joined)))
    assert found["core"] in totals


async def test_what_no_key_knows_is_kept_and_not_scored(clinic):
    for questionnaire in (
        None, "https://elsewhere.example.org/Questionnaire/x",
        "https://elsewhere.example.org/Questionnaire/x|2", "urn:oid:1.2.3",
    ):  # fmt: skip
        tree = pulse(3, 3, 3, 1, 3) | {"item": [{"linkId": "x", "answer": [{"valueString": "y"}]}]}
        del tree["questionnaire"]
        if questionnaire:
            tree["questionnaire"] = questionnaire
        assert await scores(clinic, await answer(clinic, tree)) == {}


# -- what answers may be ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, place",
    [
        ({"item": [{"linkId": "nowhere", "answer": [{"valueInteger": 1}]}]}, "item[0]"),
        ({"item": [{"linkId": "B1", "answer": [{"valueInteger": 3}]}]}, "item[0].answer[0]"),
        (
            {"item": [{"linkId": "B1", "answer": [
                {"valueCoding": {"system": ANSWERS, "code": "9"}}]}]},
            "item[0].answer[0]",
        ),
        (
            {"item": [{"linkId": "B1", "answer": [
                {"valueCoding": {"system": ANSWERS, "code": "1"}},
                {"valueCoding": {"system": ANSWERS, "code": "2"}}]}]},
            "item[0]",
        ),
        ({"item": [{"linkId": "B1", "text": "Something else", "answer": [
            {"valueCoding": {"system": ANSWERS, "code": "1"}}]}]}, "item[0]"),
        ({"questionnaire": f"{OURS}/Questionnaire/asc-pulse|9.9.9"}, "questionnaire"),
        ({"questionnaire": f"{OURS}/Questionnaire/none"}, "questionnaire"),
    ],
)  # fmt: skip
async def test_answers_that_do_not_fit_are_refused(ehr, change, place):
    issues = refused(
        await ehr.post("QuestionnaireResponse", json=pulse(3, 3, 3, 1, 3) | change), 422
    )
    places = [where for issue in issues for where in issue.get("expression", ())]
    assert any(where.startswith(f"QuestionnaireResponse.{place}") for where in places), places


async def test_every_answer_that_does_not_fit_is_told(ehr):
    tree = pulse(3, 3, 3, 1, 3)
    for item in tree["item"][:3]:
        item["answer"] = [{"valueInteger": 1}]
    issues = refused(await ehr.post("QuestionnaireResponse", json=tree), 422)
    assert len([issue for issue in issues if issue["severity"] == "error"]) >= 3


async def test_an_answer_names_the_version_that_was_shown(clinic):
    """url|version is that version, never the newest; without version the newest."""
    ehr = clinic.http
    url = "https://clinic.example.org/Questionnaire/mood"

    def form(number, link):
        return {
            "resourceType": "Questionnaire", "url": url, "version": number, "status": "active",
            "item": [{"linkId": link, "text": "Mood", "type": "integer"}],
        }  # fmt: skip

    def answers(canonical, link):
        return {
            "resourceType": "QuestionnaireResponse", "questionnaire": canonical,
            "status": "completed", "item": [{"linkId": link, "answer": [{"valueInteger": 3}]}],
        }  # fmt: skip

    made(await ehr.post("Questionnaire", json=form("1", "old")))
    made(await ehr.post("Questionnaire", json=form("2", "new")))
    for canonical, link, status in (
        (f"{url}|1", "old", 201), (f"{url}|1", "new", 422), (f"{url}|2", "new", 201),
        (f"{url}|2", "old", 422), (url, "new", 201), (url, "old", 422), (f"{url}|3", "new", 422),
    ):  # fmt: skip
        sent = await ehr.post("QuestionnaireResponse", json=answers(canonical, link))
        assert sent.status_code == status, (canonical, link, sent.text)


async def test_a_questionnaire_that_makes_no_sense_is_refused(ehr):
    form = {
        "resourceType": "Questionnaire",
        "status": "active",
        "item": [
            {
                "linkId": "1",
                "type": "string",
                "enableWhen": [{"question": "none", "operator": "exists", "answerBoolean": True}],
            }
        ],
    }
    refused(await ehr.post("Questionnaire", json=form), 422)


async def test_what_form_renderers_send_is_taken(ehr):
    """An unknown profile, a tag without system, no subject, texts, not finished yet."""
    tree = pulse(3, None, None, None, None, status="in-progress") | {
        "meta": {
            "profile": ["http://hl7.org/fhir/4.0/StructureDefinition/QuestionnaireResponse"],
            "tag": [{"code": "lformsVersion: 36.0.0"}],
        },
        "extension": [{"url": "https://renderer.example.org/x", "valueString": "y"}],
    }
    tree["item"][0]["text"] = "In this room I am met as a person rather than a problem."
    sent = await ehr.post("QuestionnaireResponse", json=tree)
    body = ok(await ehr.get(made(sent)))
    assert body["meta"]["tag"] == tree["meta"]["tag"]
    assert body["meta"]["profile"] == tree["meta"]["profile"]
    assert "subject" not in body


async def test_the_display_of_an_answer_is_no_part_of_it(clinic):
    tree = pulse(3, 3, 3, 1, 3)
    for item in tree["item"]:
        item["answer"][0]["valueCoding"]["display"] = "whatever the form showed"
    response = await answer(clinic, tree)
    assert (await scores(clinic, response))["total"]["valueQuantity"]["value"] == 75


async def test_a_transaction_of_answers_is_scored(clinic):
    sent = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "resource": pulse(level, level, level, 1, level),
                "request": {"method": "POST", "url": "QuestionnaireResponse"},
            }
            for level in (1, 2, 3)
        ],
    }
    ok(await clinic.http.post("", content=json.dumps(sent)))
    await clinic.settle()
    params = {"code": f"{SCALES}|total", "_sort": "value-quantity"}
    refused = await clinic.http.get("Observation", params=params)
    assert refused.json()["issue"][0]["code"] == "too-costly"
    totals = resources(ok(await clinic.http.get("Observation", params={"code": params["code"]})))
    params["_id"] = ",".join(one["id"] for one in totals)
    found = resources(ok(await clinic.http.get("Observation", params=params)))
    assert [one["valueQuantity"]["value"] for one in found] == [35, 55, 75]


async def test_a_score_that_fails_does_not_stop_the_others(clinic):
    """A clinic's own key that cannot be read is its own problem."""
    broken = {
        "resourceType": "Library",
        "url": "https://clinic.example.org/Library/broken",
        "version": "1",
        "status": "active",
        "type": {
            "coding": [{"system": f"{OURS}/CodeSystem/definition-kind", "code": "scoring-key"}]
        },
        "relatedArtifact": [{"type": "depends-on", "resource": PULSE}],
        "content": [{"contentType": "application/json", "data": "e30="}],
    }
    logic = {
        "resourceType": "Library",
        "status": "active",
        "type": {"text": "logic"},
        "relatedArtifact": [{"type": "depends-on", "resource": PULSE}],
    }
    made(await clinic.http.post("Library", json=logic))
    answered = await clinic.http.post("Library", json=broken)
    assert answered.status_code in (201, 422)
    response = await answer(clinic, pulse(3, 3, 3, 1, 3))
    assert set(await scores(clinic, response)) == {"total"}

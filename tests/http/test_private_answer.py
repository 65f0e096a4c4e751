"""``X1`` is the person's and the clinical lead's: nobody else reads it or writes over it."""

import json

import pytest

from tests.support.exports import exported, manifest
from tests.support.eyes import eyes


@pytest.fixture
async def asked(clinic):
    """Two responses to a form with the question, one of them with an answer to it."""
    questionnaire = (
        await clinic.http.get(
            "Questionnaire", params={"url": "https://rapport.example.org/Questionnaire/asc-couple"}
        )
    ).json()["entry"][0]["resource"]
    options = {
        item["linkId"]: item["answerOption"][0]["valueCoding"] for item in questionnaire["item"]
    }
    form = f"{questionnaire['url']}|{questionnaire['version']}"
    for path, tree in {
        "Patient/anna": {"resourceType": "Patient", "id": "anna"},
        "Practitioner/tess": {"resourceType": "Practitioner", "id": "tess"},
        "EpisodeOfCare/e": {
            "resourceType": "EpisodeOfCare",
            "id": "e",
            "status": "active",
            "patient": {"reference": "Patient/anna"},
            "careManager": {"reference": "Practitioner/tess"},
            "period": {"start": "2026-01-01"},
        },
    }.items():
        assert (await clinic.http.put(path, json=tree)).status_code == 201
    for id, links in (("with", ("C1", "X1")), ("without", ("C1",))):
        tree = {
            "resourceType": "QuestionnaireResponse",
            "id": id,
            "questionnaire": form,
            "status": "completed",
            "subject": {"reference": "Patient/anna"},
            "source": {"reference": "Patient/anna"},
            "authored": "2026-01-02T10:00:00Z",
            "item": [
                {"linkId": link, "answer": [{"valueCoding": options[link]}]} for link in links
            ],
        }
        made = await clinic.http.put(f"QuestionnaireResponse/{id}", json=tree)
        assert made.status_code == 201, made.text
        assert "X1" not in made.text
    return clinic


def links(tree):
    return [item["linkId"] for item in tree["item"]]


async def test_everybody_else_sees_a_response_without_it(asked):
    for path in (
        "QuestionnaireResponse/{}",
        "QuestionnaireResponse/{}/_history/1",
        "QuestionnaireResponse/{}/_history",
        "QuestionnaireResponse?_id={}",
        "Patient/anna/QuestionnaireResponse?_id={}",
    ):
        bodies = [await asked.http.get(path.format(id)) for id in ("with", "without")]
        for body in bodies:
            assert "X1" not in body.text
            assert "SUBSETTED" in body.text
    everything = (await asked.http.get("Patient/anna/$everything")).json()
    responses = [
        entry["resource"]
        for entry in everything["entry"]
        if entry["resource"]["resourceType"] == "QuestionnaireResponse"
    ]
    assert [links(tree) for tree in responses] == [["C1"], ["C1"]]


@pytest.mark.parametrize("id", ["with", "without"])
async def test_another_way_to_write_the_same_text_does_not_show_it(asked, id):
    """JSON may write any character as an escape: ``/`` often, ``X`` by who means harm."""
    anna = eyes(asked, "client", "Patient/anna")
    whole = await anna.read(f"QuestionnaireResponse/{id}")
    assert whole is not None
    text = json.dumps({**whole, "id": "again"}).replace('"X1"', r'"\u00581"')
    put = await asked.http.put(
        "QuestionnaireResponse/again",
        content=text.replace("/Questionnaire/asc-couple", r"\/Questionnaire\/asc\u002dcouple"),
        headers={"Content-Type": "application/fhir+json"},
    )
    assert put.status_code == 201, put.text
    seen = await asked.http.get("QuestionnaireResponse/again")
    assert links(seen.json()) == ["C1"]
    assert "SUBSETTED" in seen.text
    assert links(await anna.read("QuestionnaireResponse/again")) == links(whole)


async def test_the_person_and_the_lead_see_it(asked):
    lead = eyes(asked, "clinical_lead", "Practitioner/lea", clearance="V")
    anna = eyes(asked, "client", "Patient/anna")
    tess = eyes(asked, "therapist", "Practitioner/tess")
    for who in (lead, anna):
        tree = await who.read("QuestionnaireResponse/with")
        assert links(tree) == ["C1", "X1"]
        assert "tag" not in tree["meta"]
    seen = await tess.read("QuestionnaireResponse/with")
    assert links(seen) == ["C1"]
    assert [tag["code"] for tag in seen["meta"]["tag"]] == ["SUBSETTED"]


async def test_what_others_write_keeps_it(asked):
    lead = eyes(asked, "clinical_lead", "Practitioner/lea", clearance="V")
    path = "QuestionnaireResponse/with"
    before = await lead.read(path)
    tree = (await asked.http.get(path)).json()
    put = await asked.http.put(path, json={**tree, "status": "amended"})
    assert put.status_code == 200, put.text
    assert "X1" not in put.text
    after = await lead.read(path)
    assert after["item"] == before["item"]
    assert after["status"] == "amended"
    assert "tag" not in after["meta"]
    patch = [{"op": "remove", "path": "/item/0"}]
    patched = await asked.http.patch(
        path,
        content=json.dumps(patch),
        headers={"Content-Type": "application/json-patch+json"},
    )
    assert patched.status_code == 200, patched.text
    assert links(await lead.read(path)) == ["X1"]


async def test_a_patch_cannot_ask_after_it(asked):
    test = [{"op": "test", "path": "/item/1/linkId", "value": "X1"}]
    answers = [
        await asked.http.patch(
            f"QuestionnaireResponse/{id}",
            content=json.dumps(test),
            headers={"Content-Type": "application/json-patch+json"},
        )
        for id in ("with", "without")
    ]
    assert answers[0].status_code == answers[1].status_code == 422
    assert answers[0].json() == answers[1].json()


async def test_writing_back_what_was_read_changes_nothing(asked):
    path = "QuestionnaireResponse/with"
    read = await asked.http.get(path)
    put = await asked.http.put(path, json=read.json())
    assert (put.status_code, put.headers["etag"]) == (200, read.headers["etag"])


async def test_an_export_leaves_it_out_too(asked):
    told = await manifest(asked.application, asked.http, "$export?_type=QuestionnaireResponse")
    found = await exported(asked.http, told)
    assert [links(tree) for tree in found] == [["C1"], ["C1"]]
    assert all("SUBSETTED" in str(tree["meta"]["tag"]) for tree in found)
    for tree in found:
        assert tree == (await asked.http.get(f"QuestionnaireResponse/{tree['id']}")).json()

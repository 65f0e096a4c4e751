"""``$expand``, ``$validate-code``, ``$lookup``: over the clinic's own terminology and HL7's."""

from __future__ import annotations

import pytest

from tests.http.answers import ok, refused
from tests.support.operations import all_of, parameters, told

OURS = "https://rapport.example.org"
ANSWERS = f"{OURS}/ValueSet/asc-answer"
SYSTEM = f"{OURS}/CodeSystem/asc-answer"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


def codes(tree):
    assert tree["resourceType"] == "ValueSet"
    return [each["code"] for each in tree["expansion"].get("contains", ())]


async def expand(http, **query):
    return ok(await http.get("ValueSet/$expand", params=query))


async def test_a_value_set_of_ours(ehr):
    tree = await expand(ehr, url=ANSWERS)
    assert codes(tree) == ["0", "1", "2", "3", "4", "no-answer"]
    assert tree["expansion"]["total"] == 6
    assert tree["expansion"]["contains"][0] == {
        "system": SYSTEM,
        "version": "1.0.0",
        "code": "0",
        "display": "Not at all",
    }
    assert "compose" not in tree
    assert ok(await ehr.get("ValueSet/asc-answer/$expand"))["expansion"]["total"] == 6


async def test_in_arabic(ehr):
    tree = await expand(ehr, url=ANSWERS, displayLanguage="ar-AE", count="1")
    assert tree["expansion"]["contains"][0]["display"] == "لا إطلاقًا"
    tree = await expand(ehr, url=ANSWERS, includeDesignations="true", count="1")
    assert tree["expansion"]["contains"][0]["designation"][0]["language"] == "ar"


async def test_by_text_and_page(ehr):
    assert codes(await expand(ehr, url=ANSWERS, filter="not s")) == ["no-answer"]
    tree = await expand(ehr, url=ANSWERS, offset="2", count="2")
    assert (codes(tree), tree["expansion"]["total"]) == (["2", "3"], 6)
    below = {"url": ANSWERS, "count": "-1", "offset": "-2"}
    issues = refused(await ehr.get("ValueSet/$expand", params=below), 422, "value")
    assert [each["expression"] for each in issues] == [
        [f"Parameters.parameter.where(name='{name}')"] for name in ("offset", "count")
    ]


async def test_what_nobody_chooses_may_be_left_out(ehr):
    """Members that a form does not show, and composed ones, which there are none of."""
    system = "http://example.org/CodeSystem/moods"
    heading = {"code": "moods", "property": [{"code": "notSelectable", "valueBoolean": True}]}
    tree = {
        "resourceType": "CodeSystem", "url": system, "status": "active", "content": "complete",
        "property": [{"code": "notSelectable", "type": "boolean"}],
        "concept": [heading, {"code": "calm"}],
    }  # fmt: skip
    assert (await ehr.post("CodeSystem", json=tree)).status_code == 201
    included = {"include": [{"system": system}]}
    moods = {"resourceType": "ValueSet", "status": "active", "compose": included}
    for left_out, wanted in ((False, ["moods", "calm"]), (True, ["calm"])):
        body = parameters(valueSet=moods, excludeNotForUI=left_out, excludePostCoordinated=left_out)
        found = ok(await ehr.post("ValueSet/$expand", json=body))
        assert (codes(found), found["expansion"]["total"]) == (wanted, len(wanted))


async def test_a_value_set_of_hl7(ehr):
    tree = await expand(ehr, url="http://hl7.org/fhir/ValueSet/administrative-gender")
    assert codes(tree) == ["male", "female", "other", "unknown"]
    versioned = "http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1"
    assert codes(await expand(ehr, url=versioned)) == codes(tree)
    wrong = {"url": "http://hl7.org/fhir/ValueSet/administrative-gender|9"}
    refused(await ehr.get("ValueSet/$expand", params=wrong), 404, "not-found")


async def test_a_composition_that_comes_along(ehr):
    value_set = {
        "resourceType": "ValueSet",
        "status": "active",
        "compose": {
            "include": [
                {
                    "system": ACT,
                    "filter": [{"property": "concept", "op": "is-a", "value": "AMB"}],
                },
                {"system": SYSTEM, "concept": [{"code": "4"}]},
                {"valueSet": [ANSWERS], "system": SYSTEM, "concept": [{"code": "0"}]},
            ],
            "exclude": [{"system": SYSTEM, "concept": [{"code": "4"}]}],
        },
    }
    for body in (parameters(valueSet=value_set), value_set):
        assert codes(ok(await ehr.post("ValueSet/$expand", json=body))) == ["AMB", "0"]


@pytest.mark.parametrize(
    "include, code",
    [
        ({"system": "http://nowhere.example.org"}, "not-found"),
        ({"valueSet": ["http://nowhere.example.org"]}, "not-found"),
        (
            {"system": SYSTEM, "filter": [{"property": "code", "op": "regex", "value": "(a+)+$"}]},
            "not-supported",
        ),
    ],
)
async def test_what_cannot_be_computed_is_refused(ehr, include, code):
    value_set = {
        "resourceType": "ValueSet",
        "status": "active",
        "compose": {"include": [include]},
    }
    refused(await ehr.post("ValueSet/$expand", json=value_set), 422, code)


async def test_value_sets_that_name_each_other_end(clinic):
    for name, other in (("one", "two"), ("two", "one")):
        tree = {
            "resourceType": "ValueSet",
            "id": name,
            "url": f"http://example.org/{name}",
            "status": "active",
            "compose": {"include": [{"valueSet": [f"http://example.org/{other}"]}]},
        }
        assert (await clinic.http.put(f"ValueSet/{name}", json=tree)).status_code == 201
    refused(await clinic.http.get("ValueSet/one/$expand"), 422, "processing")


async def test_concepts_that_are_their_own_parents_end(clinic):
    tree = {
        "resourceType": "CodeSystem",
        "id": "circle",
        "url": "http://example.org/circle",
        "status": "active",
        "content": "complete",
        "property": [{"code": "parent", "type": "code"}],
        "concept": [
            {"code": "a", "property": [{"code": "parent", "valueCode": "b"}]},
            {"code": "b", "property": [{"code": "parent", "valueCode": "a"}]},
        ],
    }
    assert (await clinic.http.put("CodeSystem/circle", json=tree)).status_code == 201
    test = {"property": "concept", "op": "descendent-of", "value": "z"}
    value_set = {
        "resourceType": "ValueSet",
        "status": "active",
        "compose": {"include": [{"system": "http://example.org/circle", "filter": [test]}]},
    }
    assert codes(ok(await clinic.http.post("ValueSet/$expand", json=value_set))) == []


async def test_whether_a_code_belongs(ehr):
    async def verdict(**given):
        answer = await ehr.get("ValueSet/$validate-code", params={"url": ANSWERS, **given})
        return dict(told(ok(answer)))

    assert await verdict(code="3", system=SYSTEM) == {"result": True, "display": "Mostly"}
    assert await verdict(code="3") == {"result": True, "display": "Mostly"}
    assert (await verdict(code="7", system=SYSTEM))["result"] is False
    assert (await verdict(code="3", system="http://loinc.org"))["result"] is False
    wrong = await verdict(code="3", system=SYSTEM, display="Hardly")
    assert (wrong["result"], wrong["display"]) == (False, "Mostly")
    arabic = await verdict(code="4", system=SYSTEM, display="تمامًا", displayLanguage="ar")
    assert arabic == {"result": True, "display": "تمامًا"}


async def test_a_coding_or_a_concept_may_be_asked_about(ehr):
    coding = {"system": SYSTEM, "code": "2"}
    for name, value in (
        ("coding", {"valueCoding": coding}),
        ("codeableConcept", {"valueCodeableConcept": {"coding": [{"code": "x"}, coding]}}),
    ):
        body = {
            "resourceType": "Parameters",
            "parameter": [{"name": "url", "valueUri": ANSWERS}, {"name": name, **value}],
        }
        answer = ok(await ehr.post("ValueSet/$validate-code", json=body))
        assert dict(told(answer))["result"] is True


async def test_a_question_without_a_code_or_a_set(ehr):
    refused(await ehr.get("ValueSet/$validate-code", params={"url": ANSWERS}), 422, "required")
    refused(await ehr.get("ValueSet/$validate-code", params={"code": "1"}), 422, "required")
    unknown = {"code": "1", "url": "http://example.org/nowhere"}
    refused(await ehr.get("ValueSet/$validate-code", params=unknown), 404, "not-found")


async def test_what_is_known_of_a_code(ehr):
    query = {"system": f"{OURS}/CodeSystem/rupture-rule", "code": "step-drop"}
    answer = ok(await ehr.get("CodeSystem/$lookup", params=query))
    found = dict(told(answer))
    assert (found["name"], found["version"], found["display"]) == (
        "Rupture rules",
        "1.0.0",
        "Step drop",
    )
    assert all_of(answer, "designation") == [{"language": "ar", "value": "هبوط عن الجلسة السابقة"}]
    assert all_of(answer, "property")[0]["code"] == "definition"


async def test_a_code_of_hl7_with_its_place(ehr):
    query = {"system": ACT, "code": "AMB"}
    answer = ok(await ehr.get("CodeSystem/$lookup", params=query))
    assert dict(told(answer))["display"] == "ambulatory"
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "coding", "valueCoding": query},
            {"name": "property", "valueCode": "parent"},
        ],
    }
    answer = ok(await ehr.post("CodeSystem/$lookup", json=body))
    assert all_of(answer, "property") == [{"code": "parent", "value": "_ActEncounterCode"}]


async def test_a_code_that_is_not_known(ehr):
    refused(await ehr.get("CodeSystem/$lookup", params={"code": "V"}), 422, "required")
    for query in ({"system": SYSTEM, "code": "9"}, {"system": "urn:x", "code": "9"}):
        refused(await ehr.get("CodeSystem/$lookup", params=query), 404, "not-found")

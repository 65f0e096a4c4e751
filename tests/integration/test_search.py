"""Search over stored resources, on both databases."""

from __future__ import annotations

import re

import pytest
import pytest_asyncio

from app.core.errors import AppError
from tests.support.databases import DIALECTS, Databases
from tests.support.searching import World, name_of, world

SCALE = "https://rapport.example.org/CodeSystem/alliance-scale"
MRN = "urn:oid:1.2.3"

PATIENTS = [
    {
        "resourceType": "Patient",
        "id": "anna",
        "active": True,
        "name": [{"family": "Müller Smith", "given": ["Anna", "Zoë"]}],
        "gender": "female",
        "birthDate": "1980-02-29",
        "identifier": [
            {
                "system": MRN,
                "value": "12",
                "type": {"coding": [{"system": "http://t", "code": "MR"}], "text": "Record number"},
            }
        ],
        "telecom": [{"system": "phone", "value": "555"}],
        "address": [{"line": ["1 Main Road"], "city": "Bath"}],
        "generalPractitioner": [{"reference": "Practitioner/house"}],
        "meta": {"tag": [{"system": "http://tags", "code": "vip"}], "profile": ["http://p/a|1"]},
    },
    {
        "resourceType": "Patient",
        "id": "bert",
        "name": [{"text": "Bert O'Neil, Smithson"}],
        "birthDate": "1980-03",
        "identifier": [{"system": "urn:oid:9", "value": "12"}, {"value": "a,b|c$d\\e"}],
        "deceasedBoolean": False,
    },
    {"resourceType": "Patient", "id": "cleo", "gender": "other", "birthDate": "1979"},
]
OTHERS = [
    {"resourceType": "Practitioner", "id": "house", "name": [{"family": "House"}]},
    {
        "resourceType": "Questionnaire",
        "id": "asc",
        "url": "http://q/asc",
        "version": "2",
        "status": "active",
        "title": "Check-in",
    },
    {
        "resourceType": "QuestionnaireResponse",
        "id": "r1",
        "status": "completed",
        "questionnaire": "http://q/asc|2",
        "subject": {"reference": "Patient/anna"},
        "authored": "2025-06-01T10:00:00+02:00",
    },
    {
        "resourceType": "QuestionnaireResponse",
        "id": "r2",
        "status": "in-progress",
        "questionnaire": "http://q/asc",
        "subject": {"reference": "http://127.0.0.1:8000/fhir/Patient/bert"},
    },
    {
        "resourceType": "QuestionnaireResponse",
        "id": "r3",
        "status": "completed",
        "questionnaire": "http://q/asc|1",
        "subject": {"identifier": {"system": MRN, "value": "12"}},
    },
    {
        "resourceType": "Encounter",
        "id": "open",
        "status": "in-progress",
        "class": {"code": "AMB"},
        "subject": {"reference": "Patient/anna"},
        "period": {"start": "2025-01-10"},
    },
    {
        "resourceType": "Encounter",
        "id": "shut",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": "Patient/anna", "display": "Anna"},
        "period": {"start": "2024-12-31T10:00:00Z", "end": "2025-01-02T10:00:00Z"},
    },
]


def observation(id: str, **members: object) -> dict[str, object]:
    return {"resourceType": "Observation", "id": id, "status": "final"} | members


def coded(code: str, text: str | None = None, system: str = SCALE) -> dict[str, object]:
    concept: dict[str, object] = {"coding": [{"system": system, "code": code, "display": code}]}
    return concept | ({"text": text} if text else {})


OBSERVATIONS = [
    observation(
        "exact",
        code=coded("bond", "The Bond felt"),
        subject={"reference": "Patient/anna"},
        effectiveDateTime="2025-01-01",
        valueQuantity={
            "value": 100.0,
            "unit": "points",
            "system": "http://unitsofmeasure.org",
            "code": "{score}",
        },
        derivedFrom=[{"reference": "QuestionnaireResponse/r1"}],
    ),
    observation(
        "near",
        code=coded("goal"),
        subject={"reference": "Patient/anna/_history/3"},
        effectivePeriod={"start": "2025-01-01T08:00:00Z", "end": "2025-01-01T09:00:00Z"},
        valueQuantity={"value": 99.6},
    ),
    observation(
        "parts",
        code={"text": "words only"},
        subject={"reference": "Patient/bert"},
        effectiveInstant="2025-02-03T04:05:06.789Z",
        component=[
            {"code": coded("bond"), "valueQuantity": {"value": 1}},
            {"code": coded("goal"), "valueQuantity": {"value": 5}},
        ],
    ),
    observation("bare", code=coded("bond", system="http://else"), valueString="Grün"),
    observation(
        "abroad", code=coded("task"), subject={"reference": "https://far/fhir/Patient/anna"}
    ),
]


@pytest_asyncio.fixture(scope="module", params=DIALECTS)
async def clinic(request: pytest.FixtureRequest, databases: Databases):
    async with world(await databases.make(request.param)) as made:
        await made.put(*PATIENTS, *OTHERS, *OBSERVATIONS)
        await made.put(
            {"resourceType": "Patient", "id": "anna", "name": [{"family": "Elsewhere"}]}, tenant=2
        )
        yield made


def ids(found: list[str]) -> set[str]:
    return {reference.partition("/")[2] for reference in found}


# Texts and numbers of confidential types: found only among what is named. That there is a pair
# with a number is told by the pair's code.
_UNINDEXED = re.compile(r"value-(quantity(?!:missing)|string)|(?<!code-)value-quantity|:text")


@pytest.mark.parametrize(
    "type_name, query, expected",
    [
        # string
        ("Patient", "name=mull", {"anna"}),
        ("Patient", "name=MÜLL", {"anna"}),
        ("Patient", "name=smith", {"anna", "bert"}),
        ("Patient", "family=smith", {"anna"}),
        ("Patient", "name=uller", set()),
        ("Patient", "name:contains=uller", {"anna"}),
        ("Patient", "name:contains=%25", set()),
        ("Patient", "name:contains=_", set()),
        ("Patient", "given:exact=Zoë", {"anna"}),
        ("Patient", "given:exact=zoe", set()),
        ("Patient", "family:exact=Smith", set()),
        ("Patient", "name=o'neil,ANNA", {"anna", "bert"}),
        ("Patient", "name=neil", set()),
        ("Patient", "name=bert o,ANNA", {"anna", "bert"}),
        ("Patient", "name=anna&name=zoe", {"anna"}),
        ("Patient", "address=bath", {"anna"}),
        ("Patient", "name:missing=true", {"cleo"}),
        ("Patient", "name:missing=false", {"anna", "bert"}),
        ("Observation", "value-string=grun", {"bare"}),
        # token
        ("Patient", "gender=female", {"anna"}),
        ("Patient", "gender=http://hl7.org/fhir/administrative-gender|female", {"anna"}),
        ("Patient", "gender=http://wrong|female", set()),
        ("Patient", "gender:not=female", {"bert", "cleo"}),
        ("Patient", "gender:not=female,other", {"bert"}),
        ("Patient", "active=true", {"anna"}),
        ("Patient", "identifier=12", {"anna", "bert"}),
        ("Patient", f"identifier={MRN}|12", {"anna"}),
        ("Patient", f"identifier={MRN}|", {"anna"}),
        ("Patient", "identifier=|12", set()),
        ("Patient", f"identifier={MRN}|12,urn:oid:9|12", {"anna", "bert"}),
        ("Patient", f"identifier={MRN}|12,urn:oid:9|13", {"anna"}),
        ("Patient", r"identifier=a\,b\|c\$d\\e", {"bert"}),
        ("Patient", r"identifier=|a\,b\|c\$d\\e", {"bert"}),
        ("Patient", "identifier:of-type=http://t|MR|12", {"anna"}),
        ("Patient", "identifier:of-type=http://t|XX|12", set()),
        ("Patient", "identifier:text=record", {"anna"}),
        ("Patient", "phone=555", {"anna"}),
        ("Patient", "email=555", set()),
        ("Patient", "deceased=false", {"anna", "bert", "cleo"}),
        ("Patient", "_tag=http://tags|vip", {"anna"}),
        ("Patient", "_tag:not=vip", {"bert", "cleo"}),
        ("Observation", "code=bond", {"exact", "bare"}),
        ("Observation", f"code={SCALE}|bond", {"exact"}),
        ("Observation", f"code={SCALE}|bond,goal", {"exact", "near"}),
        ("Observation", "code:text=the bond", {"exact"}),
        ("Observation", "code:text=words", {"parts"}),
        ("Observation", "code:missing=true", set()),
        ("Observation", "combo-code=goal", {"near", "parts"}),
        # reference
        ("Observation", "subject=Patient/anna", {"exact", "near"}),
        ("Observation", "subject=anna", {"exact", "near"}),
        ("Observation", "subject:Patient=anna", {"exact", "near"}),
        ("Observation", "subject:Group=anna", set()),
        ("Observation", "patient=Patient/anna", {"exact", "near"}),
        ("Observation", "subject=Patient/anna/_history/3", {"near"}),
        ("Observation", "subject=http://127.0.0.1:8000/fhir/Patient/anna", {"exact", "near"}),
        ("Observation", "subject=https://far/fhir/Patient/anna", {"abroad"}),
        ("Observation", "subject=Patient/anna,Patient/bert", {"exact", "near", "parts"}),
        ("Observation", "subject:missing=true", {"bare"}),
        ("QuestionnaireResponse", f"subject:identifier={MRN}|12", {"r3"}),
        ("QuestionnaireResponse", "subject:missing=true", set()),
        ("QuestionnaireResponse", "questionnaire=http://q/asc", {"r1", "r2", "r3"}),
        ("QuestionnaireResponse", "questionnaire=http://q/asc|2", {"r1"}),
        ("QuestionnaireResponse", "subject=Patient/bert", {"r2"}),
        ("QuestionnaireResponse", "subject=Device/x", set()),
        # date
        ("Patient", "birthdate=1980", {"anna", "bert"}),
        ("Patient", "birthdate=1980-02", {"anna"}),
        ("Patient", "birthdate=ne1980", {"cleo"}),
        ("Patient", "birthdate=gt1980-02", {"bert"}),
        ("Patient", "birthdate=ge1980-02", {"anna", "bert"}),
        ("Patient", "birthdate=lt1980", {"cleo"}),
        ("Patient", "birthdate=le1980-02-29", {"anna", "cleo"}),
        ("Patient", "birthdate=1979,1980-03", {"bert", "cleo"}),
        ("Patient", "birthdate=ap1980-02-29", {"anna", "bert", "cleo"}),
        ("Observation", "date=2025-01-01", {"exact", "near"}),
        ("Observation", "date=sa2025-01-01", {"parts"}),
        ("Observation", "date=eb2025-02-03T04:05:06.789Z", {"exact", "near"}),
        ("Observation", "date=2025-02-03T04:05:06Z", {"parts"}),
        ("Observation", "date=2025-02-03T04:05Z", {"parts"}),
        ("QuestionnaireResponse", "authored=2025-06-01T08:00:00Z", {"r1"}),
        ("QuestionnaireResponse", "authored=2025-06-01T10:00:00 02:00", {"r1"}),
        ("Encounter", "date=gt2030", {"open"}),
        ("Encounter", "date=2025-01", set()),
        ("Encounter", "date=lt2025-01-01", {"shut"}),
        ("Encounter", "date=sa2025-01-05", {"open"}),
        ("Encounter", "date=ap2025-01-01T12:00:00Z", {"open", "shut"}),
        # number and quantity
        ("Observation", "value-quantity=100", {"exact", "near"}),
        ("Observation", "value-quantity=100.0", {"exact"}),
        ("Observation", "value-quantity=ge100", {"exact"}),
        ("Observation", "value-quantity=lt100", {"near"}),
        ("Observation", "value-quantity=ne100.0", {"near"}),
        ("Observation", "value-quantity=ap95", {"exact", "near"}),
        ("Observation", "value-quantity=100||points", {"exact"}),
        ("Observation", "value-quantity=100||{score}", {"exact"}),
        ("Observation", "value-quantity=100|http://unitsofmeasure.org|{score}", {"exact"}),
        ("Observation", "value-quantity=100|http://other|{score}", set()),
        ("Observation", "value-quantity=1e2", {"exact", "near"}),
        # uri
        ("Questionnaire", "url=http://q/asc", {"asc"}),
        ("Questionnaire", "url=http://q", set()),
        ("Questionnaire", "url:below=http://q", {"asc"}),
        ("Questionnaire", "url:above=http://q/asc/more", {"asc"}),
        ("Patient", "_profile=http://p/a", {"anna"}),
        ("Patient", "_profile=http://p/a|1", {"anna"}),
        # composite
        ("Observation", "combo-code-value-quantity=bond$100", {"exact"}),
        ("Observation", "component-code-value-quantity=bond$1", {"parts"}),
        ("Observation", "component-code-value-quantity=bond$5", set()),
        ("Observation", "component-code-value-quantity=bond$5,goal$5", {"parts"}),
        ("Observation", f"code-value-quantity={SCALE}|goal$lt100", {"near"}),
        ("Observation", "component-code-value-quantity:missing=false", {"parts"}),
        # chains and their reverse
        ("Observation", "subject.name=anna", {"exact", "near"}),
        ("Observation", "subject:Patient.name=bert", {"parts"}),
        ("Observation", "patient.general-practitioner.name=house", {"exact", "near"}),
        ("Observation", "derived-from:QuestionnaireResponse.questionnaire.title=check", {"exact"}),
        ("QuestionnaireResponse", "questionnaire.title=check", {"r1", "r2"}),
        ("Patient", "_has:Observation:patient:code=goal", {"anna"}),
        ("Patient", "_has:Observation:patient:component-code=goal", {"bert"}),
        (
            "Practitioner",
            "_has:Patient:general-practitioner:_has:Observation:subject:code=goal",
            {"house"},
        ),
        ("Questionnaire", "_has:QuestionnaireResponse:questionnaire:patient.name=anna", {"asc"}),
        ("Patient", "_has:Encounter:patient:date=gt2030", {"anna"}),
        # what all resources have
        ("Patient", "_id=anna", {"anna"}),
        ("Patient", "_id=anna,cleo,none", {"anna", "cleo"}),
        ("Patient", "_id:not=anna", {"bert", "cleo"}),
        ("Patient", "_lastUpdated=gt2026-01-01T00:00:01.5Z", {"bert", "cleo"}),
        ("Patient", "_lastUpdated=2026", {"anna", "bert", "cleo"}),
        ("Patient", "", {"anna", "bert", "cleo"}),
        ("Patient", "name=", {"anna", "bert", "cleo"}),
        ("Patient", "nonsense=1", {"anna", "bert", "cleo"}),
    ],
)
async def test_finds_what_is_asked_for(clinic: World, type_name, query, expected):
    bounded = type_name == "Observation" and bool(_UNINDEXED.search(query))
    if bounded:
        with pytest.raises(AppError) as refusal:
            await clinic.find(type_name, query, count=2)
        assert refusal.value.issues[0].code == "too-costly"
    assert ids(await clinic.find(type_name, query, count=2, bounded=bounded)) == expected


@pytest.mark.parametrize(
    "query, expected",
    [
        ("_sort=birthdate", ["cleo", "anna", "bert"]),
        ("_sort=-birthdate", ["bert", "anna", "cleo"]),
        ("_sort=gender", ["anna", "cleo", "bert"]),
        ("_sort=-gender", ["cleo", "anna", "bert"]),
        ("_sort=-name", ["anna", "bert", "cleo"]),
        ("_sort=name", ["anna", "bert", "cleo"]),
        ("_sort=_id", ["anna", "bert", "cleo"]),
        ("_sort=-_id", ["cleo", "bert", "anna"]),
        ("_sort=_lastUpdated", ["anna", "bert", "cleo"]),
        ("_sort=-_lastUpdated", ["cleo", "bert", "anna"]),
        ("_sort=active,-gender", ["anna", "cleo", "bert"]),
        ("", ["cleo", "bert", "anna"]),
        ("_sort=birthdate&name:missing=false", ["anna", "bert"]),
    ],
)
async def test_sorts_by_several_keys_and_puts_missing_values_last(clinic: World, query, expected):
    for count in (1, 2, 10):
        found = await clinic.find("Patient", query, count=count)
        assert found == [f"Patient/{id}" for id in expected]


@pytest.mark.parametrize(
    "type_name, query, expected",
    [
        ("Observation", "_id=exact&_include=Observation:subject", {"Patient/anna"}),
        ("Observation", "_id=exact&_include=Observation:subject:Group", set()),
        ("Observation", "_id=exact&_include=Observation:patient:Patient", {"Patient/anna"}),
        (
            "Observation",
            "_id=exact&_include=Observation:*",
            {"Patient/anna", "QuestionnaireResponse/r1"},
        ),
        ("Observation", "_id=exact&_include=*", {"Patient/anna", "QuestionnaireResponse/r1"}),
        (
            "Observation",
            "_id=exact&_include=Observation:subject&_include:iterate=Patient:general-practitioner",
            {"Patient/anna", "Practitioner/house"},
        ),
        (
            "Observation",
            "_id=exact&_include=Observation:subject&_include=Patient:general-practitioner",
            {"Patient/anna"},
        ),
        (
            "QuestionnaireResponse",
            "_id=r1,r3&_include=QuestionnaireResponse:questionnaire",
            {"Questionnaire/asc"},
        ),
        ("QuestionnaireResponse", "_id=r3&_include=QuestionnaireResponse:questionnaire", set()),
        (
            "Questionnaire",
            "_id=asc&_revinclude=QuestionnaireResponse:questionnaire",
            {"QuestionnaireResponse/r1", "QuestionnaireResponse/r2"},
        ),
        (
            "Patient",
            "_id=anna&_revinclude=Observation:subject",
            {"Observation/exact", "Observation/near"},
        ),
        (
            "Patient",
            "_id=anna&_revinclude=*",
            {
                "Observation/exact",
                "Observation/near",
                "QuestionnaireResponse/r1",
                "Encounter/open",
                "Encounter/shut",
            },
        ),
        ("Patient", "_id=anna&_revinclude=Observation:subject:Group", set()),
        (
            "Patient",
            "_id=anna&_revinclude=Observation:subject&_include:iterate=Observation:derived-from",
            {"Observation/exact", "Observation/near", "QuestionnaireResponse/r1"},
        ),
    ],
)
async def test_includes_what_goes_along(clinic: World, type_name, query, expected):
    page = await clinic.page(type_name, query)
    included = [name_of(row) for row in page.includes]
    assert set(included) == expected
    assert len(included) == len(expected)


async def test_a_match_is_never_also_an_include(clinic: World):
    page = await clinic.page("Patient", "_revinclude=Patient:link&_include=*")
    assert {row.kind for row in page.matches}.isdisjoint({row.kind for row in page.includes})


async def test_a_compartment_holds_what_refers_to_its_owner(clinic: World):
    of_anna = {"compartment": ("Patient", "anna")}
    assert ids(await clinic.find("Observation", "", **of_anna)) == {"exact", "near"}
    assert ids(await clinic.find("Observation", "code=goal", **of_anna)) == {"near"}
    everything = await clinic.find(None, "", **of_anna)
    assert set(everything) == {
        "Patient/anna",
        "Observation/exact",
        "Observation/near",
        "QuestionnaireResponse/r1",
        "Encounter/open",
        "Encounter/shut",
    }


async def test_the_system_is_searched_by_what_all_types_have(clinic: World):
    assert await clinic.find(None, "_tag=vip") == ["Patient/anna"]
    found = await clinic.find(None, "_type=Patient,Questionnaire", count=2)
    assert set(found) == {"Patient/anna", "Patient/bert", "Patient/cleo", "Questionnaire/asc"}
    assert ids(await clinic.find(None, "_type=Encounter&_sort=_id&date=gt2030")) == {"open"}


@pytest.mark.parametrize(
    "query, matches, total",
    [
        ("_count=0", 0, 3),
        ("_summary=count", 0, 3),
        ("_total=none", 3, None),
        ("_total=accurate&_count=1", 1, 3),
        ("_total=estimate&_count=1", 1, 3),
        ("_count=1", 1, 3),
        ("_count=2000", 3, 3),
        ("gender=female&_count=0", 0, 1),
    ],
)
async def test_counts_and_totals(clinic: World, query, matches, total):
    page = await clinic.page("Patient", query)
    assert (len(page.matches), page.total) == (matches, total)


async def test_another_tenants_resources_are_not_there(clinic: World):
    assert await clinic.find("Patient", "name=elsewhere") == []
    page = await clinic.page("Observation", "_id=exact&_include=Observation:subject")
    assert b"Elsewhere" not in b"".join(row.text for row in page.includes)

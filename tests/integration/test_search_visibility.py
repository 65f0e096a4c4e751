"""What a caller may not see is not there: not as a match, not by any trace that it leaves."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio

from app.fhir.registry import REGISTRY
from app.search import expression, parser
from app.search.expression import Has, Param
from app.search.visibility import Alternative, Visible
from tests.support.databases import DIALECTS, Databases
from tests.support.searching import BASE, World, name_of, world

KIND = {name: entry.code for name, entry in REGISTRY.items()}
PATIENT, PRACTITIONER = KIND["Patient"], KIND["Practitioner"]

OPEN: list[dict[str, Any]] = [
    {"resourceType": "Practitioner", "id": "me", "name": [{"family": "Me"}]},
    {"resourceType": "Practitioner", "id": "other", "name": [{"family": "Other"}]},
    {
        "resourceType": "Patient",
        "id": "mine",
        "name": [{"family": "Mine"}],
        "birthDate": "1980",
        "identifier": [{"value": "1"}],
        "generalPractitioner": [{"reference": "Practitioner/me"}],
    },
    {
        "resourceType": "EpisodeOfCare",
        "id": "e-mine",
        "status": "active",
        "patient": {"reference": "Patient/mine"},
        "careManager": {"reference": "Practitioner/me"},
    },
    *(
        {
            "resourceType": "Observation",
            "id": f"mine-{n}",
            "status": "final",
            "code": {"coding": [{"code": "bond"}]},
            "subject": {"reference": "Patient/mine"},
            "performer": [{"reference": "Practitioner/me"}],
            "effectiveDateTime": f"2025-01-0{n + 1}",
            # Leads to what is hidden in one of the worlds and absent from the other.
            "hasMember": [{"reference": "Observation/theirs-0"}],
            "valueQuantity": {"value": n},
        }
        for n in range(3)
    ),
]
HIDDEN: list[dict[str, Any]] = [
    {
        "resourceType": "Patient",
        "id": "theirs",
        "name": [{"family": "Theirs"}],
        "birthDate": "1970",
        "identifier": [{"value": "1"}],
        "generalPractitioner": [{"reference": "Practitioner/me"}],
        "link": [{"other": {"reference": "Patient/gone"}, "type": "seealso"}],
    },
    {
        "resourceType": "EpisodeOfCare",
        "id": "e-theirs",
        "status": "active",
        "patient": {"reference": "Patient/theirs"},
        "careManager": {"reference": "Practitioner/other"},
    },
    *(
        {
            "resourceType": "Observation",
            "id": f"theirs-{n}",
            "status": "final",
            "code": {"coding": [{"code": "bond"}]},
            "subject": {"reference": "Patient/theirs"},
            "performer": [{"reference": "Practitioner/other"}],
            "effectiveDateTime": f"2025-01-0{n + 1}",
            "focus": [{"reference": "Patient/mine"}],
            "hasMember": [{"reference": "Observation/mine-0"}],
            "derivedFrom": [{"reference": "Observation/mine-1"}],
            "valueQuantity": {"value": n},
        }
        for n in range(3)
    ),
]


CLINICAL = (PATIENT, KIND["EpisodeOfCare"], KIND["Observation"])


def everywhere(*ways: Alternative, denied: tuple[Alternative, ...] = ()) -> Visible:
    """The same ways to see the clinical types; all practitioners besides."""
    grants = dict.fromkeys(CLINICAL, ways) | {PRACTITIONER: (Alternative(),)}
    return Visible(1, grants, dict.fromkeys(CLINICAL, denied))


def managed_by(practitioner: str) -> Has:
    test = expression.Test("target", (PRACTITIONER, practitioner))
    episode = KIND["EpisodeOfCare"]
    return Has(episode, "patient", Param(episode, "care-manager", "reference", (test,)))


NAMED_MINE = Param(PATIENT, "family", "string", (expression.Test("starts", ("mine", "minf")),))
EYES = {
    "compartment": everywhere(Alternative(compartment=(PATIENT, "mine"))),
    "compartments": everywhere(Alternative(compartment=(PATIENT, ("mine", "nobody")))),
    "several ways": everywhere(
        Alternative(compartment=(PATIENT, "mine"), confidentiality=1),
        Alternative(compartment=(PATIENT, "nobody"), confidentiality=1),
        Alternative(author=(PRACTITIONER, "nobody")),
    ),
    "care": everywhere(Alternative(within=(PATIENT, managed_by("me")))),
    "owner": everywhere(Alternative(within=(PATIENT, NAMED_MINE))),
    "confidentiality": everywhere(Alternative(confidentiality=1)),
    "sensitivity": everywhere(Alternative(sensitivity=0b101)),
    "denial": everywhere(Alternative(), denied=(Alternative(compartment=(PATIENT, "theirs")),)),
    "denied care": everywhere(
        Alternative(), denied=(Alternative(within=(PATIENT, managed_by("other"))),)
    ),
}


@pytest_asyncio.fixture(scope="module", params=DIALECTS)
async def twins(request: pytest.FixtureRequest, databases: Databases):
    """Two worlds that differ only in what is hidden; row numbers are alike."""
    async with (
        world(await databases.make(request.param)) as full,
        world(await databases.make(request.param)) as bare,
    ):
        for twin in (full, bare):
            for tree in OPEN:
                await twin.put(tree, confidentiality=1, sensitivity=0b001)
            if twin is full:
                await twin.put(*HIDDEN, confidentiality=2, sensitivity=0b010)
            else:
                twin.skip(len(HIDDEN))
            await twin.put(OPEN[2] | {"id": "nobody", "name": []}, confidentiality=1)
            await twin.put(
                OPEN[3] | {"id": "e-nobody", "patient": {"reference": "Patient/nobody"}},
                confidentiality=1,
            )
        yield full, bare


QUESTIONS = [
    ("Patient", ""),
    ("Patient", "_count=0"),
    ("Patient", "_total=accurate&_count=1"),
    ("Patient", "identifier=1"),
    ("Patient", "name=theirs"),
    ("Patient", "name:missing=false"),
    ("Patient", "birthdate=ne1980"),
    ("Patient", "_sort=birthdate"),
    ("Patient", "_sort=-name&_count=1"),
    ("Patient", "_id=theirs"),
    ("Patient", "_id:not=theirs"),
    ("Patient", "_has:Observation:patient:code=bond"),
    ("Patient", "_has:Observation:focus:code=bond"),
    ("Patient", "_has:Patient:link:family=theirs"),
    ("Patient", "_has:EpisodeOfCare:patient:care-manager=other"),
    ("Patient", "_revinclude=Observation:focus"),
    ("Patient", "_revinclude=*"),
    ("Patient", "_revinclude=Observation:patient&_revinclude:iterate=Observation:has-member"),
    ("Patient", "_include=Patient:general-practitioner"),
    ("Observation", ""),
    ("Observation", "_count=2"),
    ("Observation", "_sort=-date&_count=2"),
    ("Observation", "patient=mine&_sort=value-quantity,-date&_count=1"),
    ("Observation", "code=bond&_sort=date"),
    ("Observation", "code:not=goal"),
    ("Observation", "subject=Patient/theirs"),
    ("Observation", "subject=theirs"),
    ("Observation", "patient.name=theirs"),
    ("Observation", "patient.gender:not=x"),
    ("Observation", "subject:Patient.birthdate=1970"),
    ("Observation", "has-member.code=bond"),
    ("Observation", "has-member:missing=false"),
    ("Observation", "has-member=Observation/theirs-0"),
    ("Observation", "_has:Observation:has-member:code=bond"),
    ("Observation", "_has:Observation:derived-from:status=final"),
    ("Observation", "_include=Observation:has-member"),
    ("Observation", "_include:iterate=Observation:has-member"),
    ("Observation", "_include=*&_revinclude=*"),
    ("Observation", "_revinclude:iterate=Observation:has-member"),
    ("Observation", "_lastUpdated=gt2020"),
    ("Practitioner", "_has:Patient:general-practitioner:name=theirs"),
    ("Practitioner", "_has:EpisodeOfCare:care-manager:status=active"),
    ("Practitioner", "_revinclude=*&_revinclude:iterate=Observation:patient"),
    ("EpisodeOfCare", "patient.name=theirs"),
    ("EpisodeOfCare", "_include=EpisodeOfCare:patient&_include=EpisodeOfCare:care-manager"),
    (None, "_type=Patient,Observation&_count=2"),
    (None, "_tag=x"),
    ("Encounter", ""),
]  # fmt: skip


@pytest.mark.parametrize("eyes", EYES)
async def test_hidden_rows_change_nothing(twins: tuple[World, World], eyes):
    full, bare = twins
    for type_name, query in QUESTIONS:
        options: dict[str, Any] = {"visible": EYES[eyes]}
        if type_name in ("Patient", "Observation"):
            options |= {"count": 3}
        here = await full.pages(type_name, query, **options)
        there = await bare.pages(type_name, query, **options)
        assert here == there, (type_name, query)


async def test_the_worlds_do_differ(twins: tuple[World, World]):
    full, bare = twins
    seen = Visible.everything(1, reason="both worlds whole")
    differing = [
        (type_name, query)
        for type_name, query in QUESTIONS
        if await full.pages(type_name, query, visible=seen)
        != await bare.pages(type_name, query, visible=seen)
    ]
    # Whoever sees all of it can tell from nearly every question.
    assert len(differing) > 0.7 * len(QUESTIONS)


async def test_a_caller_sees_their_own(twins: tuple[World, World]):
    full, _ = twins
    for eyes in ("compartment", "care", "owner"):
        found = await full.find("Observation", "_sort=date", visible=EYES[eyes])
        assert found == ["Observation/mine-0", "Observation/mine-1", "Observation/mine-2"], eyes


async def test_a_type_without_a_grant_is_not_there(twins: tuple[World, World]):
    full, _ = twins
    eyes = Visible(1, {KIND["Observation"]: (Alternative(),)})
    for query in ("patient.name=mine", "_has:Observation:has-member:patient.name=mine"):
        assert await full.find("Observation", query, visible=eyes) == []
    assert await full.find("Patient", "", visible=eyes) == []
    page = await full.page("Observation", "_include=*&_revinclude=*", visible=eyes)
    assert {row.kind for row in page.includes} <= {KIND["Observation"]}


async def test_an_author_sees_what_they_wrote(twins: tuple[World, World]):
    full, _ = twins
    eyes = everywhere(Alternative(author=(PRACTITIONER, "other")))
    found = await full.find("Observation", "_sort=date", visible=eyes)
    assert found == ["Observation/theirs-0", "Observation/theirs-1", "Observation/theirs-2"]
    assert await full.find("Observation", "patient.name=theirs", visible=eyes) == []


async def test_a_scope_with_a_constraint_narrows(twins: tuple[World, World]):
    full, _ = twins
    query = parser.parse_criteria(
        "Observation", [("_id:not", "mine-0"), ("patient.name", "mine")], base=BASE
    )
    eyes = everywhere(Alternative(constraint=query.where))
    found = await full.find("Observation", "_sort=date", visible=eyes)
    assert found == ["Observation/mine-1", "Observation/mine-2"]


async def test_includes_are_limited_after_they_are_judged(
    twins: tuple[World, World], monkeypatch: pytest.MonkeyPatch
):
    full, bare = twins
    monkeypatch.setattr("app.repositories.searches.MAX_INCLUDES", 2)
    eyes = EYES["compartment"]
    query = "_id=mine&_revinclude=Observation:patient"
    here, there = [await twin.page("Patient", query, visible=eyes) for twin in (full, bare)]
    assert here == there
    assert [name_of(row) for row in here.includes] == ["Observation/mine-2", "Observation/mine-1"]
    assert [issue.code for issue in here.issues] == ["too-costly"]


async def test_deleted_and_replaced_versions_are_not_found(twins: tuple[World, World]):
    full, bare = twins
    for twin in (full, bare):
        await twin.put(OPEN[0] | {"id": "brief", "name": [{"family": "Before"}]})
        await twin.put(OPEN[0] | {"id": "brief", "name": [{"family": "After"}]})
    assert await full.find("Practitioner", "name=before") == []
    assert await full.find("Practitioner", "name=after") == ["Practitioner/brief"]
    for twin in (full, bare):
        await twin.remove("Practitioner/brief")
    assert await full.find("Practitioner", "name=after") == []
    assert await full.find("Practitioner", "_id=brief") == []

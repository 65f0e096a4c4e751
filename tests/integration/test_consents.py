"""Consents decide in the query: reads, searches, totals and includes, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.consents import actor, consent, data, labels, provision, purposes
from tests.support.eyes import Eyes, eyes

HIE = "Organization/exchange"
TESS, THEO, LEA = "Practitioner/tess", "Practitioner/theo", "Practitioner/lea"


def about(type_name: str, id: str, subject: str, **fields: Any) -> dict[str, Any]:
    return {
        "resourceType": type_name,
        "id": id,
        "subject": {"reference": subject},
        **fields,
    }


def score(id: str, subject: str, *codes: str, **fields: Any) -> dict[str, Any]:
    return about(
        "Observation",
        id,
        subject,
        status="final",
        code={"coding": [{"system": "http://scales", "code": "bond"}]},
        effectiveDateTime="2026-01-02",
        valueInteger=3,
        **({"meta": {"security": labels(*codes)}} if codes else {}),
        **fields,
    )


def episode(id: str, patient: str) -> dict[str, Any]:
    return {
        "resourceType": "EpisodeOfCare",
        "id": id,
        "status": "active",
        "patient": {"reference": patient},
        "careManager": {"reference": TESS},
        "period": {"start": "2026-01-01"},
    }


def encounter(id: str, subject: str) -> dict[str, Any]:
    return about(
        "Encounter",
        id,
        subject,
        status="finished",
        **{"class": {"code": "AMB"}},
        period={"start": "2026-01-02T10:00:00Z", "end": "2026-01-02T11:00:00Z"},
    )


def note(id: str, subject: str, author: str) -> dict[str, Any]:
    return about(
        "DocumentReference",
        id,
        subject,
        status="current",
        author=[{"reference": author}],
        content=[{"attachment": {"contentType": "text/plain", "data": "AAAA"}}],
        meta={"security": labels("PSYTHPN")},
    )


WORLD = [
    *({"resourceType": "Practitioner", "id": id} for id in ("tess", "theo", "lea")),
    {"resourceType": "Organization", "id": "exchange", "name": "Exchange"},
    *({"resourceType": "Patient", "id": id} for id in ("anna", "berta", "carl")),
    *(episode(f"e-{id}", f"Patient/{id}") for id in ("anna", "berta", "carl")),
    *(encounter(f"s-{id}", f"Patient/{id}") for id in ("anna", "berta", "carl")),
    *(
        score(f"o-{id}", f"Patient/{id}", encounter={"reference": f"Encounter/s-{id}"})
        for id in ("anna", "berta", "carl")
    ),
    score("o-own", "Patient/anna", performer=[{"reference": TESS}]),
    score("o-sdv", "Patient/anna", "SDV"),
    score("o-v", "Patient/anna", "V"),
    note("n-anna", "Patient/anna", TESS),
    {
        "resourceType": "Group",
        "id": "couple",
        "type": "person",
        "actual": True,
        "member": [
            {"entity": {"reference": "Patient/anna"}},
            {"entity": {"reference": "Patient/berta"}},
        ],
    },
    about(
        "Goal",
        "joint",
        "Group/couple",
        lifecycleStatus="active",
        description={"text": "Talk every Sunday"},
    ),
    {
        "resourceType": "Task",
        "id": "t-anna",
        "status": "requested",
        "intent": "order",
        "for": {"reference": "Patient/anna"},
    },
]


class World:
    """The clinic, and who looks at it."""

    def __init__(self, clinic: Any) -> None:
        self.clinic = clinic
        self.ehr = eyes(clinic, "system", f"Organization/{clinic.tenant.slug}")
        self.hie = eyes(clinic, "outside_system", HIE, clearance="N")
        self.tess = eyes(clinic, "therapist", TESS)
        self.theo = eyes(clinic, "therapist", THEO)
        self.lea = eyes(clinic, "clinical_lead", LEA, clearance="V")
        self.anna = eyes(clinic, "client", "Patient/anna")
        self.berta = eyes(clinic, "client", "Patient/berta")

    async def put(self, *resources: dict[str, Any]) -> None:
        for tree in resources:
            path = f"{tree['resourceType']}/{tree['id']}"
            answer = await self.clinic.http.put(path, json=tree)
            assert answer.status_code in (200, 201), answer.text

    async def consent(self, rules: Any, patient: str = "anna", **more: Any) -> None:
        id = more.pop("id", f"c-{patient}")
        await self.put({**consent(patient, rules, **more), "id": id})

    async def withdraw(self, patient: str = "anna", id: str | None = None) -> None:
        await self.consent(provision("permit"), patient, id=id or f"c-{patient}", status="inactive")


@pytest.fixture
async def world(clinic):
    made = World(clinic)
    await made.put(*WORLD)
    return made


async def sight(who: Eyes, *references: str) -> list[bool]:
    return [await who.sees(reference) for reference in references]


async def test_without_a_consent_the_clinic_sees_and_an_outsider_does_not(world):
    rows = ("Patient/anna", "Observation/o-anna", "Encounter/s-anna", "Task/t-anna")
    for who in (world.tess, world.ehr, world.lea):
        assert await sight(who, *rows) == [True] * 4, who
    for who in (world.theo, world.hie):
        assert await sight(who, *rows) == [False] * 4, who
    assert await world.hie.sees("Organization/exchange")


async def test_a_permit_opens_what_it_says_and_withdrawal_closes_it_at_once(world):
    named = {"actor": [actor(HIE)], "purpose": purposes("TREAT")}
    await world.consent(provision("permit", **named))
    rows = ("Patient/anna", "Encounter/s-anna", "Observation/o-anna", "Patient/berta")
    assert await sight(world.hie, *rows) == [True, True, False, False]
    await world.consent(provision("permit", **named, securityLabel=labels("R")))
    assert await sight(world.hie, *rows) == [True, True, True, False]
    assert await world.hie.finds("Observation") == (
        {"Observation/o-anna", "Observation/o-own"},
        2,
    )
    assert await sight(world.hie, "Observation/o-sdv", "Observation/o-v") == [False, False]
    assert await world.tess.sees("Observation/o-anna")
    await world.withdraw()
    assert await sight(world.hie, *rows) == [False] * 4
    assert await world.hie.finds("Observation") == (set(), 0)


async def test_a_permit_for_another_purpose_or_another_time_opens_nothing(world):
    named = {"actor": [actor(HIE)]}
    await world.consent(provision("permit", **named, purpose=purposes("HRESCH")))
    assert not await world.hie.sees("Patient/anna")
    await world.consent(provision("permit", **named, period={"end": "2020"}))
    assert not await world.hie.sees("Patient/anna")
    await world.consent(provision("permit", **named, action=[coded("collect")]))
    assert not await world.hie.sees("Patient/anna")
    await world.consent(provision("permit", **named, action=[coded("access")]))
    assert await world.hie.sees("Patient/anna")


def coded(code: str) -> dict[str, Any]:
    system = "http://terminology.hl7.org/CodeSystem/consentaction"
    return {"coding": [{"system": system, "code": code}]}


async def test_a_permit_ends_by_itself(world):
    await world.consent(
        provision("permit", actor=[actor(HIE)], period={"end": "2126-01-01T00:00:00Z"})
    )
    assert await world.hie.sees("Patient/anna")
    world.clinic.application.clock.turn(seconds=100 * 366 * 86400)
    try:
        assert not await world.hie.sees("Patient/anna")
    finally:
        world.clinic.application.clock.turn(seconds=-100 * 366 * 86400)


async def test_a_denial_of_all_stops_everybody_but_the_person_and_the_author(world):
    await world.consent(provision("deny"))
    rows = ("Patient/anna", "Observation/o-anna", "Encounter/s-anna", "Task/t-anna")
    for who in (world.tess, world.ehr, world.lea, world.theo, world.hie):
        assert await sight(who, *rows) == [False] * 4, who
    assert await sight(world.tess, "Observation/o-own", "DocumentReference/n-anna") == [True] * 2
    assert await sight(world.anna, *rows) == [True] * 4
    assert await world.lea.sees("Observation/o-v")
    assert await world.tess.sees("Observation/o-berta")
    assert await world.ehr.sees("Consent/c-anna")
    await world.withdraw()
    assert await world.tess.sees("Observation/o-anna")


async def test_a_denial_beats_a_permit_in_another_consent(world):
    await world.consent(provision("permit", actor=[actor(HIE)]), id="c-1")
    assert await world.hie.sees("Patient/anna")
    await world.consent(provision("deny", actor=[actor(HIE)]), id="c-2")
    assert not await world.hie.sees("Patient/anna")
    assert await world.tess.sees("Patient/anna")


async def test_a_denial_names_whom_and_what(world):
    await world.consent(
        provision(
            "permit", provision("deny", class_=[{"code": "Observation"}]), actor=[actor(TESS)]
        )
    )
    assert await sight(world.tess, "Observation/o-anna", "Encounter/s-anna") == [False, True]
    assert await world.ehr.sees("Observation/o-anna")
    await world.consent(
        provision(
            "permit",
            provision("deny", code=[{"coding": [{"system": "http://scales", "code": "bond"}]}]),
        )
    )
    assert await sight(world.ehr, "Observation/o-anna", "Encounter/s-anna") == [False, True]


async def test_data_may_be_named_one_by_one_by_relation_and_by_author(world):
    hie = {"actor": [actor(HIE)], "securityLabel": labels("R")}
    for named, expected in (
        (data("instance", "Observation/o-anna"), [True, False, False]),
        (data("dependents", "Encounter/s-anna"), [True, True, False]),
        (data("related", "Encounter/s-anna"), [True, True, False]),
        (data("related", "Observation/o-anna"), [True, True, False]),
        (data("authoredby", TESS), [False, False, True]),
    ):
        await world.consent(provision("permit", **hie, data=named))
        rows = ("Observation/o-anna", "Encounter/s-anna", "Observation/o-own")
        assert await sight(world.hie, *rows) == expected, named


@pytest.mark.parametrize(
    "named",
    [("dependents", "Encounter/s-anna"), ("related", "Encounter/s-anna"),
     ("related", "Observation/o-anna"), ("instance", "Encounter/s-anna")],
)  # fmt: skip
async def test_what_a_denial_by_relation_hid_stays_hidden_once_it_is_deleted(world, named):
    """Its references are gone by then, so nobody could tell any more that it was meant."""
    hie = {"actor": [actor(HIE)], "securityLabel": labels("R")}
    denial = provision("deny", actor=[actor(HIE)], data=data(*named))
    await world.consent(provision("permit", denial, **hie))
    both = ("Observation/o-anna", "Encounter/s-anna")
    hidden = [each for each in both if not await world.hie.sees(each)]
    assert "Encounter/s-anna" in hidden
    for reference in both:
        assert (await world.clinic.http.delete(reference)).status_code == 204
    for reference in both:
        assert await world.ehr.finds_deleted(reference)
        assert reference not in hidden or not await world.hie.finds_deleted(reference)


async def test_a_time_frame_is_that_of_the_data(world):
    frame = {"start": "2026-01-01", "end": "2026-01-31"}
    await world.consent(
        provision("permit", actor=[actor(HIE)], securityLabel=labels("R"), dataPeriod=frame)
    )
    assert await world.hie.sees("Observation/o-anna")
    frame = {"start": "2025-01-01", "end": "2025-01-31"}
    await world.consent(
        provision("permit", actor=[actor(HIE)], securityLabel=labels("R"), dataPeriod=frame)
    )
    assert not await world.hie.sees("Observation/o-anna")


async def test_who_belongs_to_what_is_named_is_named(world):
    await world.put(
        {
            "resourceType": "Group",
            "id": "circle",
            "type": "practitioner",
            "actual": True,
            "member": [{"entity": {"reference": THEO}}],
        }
    )
    await world.consent(
        provision("permit", actor=[actor("Group/circle")], securityLabel=labels("R"))
    )
    assert await sight(world.theo, "Observation/o-anna", "Observation/o-berta") == [True, False]
    await world.put(
        {
            "resourceType": "Group",
            "id": "circle",
            "type": "practitioner",
            "actual": True,
            "member": [{"entity": {"reference": THEO}, "period": {"end": "2020"}}],
        }
    )
    assert not await world.theo.sees("Observation/o-anna")


async def test_a_note_is_its_authors_until_a_consent_names_it_a_person_and_a_purpose(world):
    everybody = (world.theo, world.ehr, world.lea, world.hie, world.anna)
    assert await world.tess.sees("DocumentReference/n-anna")
    named = {"actor": [actor(THEO)], "securityLabel": labels("PSYTHPN")}
    for rules in (
        provision("permit", **named, purpose=purposes("TREAT")),
        provision("deny", provision("permit", **named)),
        provision("permit", provision("permit", **{**named, "securityLabel": labels("V")})),
    ):
        await world.consent(rules)
        for who in everybody:
            assert not await who.sees("DocumentReference/n-anna"), rules
    await world.consent(provision("deny", provision("permit", **named, purpose=purposes("TREAT"))))
    assert await world.theo.sees("DocumentReference/n-anna")
    for who in everybody[1:]:
        assert not await who.sees("DocumentReference/n-anna")


async def test_a_consent_that_cannot_be_computed_changes_nothing(world):
    await world.consent({"actor": [actor(HIE)]})
    assert not await world.hie.sees("Patient/anna")
    assert await world.tess.sees("Patient/anna")


async def test_what_is_joint_is_hidden_from_both_until_both_open_it(world):
    joint = ("Goal/joint", "Group/couple")
    assert await sight(world.anna, *joint) == [False, False]
    assert await sight(world.tess, *joint) == [True, True]
    opened = provision("permit", actor=[actor("Group/couple")])
    await world.consent(opened, "anna")
    assert await sight(world.anna, *joint) == [False, False]
    assert await sight(world.berta, *joint) == [False, False]
    await world.consent(opened, "berta")
    assert await sight(world.anna, *joint) == [True, True]
    assert await sight(world.berta, *joint) == [True, True]
    assert not await world.anna.sees("Observation/o-berta")
    assert not await world.anna.sees("Consent/c-berta")
    await world.withdraw("berta")
    assert await sight(world.anna, *joint) == [False, False]


async def test_separation_closes_what_was_joint(world):
    opened = provision("permit", actor=[actor("Group/couple")])
    for patient in ("anna", "berta"):
        await world.consent(opened, patient)
    couple = next(tree for tree in WORLD if tree["id"] == "couple")
    ended = [{**member, "period": {"end": "2026-02-01"}} for member in couple["member"]]
    await world.put({**couple, "member": ended})
    assert await sight(world.anna, "Goal/joint", "Group/couple") == [False, False]
    assert await sight(world.tess, "Goal/joint", "Group/couple") == [True, True]


async def test_one_partners_denial_covers_what_is_joint(world):
    await world.consent(provision("deny", actor=[actor(TESS)]), "berta")
    assert await sight(world.tess, "Goal/joint", "Observation/o-anna") == [False, True]


async def test_what_is_about_both_opens_to_an_outsider_by_both_consents(world):
    opened = provision("permit", actor=[actor(HIE)], securityLabel=labels("R"))
    await world.consent(opened, "anna")
    assert await sight(world.hie, "Goal/joint", "Group/couple") == [False, False]
    await world.consent(opened, "berta")
    assert await sight(world.hie, "Goal/joint", "Group/couple") == [True, True]


async def test_a_deleted_consent_decides_nothing(world):
    await world.consent(provision("deny"))
    assert not await world.tess.sees("Patient/anna")
    assert (await world.clinic.http.delete("Consent/c-anna")).status_code in (200, 204)
    assert await world.tess.sees("Patient/anna")


async def test_includes_and_chains_follow_the_same_eyes(world):
    await world.consent(
        provision(
            "permit",
            provision("deny", data=data("instance", "Encounter/s-anna")),
            actor=[actor(HIE)],
            securityLabel=labels("R"),
        )
    )
    found, total = await world.hie.finds(
        "Observation", ("_id", "o-anna"), ("_include", "Observation:encounter")
    )
    assert (found, total) == ({"Observation/o-anna"}, 1)
    chained = await world.hie.finds("Observation", ("encounter.status", "finished"))
    assert chained == (set(), 0)


async def test_the_log_names_the_consent_that_decided(world):
    hie = await world.clinic.as_client(
        "system/*.rs", role="outside_system", actor=HIE, clearance="N"
    )
    await world.consent(provision("permit", actor=[actor(HIE)]))
    assert (await hie.get("Encounter/s-anna")).status_code == 200
    await world.consent(provision("deny", actor=[actor(HIE)]))
    assert (await hie.get("Encounter/s-anna")).status_code == 404
    auditor = await world.clinic.as_client("system/AuditEvent.rs", role="auditor")
    found = (await auditor.get("AuditEvent", params={"patient": "Patient/anna"})).text
    assert found.count("Consent/c-anna") >= 2
    assert "Consent.provision" in found


async def test_the_log_of_a_search_names_what_opened_each_clients_rows(world):
    http = await world.clinic.as_client(
        "system/*.rs", role="outside_system", actor=HIE, clearance="N"
    )
    named = {"actor": [actor(HIE)]}
    await world.consent(provision("permit", **named), "anna")
    await world.consent(
        provision(
            "permit",
            provision("permit", **named, securityLabel=labels("R")),
            purpose=purposes("TREAT"),
        ),
        "berta",
    )
    await world.consent(provision("permit", **named), "berta", id="c-other")
    assert (await http.get("Observation")).json()["total"] == 1
    assert (await http.get("Encounter")).json()["total"] == 2
    assert (await http.get("Encounter/s-anna/_history")).json()["total"] == 1
    auditor = await world.clinic.as_client("system/AuditEvent.rs", role="auditor")

    async def told(subtype):
        bundle = (await auditor.get("AuditEvent", params={"subtype": subtype})).json()
        return {
            (entity["what"]["reference"], detail["valueString"])
            for entry in bundle["entry"]
            for entity in entry["resource"].get("entity", ())
            for detail in entity.get("detail", ())
            if detail["type"] == "provision"
        }

    assert await told("search-type") == {
        ("Consent/c-anna/_history/1", "Consent.provision"),
        ("Consent/c-berta/_history/1", "Consent.provision.provision[0]"),
    }
    assert await told("history-instance") == {("Consent/c-anna/_history/1", "Consent.provision")}


async def test_a_consent_that_cannot_be_computed_says_so(world):
    tree = {**consent("anna", {"actor": [actor(HIE)]}), "id": "odd"}
    answer = await world.clinic.http.put(
        "Consent/odd", json=tree, headers={"Prefer": "return=OperationOutcome"}
    )
    assert answer.status_code == 201
    assert answer.json()["issue"][0]["severity"] == "warning"
    assert answer.json()["issue"][0]["expression"] == ["Consent.provision.type"]


async def test_a_withdrawal_holds_for_the_next_page(world):
    """What a process presumes of a caller is asked again with each statement, so any process."""
    http = await world.clinic.as_client(
        "system/*.rs", role="outside_system", actor=HIE, clearance="N"
    )
    opened = provision("permit", actor=[actor(HIE)], securityLabel=labels("R"))
    await world.consent(opened)
    first = (await http.get("Observation", params={"_count": "1"})).json()
    assert first["total"] == 2
    following = next(link["url"] for link in first["link"] if link["relation"] == "next")
    assert len((await http.get(following)).json()["entry"]) == 1
    await world.withdraw()
    assert (await http.get(following)).json().get("entry", []) == []
    assert (await http.get("Observation")).json()["total"] == 0
    assert (await http.get("Observation/o-anna")).status_code == 404


async def test_a_client_raises_a_label_and_never_lowers_one(world):
    raised = {**score("o-raised", "Patient/anna"), "meta": {"security": labels("R", "HIV")}}
    await world.put(raised)
    hidden = {**raised, "meta": {"security": labels("N")}}
    await world.put(hidden)
    stored = await world.ehr.read("Observation/o-raised")
    codes = {coding["code"] for coding in stored["meta"]["security"]}
    assert codes >= {"R", "HIV"} and "N" not in codes
    derived = score("o-derived", "Patient/anna", derivedFrom=[{"reference": "Observation/o-sdv"}])
    await world.put(derived)
    assert not await world.theo.sees("Observation/o-derived")
    stored = await world.lea.read("Observation/o-derived")
    assert {coding["code"] for coding in stored["meta"]["security"]} >= {"V", "SDV"}


async def test_a_bundle_carries_the_highest_label_in_it(world):
    for query, code in (("Patient", "N"), ("Observation", "R"), ("Patient?_id=nobody", None)):
        bundle = (await world.clinic.http.get(query)).json()
        found = [label["code"] for label in bundle.get("meta", {}).get("security", [])]
        assert found == ([code] if code else []), query

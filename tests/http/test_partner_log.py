"""A client's log says nothing of what their partner keeps closed, whoever finds it and how."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.http.answers import made, ok, resources
from tests.http.own_log import named, told
from tests.http.resources import (
    EMERGENCY,
    bundle,
    couple,
    encounter,
    entry,
    episode,
    goal,
    observation,
    patient,
)
from tests.http.writing import put
from tests.support.consents import CONFIDENTIALITY, actor, consent, provision
from tests.support.exports import below, manifest
from tests.support.staff import signed_in

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
COUPLE, PAIR = "Group/couple", ("pia", "paul")
VERY = {"security": [{"system": CONFIDENTIALITY, "code": "V"}]}
TYPES = "http://hl7.org/fhir/resource-types"
GOES_ON = "_include:iterate=Group:member"
# What is the partner's, the couple's, or a row of both; nothing of it is hers alone.
THEIRS = (
    "Goal/both", "Goal/both/_history", "Goal/both/_history/1", "Encounter/both", COUPLE,
    "Goal?_id=both", f"Goal?subject={COUPLE}", "Goal?_id=both,g-paul", "Goal?_id=g-paul&_include=*",
    "Goal?_id=both&_include=Goal:subject", f"Goal?_id=both&_include=Goal:subject&{GOES_ON}",
    "Encounter?_id=both&_include=*&_include:iterate=*",
    f"Group?_id=couple&_include=Group:member&_revinclude=Goal:subject&{GOES_ON}",
    "Group?_has:Goal:subject:_id=both", "Group?member=Patient/pia", "Group?member.family=pia",
    "Group/couple/_history", "Group/couple/$couple-summary?scale=bond", "Patient/paul/Group",
    "Patient?_id=paul&_revinclude=*", "Patient/paul/$everything", "Patient/paul/*",
    "Patient?_id=paul&_revinclude=Consent:patient&_include:iterate=Consent:actor",
    "Consent/k-paul", "Consent?patient=Patient/paul&_include=Consent:actor",
    "Communication/c-paul", "Communication?_id=c-paul", "Patient/paul/Communication",
    "Communication?_id=c-paul&_include=Communication:recipient",
    "Communication/c-both", "Communication?_id=c-both&_include=*",
    f"$explain-access?resource={COUPLE}&actor=Patient/pia",
    "$explain-access?resource=Goal/both&actor=Patient/pia",
    "?_type=Goal,Encounter&_id=both", "Observation?_id=both&_include=Observation:subject",
)  # fmt: skip


def communication(subject: str, sender: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Communication",
        "status": "completed",
        "subject": {"reference": subject},
        "sender": {"reference": sender},
        **more,
    }


@pytest.fixture
async def records(clinic):
    """A couple: he opens what she cannot find here; each has some of every type, and both have."""
    for id in PAIR:
        tess = {"careManager": {"reference": "Practitioner/tess"}}
        mine = communication(f"Patient/{id}", "Practitioner/tess")
        for tree in (
            patient(id, id=id),
            episode(f"Patient/{id}", id=f"e-{id}", **tess),
            {**goal(f"Patient/{id}"), "id": f"g-{id}"},
            {**observation(f"Patient/{id}"), "id": f"o-{id}"},
            {**mine, "id": f"of-{id}"},
        ):
            await put(clinic.http, tree)
    to_her = {"recipient": [{"reference": "Patient/pia"}]}
    of_both = {**observation(COUPLE), "id": "both", "meta": VERY}
    elsewhere = [{"system": TYPES, "code": "Appointment"}]
    rules = provision("permit", actor=[actor("Patient/pia")], class_=elsewhere)
    for tree in (
        couple(*(f"Patient/{id}" for id in PAIR), id="couple"),
        {**goal(COUPLE), "id": "both"},
        {**encounter(COUPLE), "id": "both"},
        of_both,
        communication("Patient/paul", "Practitioner/tess", id="c-paul", **to_her),
        communication("Patient/pia", "Patient/paul", id="c-both"),
        consent("paul", rules, id="k-paul"),
        consent("pia", provision("permit", actor=[actor(COUPLE)]), id="k-pia"),
    ):
        await put(clinic.http, tree)
    return clinic.http


class Log:
    """What one of the couple is told that others did, since it was last asked."""

    def __init__(self, who: httpx.AsyncClient, id: str) -> None:
        self.who, self._self = who, f"Patient/{id}"
        self._known: set[str] = set()

    async def since(self) -> list[dict[str, Any]]:
        events = list(resources(ok(await self.who.get("AuditEvent?_count=60"))))
        new = [each for each in events if each["id"] not in self._known]
        self._known.update(each["id"] for each in events)
        return [each for each in new if self._self not in _agents(each)]


def _agents(event: dict[str, Any]) -> set[str]:
    return {each.get("who", {}).get("reference", "") for each in event["agent"]}


async def log_of(clinic, id: str) -> Log:
    log = Log(await signed_in(clinic, "client", f"Patient/{id}"), id)
    await log.since()
    return log


@pytest.fixture
async def hers(clinic, records):
    return await log_of(clinic, "pia")


@pytest.fixture(params=["therapist", "clinical_lead", "client", "system"])
async def caller(request, clinic, records):
    """Who asks: staff, the record system, and the partner."""
    if request.param == "system":
        return records
    who = {"therapist": "Practitioner/tess", "client": "Patient/paul"}
    return await signed_in(clinic, request.param, who.get(request.param, "Practitioner/lea"))


async def test_nothing_is_told_of_who_finds_what_is_closed(caller, hers):
    found = 0
    for path in THEIRS:
        found += (await caller.get(path)).status_code == 200
        assert not await hers.since(), path
    assert found > 15
    posted = {"headers": FORM, "content": f"subject={COUPLE}&_include=Goal:subject&{GOES_ON}"}
    ok(await caller.post("Goal/_search", **posted))
    assert not await hers.since()
    for kind, paths in (("batch", THEIRS), ("transaction", THEIRS[5:12])):
        ok(await caller.post("", json=bundle(kind, *(entry("GET", path) for path in paths))))
        assert not await hers.since(), kind


async def test_nothing_is_told_of_who_writes_what_is_closed(caller, hers):
    on_hold = [{"op": "replace", "path": "/lifecycleStatus", "value": "on-hold"}]
    patched = {"json": on_hold, "headers": {"Content-Type": "application/json-patch+json"}}
    whole = {**goal(COUPLE), "id": "both"}
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "Goal", {"json": goal(COUPLE, "another")}),
        ("POST", "Goal", {"json": goal(COUPLE), "headers": {"If-None-Exist": "_id=both"}}),
        ("POST", "Goal/both/$validate", {"json": whole}),
        ("PUT", "Goal/both", {"json": whole}),
        ("PUT", "Goal?_id=both", {"json": goal(COUPLE)}),
        ("PUT", "Goal/both", {"json": {**whole, "lifecycleStatus": "wrong"}}),
        ("PUT", "Goal/both", {"json": whole, "headers": {"If-Match": 'W/"99"'}}),
        ("PATCH", "Goal/both", patched),
        ("PATCH", "Goal?_id=both", patched),
        ("DELETE", "Goal?_id=both", {}),
        ("DELETE", "Goal/both", {}),
        ("GET", "Goal/both", {}),
        ("GET", "Goal/both/_history/1", {}),
    ]
    for method, url, more in requests:
        answer = await caller.request(method, url, **more)
        assert answer.status_code < 500
        assert not await hers.since(), (method, url)


async def test_nothing_is_told_of_a_refusal_or_an_emergency_that_is_the_others(
    clinic, records, hers
):
    tess = await signed_in(clinic, "therapist", "Practitioner/tess")
    lea = await signed_in(clinic, "clinical_lead", "Practitioner/lea")
    denial = provision("deny", actor=[actor("Practitioner/tess")])
    await put(records, consent("paul", denial, id="denies"))
    ok(await lea.post("Patient/paul/$break-glass", json=EMERGENCY))
    for who in (tess, lea):
        for path in THEIRS:
            await who.get(path)
            assert not await hers.since(), path


async def test_nothing_is_told_of_who_exports_what_is_closed(clinic, records, hers):
    for kind in ("Group", "Encounter"):
        [file] = (await manifest(clinic.application, records, f"$export?_type={kind}"))["output"]
        assert (await records.get(below(file["url"]))).text
        assert not await hers.since()


async def test_a_search_for_what_only_labels_hide_is_not_told(clinic, records):
    """Of that type she sees nothing: that something was found would tell that there is some."""
    for id in PAIR:
        await put(records, consent(id, provision("permit", actor=[actor(COUPLE)]), id=f"k-{id}"))
    await put(records, {**observation("Patient/paul"), "id": "o-pia"})
    hers = await log_of(clinic, "pia")
    lea = await signed_in(clinic, "clinical_lead", "Practitioner/lea")
    ok(await lea.get(f"Observation?subject={COUPLE}"))
    assert not await hers.since()
    ok(await lea.get(f"Goal?subject={COUPLE}"))
    assert len(await hers.since()) == 1


async def test_a_search_is_not_told_once_what_it_found_is_deleted(clinic, records):
    opened = [{"system": TYPES, "code": code} for code in ("Encounter", "Group")]
    rules = provision("permit", actor=[actor(COUPLE)], class_=opened)
    await put(records, consent("paul", rules, id="k-paul"))
    hers = await log_of(clinic, "pia")
    tess = await signed_in(clinic, "therapist", "Practitioner/tess")
    ok(await tess.get(f"Goal?subject={COUPLE}"))
    assert (await records.delete("Goal/both")).status_code == 204
    assert not await hers.since()


async def test_each_is_told_once_of_what_is_open(clinic, records):
    for id in PAIR:
        await put(records, consent(id, provision("permit", actor=[actor(COUPLE)]), id=f"k-{id}"))
    logs = [await log_of(clinic, id) for id in PAIR]
    tess = await signed_in(clinic, "therapist", "Practitioner/tess")
    alone = ("g-paul", "of-paul", "Consent", "Patient", "$explain", "Observation", "$couple")
    paths = [path for path in THEIRS if not any(each in path for each in alone)]
    assert len(paths) > 15
    for path in paths:
        ok(await tess.get(path))
        assert [len(await log.since()) for log in logs] == [1, 1], path
    made(await tess.post("Goal", json=goal(COUPLE)))
    assert [len(await log.since()) for log in logs] == [1, 1]
    everything = named(await told(logs[0].who, "Patient/pia"))
    assert {"Goal/both", "Communication/c-both", "Communication/c-paul"} <= everything


async def test_what_one_closes_hides_nothing_that_is_anothers(clinic, records):
    """She is one of two couples, and one search finds what is of both."""
    other = "Group/other"
    for tree in (
        patient("carl", id="carl"),
        couple("Patient/pia", "Patient/carl", id="other"),
        {**goal(other), "id": "theirs"},
        *(
            consent(id, provision("permit", actor=[actor(other)]), id=f"k2-{id}")
            for id in ("pia", "carl")
        ),
    ):
        await put(records, tree)
    hers = await log_of(clinic, "pia")
    lea = await signed_in(clinic, "clinical_lead", "Practitioner/lea")
    ok(await lea.get(f"Goal?subject={COUPLE},{other}"))
    [event] = await hers.since()
    assert other in named([event]) and COUPLE not in named([event])


@pytest.mark.parametrize(
    "chain, hers, his",
    [
        ("patient:Patient._has:Goal:patient:_id", "g-pia", "g-paul"),
        ("patient:Patient._has:Consent:patient:_id", "k-pia", "k-paul"),
        ("entity:Goal.subject:Patient.family", "pia", "paul"),
        ("entity:Goal.patient._has:Observation:patient:_id", "o-pia", "o-paul"),
    ],
)
async def test_the_log_is_asked_for_by_what_leads_on(clinic, records, chain, hers, his):
    """However far a question leads, SQLite's parser reads it, and it finds what it may."""
    pia = await signed_in(clinic, "client", "Patient/pia")
    lea = await signed_in(clinic, "clinical_lead", "Practitioner/lea")
    for id in ("g-pia", "g-paul", "both"):
        ok(await lea.get(f"Goal/{id}"))
    found = named(resources(ok(await pia.get(f"AuditEvent?{chain}={hers}&_count=100"))))
    assert "Goal/g-pia" in found and not found & {"Goal/both", "Goal/g-paul"}
    assert not resources(ok(await pia.get(f"AuditEvent?{chain}={his}")))

"""Who looked at a couple's record stands in the log of each, while the other opens it to them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.http.answers import made, ok, refused, resources
from tests.http.own_log import named, told
from tests.http.resources import couple, encounter, episode, goal, observation, patient
from tests.http.writing import put
from tests.support.consents import CONFIDENTIALITY, actor, consent, provision
from tests.support.exports import below, manifest
from tests.support.staff import signed_in

PAIR = ("pia", "paul")
COUPLE = "Group/couple"
GOALS = [{"system": "http://hl7.org/fhir/resource-types", "code": "Goal"}]
VERY = {"security": [{"system": CONFIDENTIALITY, "code": "V"}]}


@pytest.fixture
async def records(clinic):
    """A couple, whom Tess treats, and what is about both."""
    for id in PAIR:
        await put(clinic.http, patient(id, id=id))
        tess = {"careManager": {"reference": "Practitioner/tess"}}
        await put(clinic.http, episode(f"Patient/{id}", id=f"e-{id}", **tess))
    await put(clinic.http, couple(*(f"Patient/{id}" for id in PAIR), id="couple"))
    await put(clinic.http, {**goal(COUPLE), "id": "both"})
    await put(clinic.http, {**encounter(COUPLE), "id": "both"})
    return clinic.http


async def opens(records: httpx.AsyncClient, id: str, **criteria: Any) -> None:
    """One of the couple opens what is theirs to the couple."""
    rules = provision("permit", actor=[actor(COUPLE)], **criteria)
    await put(records, consent(id, rules, id=f"of-{id}"))


async def closes(records: httpx.AsyncClient, id: str) -> None:
    await put(records, {**ok(await records.get(f"Consent/of-{id}")), "status": "inactive"})


@pytest.fixture
async def pair(clinic, records):
    """Both of them, each signed in, who have opened it to each other."""
    for id in PAIR:
        await opens(records, id)
    return [await signed_in(clinic, "client", f"Patient/{id}") for id in PAIR]


@pytest.fixture
async def tess(clinic, records):
    return await signed_in(clinic, "therapist", "Practitioner/tess")


async def logs(pair: list[httpx.AsyncClient], by: str = "Practitioner/tess") -> list[set[str]]:
    """What each of them is told that somebody did."""
    found = []
    for who, id in zip(pair, PAIR, strict=True):
        events = await told(who, f"Patient/{id}")
        found.append(named([each for each in events if by in _agents(each)]))
    return found


def _agents(event: dict[str, Any]) -> set[str]:
    return {each.get("who", {}).get("reference", "") for each in event["agent"]}


@pytest.mark.parametrize("way", ["Goal/both", "Goal/both/_history", "Goal/both/_history/1"])
async def test_each_is_told_who_read_it(pair, tess, way):
    ok(await tess.get(way))
    for log in await logs(pair):
        assert "Goal/both" in log


async def test_each_is_told_who_wrote_it(pair, tess):
    written = made(await tess.post("Goal", json=goal(COUPLE)))
    changed = made(await tess.post("Encounter", json=encounter(COUPLE)))
    tree = {**ok(await tess.get(changed)), "status": "cancelled"}
    ok(await tess.put(changed, json=tree))
    for log in await logs(pair):
        assert {written, changed} <= log


async def test_each_is_told_who_found_it_and_no_more(pair, tess, clinic):
    ok(await tess.get(f"Goal?subject={COUPLE}"))
    for log in await logs(pair):
        assert {"GET /fhir/Goal?***", COUPLE} <= log
    auditor = await clinic.as_client("system/AuditEvent.rs", name="Auditor", role="auditor")
    asked = ok(await auditor.get(f"AuditEvent?entity={COUPLE}&action=E&_count=100"))
    query = f"GET /fhir/Goal?subject={COUPLE}"
    about = [named([each]) for each in resources(asked) if query in named([each])]
    whose = [each & {f"Patient/{id}" for id in PAIR} for each in about]
    assert sorted(map(sorted, whose)) == [["Patient/paul"], ["Patient/pia"]]


async def test_each_is_told_who_exported_it(clinic, records, pair):
    file = (await manifest(clinic.application, records, "$export?_type=Goal"))["output"][0]
    ok_lines = await records.get(below(file["url"]))
    assert ok_lines.status_code == 200
    for closed in (False, True):
        if closed:
            await closes(records, "paul")
        for who, id in zip(pair, PAIR, strict=True):
            events = await told(who, f"Patient/{id}")
            kinds = {each["subtype"][0]["code"] for each in events if COUPLE in named([each])}
            assert ("export-downloaded" in kinds) is not closed


@pytest.mark.parametrize("other", PAIR)
async def test_nothing_is_told_once_one_closes_it_and_all_when_it_is_open_again(
    records, pair, tess, other
):
    ok(await tess.get("Goal/both"))
    ok(await tess.get(f"Goal?subject={COUPLE}"))
    ok(await tess.get(COUPLE))
    ok(await tess.get("Group?member=Patient/pia"))
    open_logs = await logs(pair)
    await closes(records, other)
    for log in await logs(pair):
        assert not log & {"Goal/both", COUPLE, "GET /fhir/Goal?***", "GET /fhir/Group?***"}
    await opens(records, other)
    for log, before in zip(await logs(pair), open_logs, strict=True):
        assert {"Goal/both", COUPLE, "GET /fhir/Goal?***", "GET /fhir/Group?***"} <= log & before


async def test_searches_are_told_while_all_of_it_is_open(records, pair, tess):
    await opens(records, "paul", class_=GOALS)
    ok(await tess.get("Goal/both"))
    ok(await tess.get("Encounter/both"))
    ok(await tess.get(f"Goal?subject={COUPLE}"))
    ok(await tess.get(f"Encounter?subject={COUPLE}"))
    for log in await logs(pair):
        assert "Goal/both" in log
        assert not log & {"Encounter/both", "GET /fhir/Goal?***", "GET /fhir/Encounter?***"}


async def test_what_labels_hide_is_not_told_and_hides_nothing_else(clinic, records, pair):
    lea = await signed_in(clinic, "clinical_lead", "Practitioner/lea")
    await put(records, {**observation(COUPLE), "id": "very", "meta": VERY})
    ok(await lea.get("Observation/very"))
    ok(await lea.get(f"Goal?subject={COUPLE}"))
    for log in await logs(pair, by="Practitioner/lea"):
        assert "Observation/very" not in log
        assert "GET /fhir/Goal?***" in log


async def test_neither_is_told_what_the_other_looked_at(pair):
    pia, _ = pair
    ok(await pia.get("Goal/both"))
    ok(await pia.get(f"Goal?subject={COUPLE}"))
    own, of_paul = await logs(pair, by="Patient/pia")
    assert {"Goal/both", "GET /fhir/Goal?***"} <= own
    assert not of_paul


async def test_a_refusal_is_told_to_whom_whose_consent_it_was(records, pair, tess):
    denial = provision("deny", actor=[actor("Practitioner/tess")])
    await put(records, consent("paul", denial, id="denies"))
    refused(await tess.get("Goal/both"), 404)
    of_pia, of_paul = await logs(pair)
    assert "Goal/both" in of_paul
    assert "Goal/both" not in of_pia


async def test_what_a_client_asked_is_in_their_log_whatever_is_hidden(clinic, records):
    """Were it left out, the log would tell that there is something."""
    pia = await signed_in(clinic, "client", "Patient/pia")
    for kind in ("Group", "Goal", "DocumentReference"):
        assert ok(await pia.get(f"{kind}?_summary=count"))["total"] == 0
    asked = named(await told(pia, "Patient/pia"))
    for kind in ("Group", "Goal", "DocumentReference"):
        assert f"GET /fhir/{kind}?***" in asked


async def test_a_record_kept_after_separation_is_told_of_as_before(records, pair, tess):
    group = ok(await records.get(COUPLE))
    group["member"][1]["period"] = {"end": "2026-02-01"}
    await put(records, group)
    ok(await tess.get("Goal/both"))
    of_pia, of_paul = await logs(pair)
    seen = [(await who.get("Goal/both")).status_code == 200 for who in pair]
    assert ["Goal/both" in log for log in (of_pia, of_paul)] == seen

"""Every AuditEvent parameter finds in the narrow table what it finds in the ordinary store.

The same events are written twice: as records of the log, and rendered, as resources with index
rows of the official parameters. A question must have one answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import parse_qsl

import pytest
import pytest_asyncio

from app.db.engine import Database
from app.fhir import json
from app.fhir.audit.event import render
from app.fhir.audit.record import AuditRecord
from app.fhir.registry import REGISTRY
from app.repositories.audit_log import AuditLog
from app.repositories.resources import StoredVersion
from app.repositories.searches import Searches
from app.search import compiler, indexer, merging, pages, plans
from app.search.found import Page
from app.search.parser import parse
from app.search.sources import audit_spread
from app.search.sources.audit import AUDIT
from app.search.sources.resource import RESOURCES
from app.search.visibility import Alternative, Visible
from tests.support.audit_log import a_log
from tests.support.audit_records import NOON, a_record, a_system_record, every_kind
from tests.support.sealing import CODEC, INDEX_KEYS, data_keys
from tests.support.sealing import resources as repository

BASE = "https://rapport.test/fhir"
KIND = REGISTRY["AuditEvent"].code
EVERYTHING = Visible(1, {KIND: (Alternative(),)})
DAY = 86_400_000_000


def records() -> list[AuditRecord]:
    made = [
        *every_kind(),
        a_record(outcome="8", reason="forbidden", decision="deny", basis="role"),
        a_record(outcome="4", reason="not-found", entity="Unserved/x", entity_version=None),
        a_record(patient="p2", entity="Patient/p2", entity_version=1),
        a_record(patient="p1", entity="Patient/p3", entity_version=2),
        a_record(patient=None, actor="Patient/p1", name="Élodie Åström", role="patient"),
        a_record(event="search-type", query="GET /fhir/Goal", entity=None, patient="p2"),
        a_record(event="search-type", query="GET /fhir/Goal", entity=None, patient=None),
        a_record(event="search-type", query="GET /fhir/Goal", entity="Group/g", patient="p2"),
        a_record(event="delete", query="DELETE /fhir/Goal", entity="Group/g", entity_version=1),
        a_record(event="delete", patient=None, token=None, address="2001:db8::7"),
        a_record(entity=None, entity_version=None, query=None, request=None, decision=None),
        a_record(basis="consent", consent="Consent/c1", consent_version=2, provision="x"),
        a_record(decision=None, consent="Consent/c9", detail='{"a":"b"}'),
        a_record(event="login", client=None, subject="user-2", entity=None, address=None),
        a_record(event="alert", client=None, subject=None, actor=None, entity_name="Rule One"),
        a_system_record(event="export-finished", entity_name="job-7", entity=None),
        a_system_record(issuer="https://elsewhere.test", purpose="BTG", address=None),
    ]
    return [replace(each, aid=n + 1, recorded=NOON + n * DAY // 4) for n, each in enumerate(made)]


RECORDS = records()


@pytest_asyncio.fixture(params=["sqlite", "postgresql"], scope="module")
async def database(request, databases) -> AsyncIterator[Database]:
    async with a_log(await databases.make(request.param)) as ours:
        made = ours.database
        async with made.write(2) as connection:
            await AuditLog(connection).append([a_record(tenant=2, aid=10**6)])
        async with made.write(1) as connection:
            log = AuditLog(connection)
            await log.append(RECORDS)
            resources = repository(connection)
            for number, record in enumerate(RECORDS, start=1):
                tree = render(record)
                indexed = indexer.index(tree, "AuditEvent", id=record.id, base=BASE)
                stored = StoredVersion(
                    tenant=1,
                    kind=KIND,
                    id=record.id,
                    rid=number,
                    version=1,
                    updated=record.recorded,
                    deleted=False,
                    interaction=1,
                    text=json.dumps(tree),
                    key_owner="tenant",
                    confidentiality=1,
                    sensitivity=0,
                    data_class=None,
                )
                resources.append(stored, indexed=indexed, previous=None)
            await connection.turn_to(1)
            await resources.flush()
        yield made


KEPT = (pages.page, pages.total, pages.look, merging.total, merging.sample)


@contextmanager
def store(source: object) -> Iterator[None]:
    """AuditEvents are looked for here."""
    before = compiler.SOURCES.get("audit")
    compiler.SOURCES["audit"] = source  # type: ignore[assignment]
    for cached in KEPT:
        cached.cache_clear()
    try:
        yield
    finally:
        if before is not None:
            compiler.SOURCES["audit"] = before
        for cached in KEPT:
            cached.cache_clear()


async def found(
    database: Database, text: str, source: object, visible: Visible = EVERYTHING
) -> list[str]:
    pairs = [*parse_qsl(text, keep_blank_values=True), ("_count", "500")]
    query = parse(pairs, type_name="AuditEvent", base=BASE, now=NOON, max_count=500)
    assert not query.warnings, query.warnings
    with store(source):
        async with database.read(visible.tenant) as connection:
            searches = Searches(connection, CODEC, data_keys(connection), INDEX_KEYS)
            page = await searches.page(query, visible=visible)
    assert page.total == len(page.matches)
    return [each.id for each in page.matches]


SOME = [
    "",
    "action=R",
    "action=C,U",
    "action=http://hl7.org/fhir/audit-event-action|E",
    "action:not=R",
    "address=192.0.2",
    "address=2001:DB8",
    "address:exact=192.0.2.7",
    "address:contains=rapport",
    "agent=Practitioner/pr1",
    "agent=pr1",
    "agent=Organization/org1",
    "agent:Organization=org1",
    "agent=https://rapport.test/fhir/Practitioner/pr1",
    "agent:identifier=dashboard",
    "agent:identifier=user-1",
    "agent:identifier=ehr",
    "agent:identifier=|dashboard",
    "agent-name=thea",
    "agent-name=ELODIE",
    "agent-name=record",
    "agent-name:exact=Élodie Åström",
    "agent-name:contains=strom",
    "agent-name:missing=true",
    "agent-role=therapist",
    "agent-role=https://rapport.example.org/CodeSystem/role|patient",
    "agent-role:missing=true",
    "agent-role:not=therapist",
    "altid=x",
    "altid:missing=true",
    "altid:missing=false",
    "date=2027-01-15",
    "date=2027-01-16T02:00:00Z",
    "date=gt2027-01-20",
    "date=ge2027-01-20T08:00:00Z",
    "date=lt2027-01-20&date=ge2027-01-18",
    "date=le2027-01-17T08:00:00.000Z",
    "date=ne2027-01-17",
    "date=sa2027-01-17",
    "date=eb2027-01-17",
    "date=ap2027-01-17",
    "date:missing=true",
    "date=2027",
    "entity=Observation/o1",
    "entity=o1",
    "entity=Observation/o1/_history/3",
    "entity=Observation/o1/_history/4",
    "entity=Patient/p2",
    "entity=Consent/c1",
    "entity=Consent/c1/_history/2",
    "entity=Consent/c9",
    "entity=Unserved/x",
    "entity=Encounter/e1,Goal/g1",
    "entity:identifier=request-1",
    "entity:identifier=urn:ietf:params:oauth:jti:jti-1",
    "entity:missing=true",
    "entity-name=rule",
    "entity-name:exact=Rule One",
    "entity-name:missing=false",
    "entity-role=4",
    "entity-role=http://terminology.hl7.org/CodeSystem/object-role|20",
    "entity-role=24",
    "entity-role=1",
    "entity-role:missing=true",
    "entity-role:text=query",
    "entity-type=2",
    "entity-type=1",
    "entity-type=XrequestId",
    "entity-type=OperationOutcome",
    "entity-type=Consent",
    "entity-type=access-decision",
    "entity-type=detail",
    "entity-type=UserOauthAgent",
    "entity-type:missing=true",
    "entity-type:text=why it was",
    "outcome=0",
    "outcome=4,8",
    "outcome=http://hl7.org/fhir/audit-event-outcome|8",
    "outcome=http://hl7.org/fhir/other|8",
    "outcome:not=0",
    "outcome:missing=true",
    "patient=Patient/p1",
    "patient=p1",
    "patient=p1,p2",
    "patient=p3",
    "patient=Patient/p3/_history/2",
    "patient=p3&patient=p1",
    "patient=p3&outcome=0",
    "patient:Patient=p2",
    "patient:missing=true",
    "patient=Patient/p1&date=ge2027-01-20",
    "policy=urn:ietf:params:oauth:jti:jti-1",
    "policy=urn:ietf:params:oauth:jti:other",
    "policy:missing=true",
    "site=https://rapport.test/fhir",
    "site:missing=true",
    "source=Device/x",
    "source:missing=true",
    "subtype=read",
    "subtype=http://hl7.org/fhir/restful-interaction|",
    "subtype=http://hl7.org/fhir/restful-interaction|search-type",
    "subtype=110122",
    "subtype=|read",
    "subtype:not=read,create",
    "subtype:text=emergency",
    "type=rest",
    "type=http://dicom.nema.org/resources/ontology/DCM|110113",
    "type=http://dicom.nema.org/resources/ontology/DCM|110113,rest",
    "type:text=security",
    "type:missing=true",
    f"_id={RECORDS[0].id}",
    f"_id={RECORDS[0].id},{RECORDS[5].id},nothing",
    "_id=nothing",
    "_id=1800000000123-99999999999999999999",
    "_lastUpdated=2027-01-15",
    "_lastUpdated=gt2027-01-20",
    "_profile=https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientRead",
    "_profile=https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.Query",
    "_profile=https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.AuthZconsent",
    "_profile=https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.OAUTHaccessTokenUse.Minimal",
    "_profile=https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.OAUTHaccessTokenUse.Comprehensive",
    "_profile:below=https://profiles.ihe.net/ITI/BALP",
    "_profile:missing=true",
    "_security=x",
    "_security:missing=true",
    "_tag:missing=true",
    "_source:missing=true",
    "outcome=8&subtype=login",
]


@pytest.mark.parametrize(
    "text",
    [
        "agent-name=thea",
        "agent-name=t",
        "outcome=0",
        "type=rest&outcome:not=0",
        "agent=x",
        "patient=p1",
        "agent=Practitioner/pr1&subtype=read",
        "site:missing=false",
    ],
)
async def test_many_matches_are_counted_in_part_and_the_rest_is_estimated(
    database: Database, monkeypatch, text
):
    """As a long log is searched, with numbers that a short one reaches."""
    exact = len(await found(database, text, AUDIT))
    # What happened has an index on PostgreSQL alone: elsewhere a sample tells of it.
    sampled = database.dialect == "sqlite" and text.startswith("type=")
    monkeypatch.setattr(merging, "COUNTED", 3)
    monkeypatch.setattr(merging, "SAMPLED", 20)
    monkeypatch.setattr(merging, "GONE_THROUGH", 20)
    monkeypatch.setattr(audit_spread, "MOST_NAMES", 1)
    told = {}
    for total in ("", "accurate", "estimate", "none"):
        page = await asked(database, f"{text}&_count=2&_total={total}".removesuffix("&_total="))
        told[total] = page.total
        is_estimate = total in ("", "estimate") and (exact > 3 or sampled)
        assert [issue.code for issue in page.issues] == (["informational"] if is_estimate else [])
    assert told["accurate"] == (await asked(database, f"{text}&_summary=count")).total == exact
    assert told["none"] is None
    assert told[""] == told["estimate"]
    if exact <= 3 and not sampled:
        assert told[""] == exact
    else:
        assert told[""] is not None
        assert min(exact, merging.COUNTED + 1) <= told[""] <= 2 * len(RECORDS)


async def asked(database: Database, text: str) -> Page:
    query = parse(parse_qsl(text), type_name="AuditEvent", base=BASE, now=NOON, max_count=500)
    with store(AUDIT):
        async with database.read(1) as connection:
            searches = Searches(connection, CODEC, data_keys(connection), INDEX_KEYS)
            return await searches.page(query, visible=EVERYTHING)


@pytest.mark.parametrize("text", SOME)
async def test_both_stores_give_one_answer(database: Database, text):
    here, there = [await found(database, text, source) for source in (AUDIT, RESOURCES)]
    assert sorted(here) == sorted(there)


async def test_the_questions_are_worth_asking(database: Database):
    """Each parameter finds something, and not everything."""
    finds: dict[str, set[bool]] = {}
    for text in SOME:
        code = text.partition("=")[0].partition(":")[0]
        ids = await found(database, text, AUDIT)
        finds.setdefault(code, set()).add(0 < len(ids) < len(RECORDS))
    idle = {"", "altid", "site", "source", "_security", "_tag", "_source"}
    assert {code for code, worth in finds.items() if True not in worth} == idle
    assert finds.keys() >= REGISTRY["AuditEvent"].search.keys() - {"_lastUpdated"}


OWNERS = [("Patient", "p1"), ("Patient", "p2"), ("Practitioner", "pr1"), ("Organization", "org1")]


@pytest.mark.parametrize("owner", OWNERS)
async def test_compartments_have_the_same_members(database: Database, owner):
    type_name, id = owner
    visible = Visible(1, {KIND: (Alternative(compartment=(REGISTRY[type_name].code, id)),)})
    here, there = [await found(database, "", each, visible) for each in (AUDIT, RESOURCES)]
    assert sorted(here) == sorted(there)


async def test_what_another_tenant_did_is_not_there(database: Database):
    ids = await found(database, "", AUDIT, Visible(2, {KIND: (Alternative(),)}))
    assert len(ids) == 1
    assert not set(ids) & {each.id for each in RECORDS}
    assert await found(database, "", AUDIT, Visible(1, {})) == []


@pytest.mark.parametrize("sort", ["date", "-date", "_lastUpdated", "-_lastUpdated"])
async def test_events_sort_by_date(database: Database, sort):
    ids = await found(database, f"_sort={sort}", AUDIT)
    assert ids == sorted(ids, reverse=sort.startswith("-"))
    assert await found(database, "", AUDIT) == sorted(ids, reverse=True), "newest first"


@pytest.mark.parametrize("sort", ["", "date", "-date", "agent-name", "-outcome,date", "subtype"])
async def test_pages_neither_skip_nor_repeat(database: Database, sort):
    pairs = [("_count", "7"), ("_sort", sort), ("outcome", "0")]
    query = parse(pairs, type_name="AuditEvent", base=BASE, now=NOON)
    seen: list[str] = []
    after = None
    with store(AUDIT):
        async with database.read(1) as connection:
            searches = Searches(connection, CODEC, data_keys(connection), INDEX_KEYS)
            while True:
                page = await searches.page(query, visible=EVERYTHING, after=after)
                seen += [each.id for each in page.matches]
                after = page.next
                if after is None:
                    break
    expected = {each.id for each in RECORDS if each.outcome == "0"}
    assert len(seen) == len(set(seen)) == len(expected)
    assert set(seen) == expected


async def test_found_event_is_the_rendered_record(database: Database):
    query = parse(
        [("_id", RECORDS[3].id)], type_name="AuditEvent", base=BASE, now=NOON, max_count=500
    )
    with store(AUDIT):
        async with database.read(1) as connection:
            searches = Searches(connection, CODEC, data_keys(connection), INDEX_KEYS)
            [match] = (await searches.page(query, visible=EVERYTHING)).matches
    assert json.parse_resource(match.text) == render(RECORDS[3])
    assert (match.version, match.updated) == (1, RECORDS[3].recorded)


def test_plans_know_that_it_is_another_store():
    query = parse([("patient", "p1")], type_name="AuditEvent", base=BASE, now=NOON)
    with store(AUDIT):
        assert plans.plan(query, visible=EVERYTHING).candidates == ()

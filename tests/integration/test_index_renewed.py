"""An index of a former version is made anew before it is searched, and nothing stays of it."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import func, select, update

from app.db.compaction import compact
from app.db.tables.consents import consent_rule, membership
from app.db.tables.indexes import idx_token
from app.db.tables.resources import resource, resource_history
from app.search import secrecy
from app.services.reindexing import Reindexing, is_indexed
from tests.integration.test_at_rest import contents
from tests.support.application import Application, Clinic
from tests.support.consents import consent, provision
from tests.support.indexing import indexing

WORD = "q7formerly7q"
CLASS = f"http://scales|{WORD}"


@pytest.fixture
def application(installation: Application) -> Application:
    """An installation of the test's own, since all of it is gone through."""
    return installation


@pytest.fixture
async def former(clinic: Clinic) -> Clinic:
    """A clinic that kept in clear the tokens of goals, and what a score and a rule are of."""
    await clinic.http.put("Patient/anna", json={"resourceType": "Patient", "id": "anna"})
    score = {
        "resourceType": "Observation",
        "id": "score",
        "status": "final",
        "code": {"coding": [{"system": "http://scales", "code": WORD}]},
        "subject": {"reference": "Patient/anna"},
    }
    denied = provision("deny", code=[score["code"]])
    for tree in (
        score,
        {**score, "language": "en"},
        consent("anna", provision("permit", denied), id="c"),
    ):
        answer = await clinic.http.put(f"{tree['resourceType']}/{tree['id']}", json=tree)
        assert answer.is_success, answer.text
    for n in range(3):
        goal = {
            "resourceType": "Goal",
            "id": f"goal-{n}",
            "lifecycleStatus": "active",
            "description": {"text": "talk again"},
            "subject": {"reference": "Patient/anna"},
        }
        assert (await clinic.http.put(f"Goal/goal-{n}", json=goal)).status_code == 201
    goals = select(resource.c.rid).where(resource.c.tenant == clinic.tenant.id)
    in_clear = (
        update(idx_token)
        .where(idx_token.c.tenant == clinic.tenant.id, idx_token.c.rid.in_(goals))
        .values(code=WORD)
    )
    async with clinic.application.services.units.write(clinic.tenant.id) as uow:
        await uow.connection.execute(in_clear)
        for table in (resource, resource_history):
            scores = table.c.tenant == clinic.tenant.id, table.c.id == "score"
            in_clear = update(table).where(*scores).values(data_class=f"\n{CLASS}\n")
            assert await uow.connection.execute(in_clear) == 1
        rules = consent_rule.c.tenant == clinic.tenant.id, consent_rule.c.code != ""
        assert await uow.connection.execute(update(consent_rule).where(*rules).values(code=CLASS))
        await uow.installation.set_fact(secrecy.FORM_FACT, "of a former version")
    return clinic


def reindexing(clinic: Clinic) -> Reindexing:
    return indexing(clinic.application)


async def found(clinic: Clinic) -> int:
    return int((await clinic.http.get("Goal?lifecycle-status=active")).json()["total"])


async def test_a_former_index_is_renewed_once_and_not_left_in_the_files(former: Clinic):
    database, asked = former.application.database, former.application.services.units.database
    assert await found(former) == 0
    assert not await is_indexed(asked)
    assert WORD.encode() in await contents(database)

    assert await reindexing(former).renew() >= 4
    assert await found(former) == 3
    assert await is_indexed(asked)
    assert (await former.http.get("Observation/score")).status_code == 404  # as was consented
    assert await reindexing(former).renew() == 0
    await asyncio.to_thread(compact, database.owner_url)
    assert WORD.encode() not in await contents(database)


async def test_what_was_interrupted_goes_on_where_it_stopped(former: Clinic):
    tenant = former.tenant.id
    rids = select(func.max(resource.c.rid)).where(resource.c.tenant == tenant)
    async with former.application.services.units.write(tenant) as uow:
        last = (await uow.connection.fetch(rids))[0][0]
        await uow.installation.set_fact("index-renewed-to", f"{secrecy.form()} {tenant} {last - 1}")
        later = [each for each in await uow.installation.tenants() if each.id > tenant]
    assert later == []
    assert await reindexing(former).renew() == 1
    assert await found(former) == 1


BEFORE = "1102a24e03953a5d"  # the form of the index while only short references were followed


@pytest.fixture
async def literal(clinic: Clinic) -> Clinic:
    """A clinic of a version that followed no reference with an address or a version."""
    base, tenant = clinic.application.settings.fhir_base, clinic.tenant.id
    about = {"subject": {"reference": "Patient/anna"}, "status": "final", "code": {"text": "x"}}
    kind = {"resourceType": "Observation", **about}
    records = await clinic.as_client("system/*.cruds", clearance="V")
    very = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
    for tree in (
        {"resourceType": "Patient", "id": "anna"},
        {"resourceType": "Patient", "id": "paul"},
        {
            "resourceType": "Group", "id": "couple", "type": "person", "actual": True,
            "member": [
                {"entity": {"reference": f"{base}/Patient/{id}"}} for id in ("anna", "paul")
            ],
        },
        {**kind, "id": "a-third", "hasMember": [{"reference": "Observation/second"}]},
        {**kind, "id": "second", "derivedFrom": [{"reference": f"{base}/Observation/first"}]},
        {**kind, "id": "first", "meta": {"security": [{"system": very, "code": "V"}]}},
        {**kind, "id": "other", "derivedFrom": [{"reference": "Observation/nothing"}]},
        {
            **consent("anna", provision("deny"), id="c"),
            "patient": {"reference": f"{base}/Patient/anna/_history/1"},
        },
    ):  # fmt: skip
        answer = await records.put(f"{tree['resourceType']}/{tree['id']}", json=tree)
        assert answer.is_success, answer.text
    async with clinic.application.services.units.write(tenant, resources=0) as uow:
        uow.consents.decide(tenant, "c", ())
        uow.consents.belong(tenant, "Group/couple", ())
        await uow.consents.flush()
        await uow.installation.set_fact(secrecy.FORM_FACT, BEFORE)
    return clinic


async def rows(clinic: Clinic) -> tuple[int, int]:
    """How many rules and members are known."""
    async with clinic.application.services.units.read(clinic.tenant.id) as uow:
        mine = (each.c.tenant == clinic.tenant.id for each in (consent_rule, membership))
        rules, members = [
            (await uow.connection.fetch(select(func.count()).where(each)))[0][0] for each in mine
        ]
    return rules, members


async def confidentiality(clinic: Clinic, id: str) -> tuple[str, str]:
    """The label of an Observation and its version."""
    records = await clinic.as_client("system/*.cruds", clearance="V")
    meta = (await records.get(f"Observation/{id}")).json()["meta"]
    return meta["security"][0]["code"], meta["versionId"]


async def test_what_old_rows_mean_is_put_right_when_an_installation_migrates(literal: Clinic):
    assert not await is_indexed(literal.application.services.units.database)
    assert await rows(literal) == (0, 0)
    await reindexing(literal).renew()
    rules, members = await rows(literal)
    assert rules > 0
    assert members == 2
    assert await is_indexed(literal.application.services.units.database)
    assert await reindexing(literal).renew() == 0


async def test_labels_that_were_too_low_are_raised_and_no_other_is_touched(literal: Clinic):
    ids = ("a-third", "second", "first", "other")
    await literal.http.put("Consent/c", json={**consent("anna", provision("permit"), id="c")})
    assert [await confidentiality(literal, id) for id in ids] == [
        ("R", "1"), ("R", "1"), ("V", "1"), ("R", "1"),
    ]  # fmt: skip
    await reindexing(literal).renew()
    after = [("V", "2"), ("V", "2"), ("V", "1"), ("R", "1")]
    assert [await confidentiality(literal, id) for id in ids] == after
    await reindexing(literal).run()
    assert [await confidentiality(literal, id) for id in ids] == after

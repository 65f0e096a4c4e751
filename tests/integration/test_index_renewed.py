"""An index of a former version is made anew before it is searched, and nothing stays of it."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import func, select, update

from app.db.compaction import compact
from app.db.tables.consents import consent_rule
from app.db.tables.indexes import idx_token
from app.db.tables.resources import resource, resource_history
from app.search import secrecy
from app.services.reindexing import Reindexing, is_indexed
from tests.integration.test_at_rest import contents
from tests.support.application import Application, Clinic
from tests.support.consents import consent, provision

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
    application = clinic.application
    return Reindexing(application.services.units, base=application.settings.fhir_base)


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

"""What the files hold together is what searches show to the same client, however it is cut."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.fhir import json
from app.fhir.registry import Interaction
from app.main import preparing_of
from app.repositories.exports import Exports
from app.services import exports
from app.services.changes import Change
from tests.http.answers import made, ok, refused, resources
from tests.http.resources import observation, patient
from tests.support.application import Application, Clinic, clinic_of
from tests.support.consents import actor, consent, labels, provision
from tests.support.exports import exported, manifest, named, prepared, started

HIE = "Organization/exchange"
LABELS = ([], ["N"], ["R"], ["V"], ["R", "PSYTHPN"])
TYPES = ("Patient", "Observation", "Consent", "Organization")


async def paged(http, kind: str, query: str = "") -> dict[str, Any]:
    """Everything that a search shows, page by page, by ``Type/id``."""
    found: dict[str, Any] = {}
    url = f"{kind}?_count=3&{query}"
    while url:
        page = ok(await http.get(url))
        for tree in resources(page):
            found[f"{tree['resourceType']}/{tree['id']}"] = tree
        following = [each["url"] for each in page["link"] if each["relation"] == "next"]
        url = following[0] if following else ""
    return found


@st.composite
def worlds(draw: Any) -> list[dict[str, Any]]:
    """Patients who let an exchange see some of their scores, or the clinic none."""
    trees: list[dict[str, Any]] = [{"resourceType": "Organization", "id": "exchange", "name": "X"}]
    for number in range(draw(st.integers(0, 4))):
        who = f"p{number}"
        trees.append(patient(id=who))
        for score in range(draw(st.integers(0, 3))):
            codes = draw(st.sampled_from(LABELS))
            meta = {"meta": {"security": labels(*codes)}} if codes else {}
            status = draw(st.sampled_from(["final", "amended"]))
            tree = observation(f"Patient/{who}", score, id=f"o{number}-{score}", **meta)
            trees.append({**tree, "status": status})
        rule = draw(st.sampled_from(["permit", "deny", None]))
        if rule is not None:
            whom = draw(st.sampled_from([HIE, "Organization/ours"]))
            code = draw(st.sampled_from(["N", "R"]))
            rules = provision(rule, actor=[actor(whom)], securityLabel=labels(code))
            trees.append({**consent(who, rules), "id": f"c{number}"})
    return trees


@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(
    trees=worlds(),
    rows=st.integers(1, 4),
    files=st.integers(1, 5),
    filtered=st.booleans(),
    gone=st.integers(0, 2),
)
async def test_files_are_what_paging_shows(
    application: Application, monkeypatch, trees, rows, files, filtered, gone
):
    async with clinic_of(application) as clinic:
        callers = [
            await clinic.as_client("system/*.rs", actor="Organization/ours"),
            await clinic.as_client("system/*.rs", role="outside_system", actor=HIE, clearance="N"),
        ]
        for tree in trees:
            made(await clinic.http.put(f"{tree['resourceType']}/{tree['id']}", json=tree))
        scores = [f"Observation/{t['id']}" for t in trees if t["resourceType"] == "Observation"]
        for where in scores[:gone]:
            await clinic.http.delete(where)
        with monkeypatch.context() as cut:
            cut.setattr(exports, "ROWS", rows)
            cut.setattr(application.app.state.preparing, "_file_rows", files)
            for http in callers:
                path = f"$export?_type={','.join(TYPES)}"
                query = ""
                if filtered:
                    query = "status=final"
                    path += "&_typeFilter=" + quote(f"Observation?{query}")
                told = await manifest(application, http, path)
                trees_out = await exported(http, told)
                expected: dict[str, Any] = {}
                for kind in TYPES:
                    expected |= await paged(http, kind, query if kind == "Observation" else "")
                assert named(trees_out) == expected.keys()
                for tree in trees_out:
                    assert tree == expected[f"{tree['resourceType']}/{tree['id']}"]


async def test_whoever_goes_on_with_a_killed_workers_job_ends_it(clinic: Clinic, monkeypatch):
    """Files are neither lost nor there twice, wherever the first one was stopped."""
    application = clinic.application
    who = {made(await clinic.http.post("Patient", json=patient(str(n)))) for n in range(7)}
    core = application.app.state.preparing
    monkeypatch.setattr(core, "_file_rows", 2)
    status = await started(clinic.http, "$export?_type=Patient,Observation")
    assert await core.step()
    assert (await clinic.http.get(status)).status_code == 202, "it is not done"

    async def killed(*_: Any, **__: Any) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(Exports, "advance", killed)
        with pytest.raises(KeyboardInterrupt):
            await core.step()
    other = preparing_of(_core_of(application))
    monkeypatch.setattr(other, "_file_rows", 2)
    assert not await other.step(), "the role is not free yet"
    application.clock.turn(seconds=31)
    while await other.step():
        pass
    await other.release()
    http = await clinic.ehr.http()
    clinic.opened.append(http)
    told = ok(await http.get(status))
    assert len(told["output"]) == 4
    assert named(await exported(http, told)) == who


def _core_of(application: Application) -> Any:
    class Core:
        units = application.services.units
        trail = application.services.trail
        clock = application.clock
        ids = application.services.ids
        settings = application.settings

    return Core()


async def test_two_who_prepare_at_once_do_it_once(clinic: Clinic, monkeypatch):
    """Even where the role is two's for a moment: what was found from an old place is dropped."""
    application = clinic.application
    for n in range(3):
        made(await clinic.http.post("Patient", json=patient(str(n))))
    core = application.app.state.preparing
    monkeypatch.setattr(core, "_file_rows", 1)
    status = await started(clinic.http, "$export?_type=Patient")
    async with application.services.units.read(clinic.tenant.id) as unit:
        job = await unit.exports.find(
            clinic.tenant.id, status.rpartition("/")[2], now=application.clock.now()
        )
    await core.step()
    await core._prepare(job)
    while await core.step():
        pass
    told = ok(await clinic.http.get(status))
    assert len(told["output"]) == 3
    assert len(named(await exported(clinic.http, told))) == 3


async def test_who_is_slow_to_commit_is_waited_for(clinic: Clinic):
    """What was written before ``transactionTime`` is in it, also where it is committed later."""
    services, application = clinic.application.services, clinic.application
    if application.dialect == "sqlite":
        return  # nobody else writes meanwhile, nor asks for an export
    tree = patient("Slow", id="slow")
    change = Change("Patient", "slow", json.dumps(tree), tree, None, Interaction.UPDATE)
    async with services.units.write(clinic.tenant.id, resources=1) as unit:
        services.engine.records.store(unit, change, tenant=clinic.tenant.id)
        await unit.resources.flush()
        status = await started(clinic.http, "$export?_type=Patient")
        await prepared(application)
        assert (await clinic.http.get(status)).status_code == 202
    await prepared(application)
    told = ok(await clinic.http.get(status))
    (found,) = await exported(clinic.http, told)
    assert found["id"] == "slow"
    assert found["meta"]["lastUpdated"] <= told["transactionTime"]


async def test_what_is_permitted_or_committed_late_has_its_place(clinic: Clinic, monkeypatch):
    """A row that came into sight after the files were bounded is in one of them."""
    application = clinic.application
    rules = provision("permit", actor=[actor(HIE)], securityLabel=labels("R"))
    for id in ("anna", "berta", "carl"):
        made(await clinic.http.put(f"Patient/{id}", json=patient(id=id)))
        if id != "carl":
            tree = {**consent(id, rules), "id": f"c-{id}"}
            made(await clinic.http.put(f"Consent/c-{id}", json=tree))
    outside = await clinic.as_client("system/*.rs", role="outside_system", actor=HIE, clearance="N")
    monkeypatch.setattr(application.app.state.preparing, "_file_rows", 1)
    told = await manifest(application, outside, "$export?_type=Patient")
    assert len(told["output"]) == 2
    made(await clinic.http.put("Consent/c-carl", json={**consent("carl", rules), "id": "c-carl"}))
    assert named(await exported(outside, told)) == {
        f"Patient/{i}" for i in ("anna", "berta", "carl")
    }


async def test_one_failure_ends_no_role(installation: Application, monkeypatch):
    """Neither of what is asked of the queue, nor of a job, which is given up and said to be."""
    async with clinic_of(installation) as clinic:
        await fails_twice(clinic, monkeypatch)


async def fails_twice(clinic: Clinic, monkeypatch):
    core = preparing_of(_core_of(clinic.application))
    status = await started(clinic.http, "$export?_type=Patient")
    failures = 0

    async def failing(*_: Any, **__: Any) -> Any:
        nonlocal failures
        failures += 1
        if failures == 2:
            core.stop()
        core.wake()
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(Exports, "due", failing)
        await asyncio.wait_for(core.run(), 20)
    assert failures == 2
    with monkeypatch.context() as broken:
        broken.setattr(core, "_look", failing)
        assert await core.step()
    await core.release()
    refused(await clinic.http.get(status), 404)

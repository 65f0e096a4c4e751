"""What is withdrawn is gone from the next stretch of a file, and who is shut out is cut off."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import select

from app.db.tables.audit import audit_event
from app.services import export_stretch, exports
from tests.http.answers import comparable, refused
from tests.integration.test_consents import HIE, WORLD, score
from tests.integration.test_retention import person, retention, treated
from tests.support.application import Clinic
from tests.support.consents import actor, consent, labels, provision
from tests.support.exports import (
    below,
    exported,
    kick_off,
    manifest,
    named,
    on_a_socket,
    prepared,
    started,
    streamed,
)

PATIENTS = ("anna", "berta", "carl")
SCORES = "$export?_type=Observation"


def permit(patient: str, status: str = "active"):
    rules = provision("permit", actor=[actor(HIE)], securityLabel=labels("R"))
    return {**consent(patient, rules, status=status), "id": f"c-{patient}"}


@pytest.fixture
async def world(clinic: Clinic) -> Clinic:
    """Three patients with two scores each, who let an exchange see theirs."""
    more = [score(f"o-more-{who}", f"Patient/{who}") for who in PATIENTS]
    for tree in (*WORLD, *more, *(permit(who) for who in PATIENTS)):
        answer = await clinic.http.put(f"{tree['resourceType']}/{tree['id']}", json=tree)
        assert answer.status_code == 201, answer.text
    return clinic


@pytest.fixture
async def outside(world: Clinic):
    return await world.as_client("system/*.rs", role="outside_system", actor=HIE, clearance="N")


@pytest.fixture
def one_at_a_time(monkeypatch):
    """A stretch is one row, so that something may happen after each."""
    monkeypatch.setattr(exports, "ROWS", 1)


def of(who: str, names) -> set[str]:
    return {name for name in names if name.endswith(f"-{who}")}


async def withdraw(clinic: Clinic, who: str) -> None:
    answer = await clinic.http.put(f"Consent/c-{who}", json=permit(who, "inactive"))
    assert answer.status_code == 200, answer.text


async def grounds(clinic: Clinic) -> list[tuple[str, str]]:
    """Whom the log says to have been downloaded, and the Consent that opened it."""
    table = audit_event.c
    asked = select(table.patient, table.consent).where(
        table.tenant == clinic.tenant.id, table.event == "export-downloaded"
    )
    async with clinic.application.services.units.database.read(clinic.tenant.id) as connection:
        return [(row[0], row[1]) for row in await connection.fetch(asked)]


async def test_an_exchange_exports_what_consents_permit(world, outside):
    mine = named(await exported(outside, await manifest(world.application, outside, SCORES)))
    for who in PATIENTS:
        assert of(who, mine)
    assert set(await grounds(world)) == {(who, f"c-{who}") for who in PATIENTS}
    await withdraw(world, "berta")
    told = await manifest(world.application, outside, "$export?_type=Observation,Patient")
    mine = named(await exported(outside, told))
    assert of("anna", mine) and of("carl", mine)
    assert not of("berta", mine) and "Patient/berta" not in mine


async def test_withdrawn_while_it_is_prepared(world, outside):
    status = await started(outside, SCORES)
    await withdraw(world, "berta")
    await prepared(world.application)
    told = (await outside.get(status)).json()
    assert not of("berta", named(await exported(outside, told)))


async def test_withdrawn_between_files(world, outside, monkeypatch):
    monkeypatch.setattr(world.application.app.state.preparing, "_file_rows", 2)
    told = await manifest(world.application, outside, SCORES)
    files = [item["url"] for item in told["output"]]
    assert len(files) > 2
    first = await streamed(world.application, outside, files[0])
    assert first.status == 200 and not first.cut
    for who in PATIENTS:
        await withdraw(world, who)
    for url in files[1:]:
        later = await streamed(world.application, outside, url)
        assert (later.status, later.names, later.cut) == (200, [], False)


async def test_withdrawn_in_the_middle_of_a_file(world, outside, one_at_a_time):
    told = await manifest(world.application, outside, SCORES)
    url = told["output"][0]["url"]
    whole = await streamed(world.application, outside, url)
    assert not whole.cut
    last = whole.trees[-1]["subject"]

    async def between(pieces: int) -> None:
        if pieces == 1:
            await withdraw(world, last["reference"].removeprefix("Patient/"))

    part = await streamed(world.application, outside, url, between=between)
    assert not part.cut, "the rest may be told"
    first, *rest = whole.trees
    assert part.trees == [first, *(tree for tree in rest if tree["subject"] != last)]
    assert len(part.trees) < len(whole.trees)


async def test_a_label_that_is_raised_meanwhile_holds(world, one_at_a_time):
    told = await manifest(world.application, world.http, SCORES)
    url = told["output"][0]["url"]
    whole = await streamed(world.application, world.http, url)
    last = whole.names[-1]

    async def between(pieces: int) -> None:
        if pieces == 1:
            tree = (await world.http.get(last)).json()
            tree["meta"]["security"] = labels("V")
            assert (await world.http.put(last, json=tree)).status_code == 200

    part = await streamed(world.application, world.http, url, between=between)
    assert part.names == whole.names[:-1]


async def test_a_key_that_is_destroyed_meanwhile_takes_its_rows(world):
    await treated(world, "old", last="1990-01-02")
    told = await manifest(world.application, world.http, SCORES)
    url = told["output"][0]["url"]
    assert "Observation/o-old" in (await streamed(world.application, world.http, url)).names
    keeper = retention(world)

    async def destroy() -> None:
        assert not await keeper.destroy("old", by=person(world, "one"))
        assert await keeper.destroy("old", by=person(world, "two"))

    await destroy()
    after = await streamed(world.application, world.http, url)
    assert (after.status, after.cut) == (200, False)
    assert "Observation/o-old" not in after.names


async def revoke(clinic: Clinic, http) -> None:
    token = http.headers["Authorization"].removeprefix("Bearer ")
    principal = await clinic.application.services.authorization.authenticator.verify(token)
    async with clinic.application.services.units.accounts.write() as unit:
        await unit.accounts.tokens.revoke(
            clinic.tenant.id, principal.token_id, at=clinic.application.clock.now()
        )


async def close(clinic: Clinic, http) -> None:
    async with clinic.application.services.units.accounts.write() as unit:
        found = await unit.accounts.clients.find(clinic.ehr.client_id, tenant=clinic.tenant.id)
        assert found is not None
        await unit.accounts.clients.set_enabled(found, enabled=False)


@pytest.mark.parametrize("end", [revoke, close], ids=lambda each: each.__name__)
async def test_who_is_shut_out_is_cut_off(world, end, one_at_a_time):
    told = await manifest(world.application, world.http, SCORES)
    url = told["output"][0]["url"]

    async def between(pieces: int) -> None:
        if pieces == 2:
            await end(world, world.http)

    part = await streamed(world.application, world.http, url, between=between)
    assert part.status == 200
    assert len(part.names) == 2
    assert part.cut, "no part looks whole"
    refused(await world.http.get(below(url)), 401)


async def test_the_connection_is_closed_before_its_end(world, one_at_a_time, monkeypatch):
    """A client on a socket is told by HTTP itself that it has not got the whole."""
    told = await manifest(world.application, world.http, SCORES)
    made, whole = 0, export_stretch.stretch

    async def then_revoked(*given, **named):
        nonlocal made
        made += 1
        lines = await whole(*given, **named)
        if made == 2:
            await revoke(world, world.http)
        return lines

    monkeypatch.setattr(exports, "stretch", then_revoked)
    async with on_a_socket(world.application) as base:
        for coding in ("identity", "gzip"):
            made = 0
            headers = {
                "Authorization": f"Bearer {await world.ehr.token()}",
                "Accept-Encoding": coding,
                "Host": "rapport.test",
            }
            world.http.headers["Authorization"] = headers["Authorization"]
            async with httpx.AsyncClient(base_url=base, headers=headers) as http:
                with pytest.raises(httpx.RemoteProtocolError):
                    await http.get(f"/fhir/{below(told['output'][0]['url'])}")
            assert made == 2


async def test_a_file_that_is_begun_outlives_its_token(world, one_at_a_time):
    told = await manifest(world.application, world.http, SCORES)
    url = told["output"][0]["url"]

    async def between(pieces: int) -> None:
        if pieces == 1:
            world.application.clock.turn(seconds=3600)

    file = await streamed(world.application, world.http, url, between=between)
    assert not file.cut
    assert len(file.names) > 2
    refused(await world.http.get(below(url)), 401)


async def test_an_export_that_is_ended_meanwhile_is_cut(world, one_at_a_time):
    status = await started(world.http, SCORES)
    await prepared(world.application)
    url = (await world.http.get(status)).json()["output"][0]["url"]

    async def between(pieces: int) -> None:
        if pieces == 1:
            assert (await world.http.delete(status)).status_code == 202

    part = await streamed(world.application, world.http, url, between=between)
    assert (len(part.names), part.cut) == (1, True)


async def test_a_client_that_is_closed_has_nothing_prepared(world):
    status = await started(world.http, SCORES)
    await close(world, world.http)
    await prepared(world.application)
    async with world.application.services.units.read(world.tenant.id) as unit:
        id = status.rpartition("/")[2]
        now = world.application.clock.now()
        assert await unit.exports.find(world.tenant.id, id, now=now) is None


async def test_nothing_of_a_hidden_patient_shows_in_files_count_or_status(world, outside):
    """The same world once without a patient and once where that patient permits nothing."""
    await withdraw(world, "berta")
    with_hidden = await manifest(world.application, outside, "$export")
    hidden_files = [await exported(outside, {"output": [f]}) for f in with_hidden["output"]]
    assert "berta" not in str(hidden_files)
    for path in ("Observation/o-berta", "Observation/o-more-berta", "Encounter/s-berta"):
        assert (await world.http.delete(path)).status_code in (200, 204), path
    without = await manifest(world.application, outside, "$export")
    shapes = [[item["type"] for item in each["output"]] for each in (with_hidden, without)]
    assert shapes[0] == shapes[1]
    files = [await exported(outside, {"output": [f]}) for f in without["output"]]
    assert files == hidden_files
    since = await manifest(world.application, outside, "$export?_since=2020-01-01T00:00:00Z")
    assert since["deleted"] == [], "nor are deletions of what was hidden told"
    mine = await manifest(world.application, world.http, "$export?_since=2020-01-01T00:00:00Z")
    assert mine["deleted"]


async def test_hidden_patients_are_as_none_at_all(world, outside):
    await withdraw(world, "berta")
    answers = []
    for who in ("berta", "nobody"):
        parameters = {
            "resourceType": "Parameters",
            "parameter": [
                {"name": "patient", "valueReference": {"reference": f"Patient/{each}"}}
                for each in ("anna", who)
            ],
        }
        answer = await kick_off(outside, "Patient/$export", json=parameters)
        status = below(answer.headers.pop("Content-Location"))
        waiting = comparable(await outside.get(status))
        await prepared(world.application)
        told = (await outside.get(status)).json()
        trees = await exported(outside, told)
        answers.append(
            (comparable(answer), waiting, [item["type"] for item in told["output"]], trees)
        )
    assert answers[0] == answers[1]
    assert all("anna" in str(tree) for tree in answers[0][3])


async def test_what_is_about_a_patient_and_a_couple_of_theirs(world):
    body = {
        "resourceType": "Parameters",
        "parameter": [{"name": "patient", "valueReference": {"reference": "Patient/anna"}}],
    }
    told = await manifest(world.application, world.http, "Patient/$export", json=body)
    names = named(await exported(world.http, told))
    assert {"Patient/anna", "Task/t-anna", "EpisodeOfCare/e-anna", "Consent/c-anna"} <= names
    assert {"Group/couple", "Goal/joint"} <= names
    assert not {"Patient/berta", "Observation/o-v", "DocumentReference/n-anna"} & names
    assert not of("carl", names)


async def test_a_group_that_is_hidden_has_no_export(world, outside):
    group = {
        "resourceType": "Group",
        "id": "pair",
        "type": "person",
        "actual": True,
        "member": [{"entity": {"reference": f"Patient/{who}"}} for who in ("anna", "berta")],
    }
    assert (await world.http.put("Group/pair", json=group)).status_code == 201
    told = await manifest(world.application, world.http, "Group/pair/$export")
    names = named(await exported(world.http, told))
    assert of("anna", names) and of("berta", names) and not of("carl", names)
    assert {"Patient/anna", "Patient/berta", "Group/pair"} <= names
    await withdraw(world, "berta")
    hidden = await kick_off(outside, "Group/pair/$export")
    absent = await kick_off(outside, "Group/nobody/$export")
    assert comparable(hidden) == comparable(absent)
    refused(hidden, 404)

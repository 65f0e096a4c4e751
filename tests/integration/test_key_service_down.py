"""With the key service down, what needs no clinical key goes on; what needs one says 503."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.application import Application, Clinic, clinic_of, running
from tests.support.databases import Databases, Dialect
from tests.support.people import (
    Browser,
    add_client,
    add_person,
    authorized,
    browser,
    code_now,
    enrol,
    quick_passwords,
    redeem,
)
from tests.support.transit import key_service_at, rotation

WORD = "q7secret7q"
PATIENT = {"resourceType": "Patient", "id": "rita", "name": [{"family": WORD}]}
GOAL = {
    "resourceType": "Goal",
    "id": "talk",
    "lifecycleStatus": "active",
    "description": {"text": WORD},
    "subject": {"reference": "Patient/rita"},
}


@dataclass(frozen=True)
class Outage:
    """A server that started while the key service was down, and its clinic, seen through it."""

    clinic: Clinic
    http: httpx.AsyncClient
    person: Browser

    @property
    def application(self) -> Application:
        return self.clinic.application


@pytest.fixture
async def outage(databases: Databases, dialect: Dialect, tmp_path: Path) -> AsyncIterator[Outage]:
    place = tmp_path / "own"
    place.mkdir()
    (place / "token").write_text("token")
    database = await databases.make(dialect)
    options: dict[str, Any] = {"key_service_token_file": place / "token"}
    with key_service_at() as url:
        options["key_service_url"] = url
        async with running(database, place, **options) as before, clinic_of(before) as clinic:
            for body in (PATIENT, GOAL):
                address = f"{body['resourceType']}/{body['id']}"
                assert (await clinic.http.put(address, json=body)).status_code == 201
            await rotation(before).turn_root()
    async with running(database, place, **options) as after:
        quick_passwords(after)
        left = replace(clinic, application=after, ehr=replace(clinic.ehr, application=after))
        person = browser(after)
        async with await left.ehr.http() as http, person.http:
            yield Outage(left, http, person)


async def test_accounts_and_what_is_public_go_on(outage: Outage):
    async with outage.application.http() as anybody:
        for address in (
            "/fhir/metadata",
            "/fhir/.well-known/smart-configuration",
            "/oauth/jwks",
            "/health/live",
            "/health/ready",
            "/login",
        ):
            assert (await anybody.get(address)).status_code == 200, address
        held = outage.http.headers["Authorization"].removeprefix("Bearer ")
        told = await anybody.post(
            "/oauth/introspect",
            data={"token": held},
            headers={"Authorization": f"Bearer {held}"},
        )
        assert told.json()["active"] is True


async def test_people_sign_in_and_an_administrator_keeps_accounts(outage: Outage):
    clinic, application = outage.clinic, outage.application
    root = await add_person(clinic, "root", "admin")
    console = await add_client(clinic, name="Console", scope="openid rapport/admin")
    secret, who = await enrol(application, root), outage.person
    code = code_now(application, secret)
    answer = await authorized(who, root, console, "openid rapport/admin", code=code)
    token = (await redeem(application, console, answer["code"])).json()["access_token"]
    assert (await who.open("/account")).status_code == 200
    async with application.http(headers={"Authorization": f"Bearer {token}"}) as http:
        new = {
            "username": f"new-{clinic.tenant.slug}",
            "name": "New",
            "role": "therapist",
            "fhir_user": "Practitioner/new",
        }
        assert (await http.post("/admin/users", json=new)).status_code == 201
        assert new["username"] in (await http.get("/admin/users")).text


@pytest.mark.parametrize(
    "method, address, body",
    [
        ("GET", "Patient/rita", None),
        ("GET", "Goal/talk/_history/1", None),
        ("GET", "Goal?lifecycle-status=active", None),
        ("GET", "Goal?patient=rita", None),
        ("GET", "Goal?patient=rita&description:missing=true", None),
        ("GET", "Patient/rita/$everything", None),
        ("PUT", "Goal/talk", GOAL),
        ("POST", "Goal", {name: value for name, value in GOAL.items() if name != "id"}),
        ("DELETE", "Goal/talk", None),
    ],
)
async def test_what_is_clinical_is_unavailable(
    outage: Outage, method: str, address: str, body: dict[str, Any] | None
):
    answer = await outage.http.request(method, address, json=body)
    assert answer.status_code == 503, answer.text
    assert answer.headers["retry-after"]
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert WORD not in answer.text

"""People of a clinic, signed in as they would be: a client to the FHIR base for each."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from app.repositories.accounts_people import Account
from app.security.oauth.registration import Registered
from tests.support.application import ORIGIN, Clinic
from tests.support.people import (
    Browser,
    add_client,
    add_person,
    authorized,
    browser,
    code_now,
    enrol,
    redeem,
)

STAFF = "openid fhirUser user/*.cruds"
CLIENT = "openid fhirUser launch/patient patient/*.cruds"


async def signs_in(clinic: Clinic, who: Browser, role: str, actor: str) -> None:
    """A person of a role signs in at a browser."""
    account = await add_person(clinic, actor.partition("/")[2], role, fhir_user=actor)
    secret = None if role == "client" else await enrol(clinic.application, account)
    await who.open("/login")
    await who.sign_in(account)
    if secret is not None:
        await who.submit("/login/second", code=code_now(clinic.application, secret))


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account, and the program by which they work."""

    clinic: Clinic
    account: Account
    secret: bytes | None
    program: Registered

    async def signs_in(
        self, scope: str | None = None, *, patient: str | None = None
    ) -> httpx.AsyncClient:
        """Signs in, by portal or dashboard; the clinic closes the client.

        ``patient`` is the id of whom the scope is about, where staff choose.
        """
        application = self.clinic.application
        who = browser(application)
        try:
            scope = scope or (CLIENT if self.account.role == "client" else STAFF)
            code = code_now(application, self.secret) if self.secret else None
            answer = await authorized(
                who, self.account, self.program, scope, code=code, patient=patient
            )
            response = await redeem(application, self.program, answer["code"])
        finally:
            await who.http.aclose()
        assert response.status_code == 200, response.text
        return with_token(self.clinic, response.json()["access_token"])


def with_token(clinic: Clinic, token: str) -> httpx.AsyncClient:
    """A client to the FHIR base that has a token; the clinic closes it."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
    client = clinic.application.http(headers=headers)
    client.base_url = httpx.URL(f"{ORIGIN}/fhir/")
    clinic.opened.append(client)
    return client


async def person(clinic: Clinic, role: str, actor: str) -> Person:
    """A new account of somebody, with a second factor where staff need one."""
    account = await add_person(clinic, actor.partition("/")[2], role, fhir_user=actor)
    secret = None if role == "client" else await enrol(clinic.application, account)
    return Person(clinic, account, secret, await add_client(clinic))


async def signed_in(clinic: Clinic, role: str, actor: str) -> httpx.AsyncClient:
    """A person of a role who has just signed in."""
    return await (await person(clinic, role, actor)).signs_in()

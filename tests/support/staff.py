"""People of a clinic, signed in as they would be: a client to the FHIR base for each."""

from __future__ import annotations

import httpx

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


async def signed_in(clinic: Clinic, role: str, actor: str) -> httpx.AsyncClient:
    """A person of a role, by portal or dashboard; the clinic closes the client."""
    application = clinic.application
    account = await add_person(clinic, actor.partition("/")[2], role, fhir_user=actor)
    secret = None if role == "client" else await enrol(application, account)
    registered = await add_client(clinic)
    who = browser(application)
    try:
        scope = CLIENT if role == "client" else STAFF
        code = code_now(application, secret) if secret else None
        answer = await authorized(who, account, registered, scope, code=code)
        response = await redeem(application, registered, answer["code"])
    finally:
        await who.http.aclose()
    assert response.status_code == 200, response.text
    headers = {
        "Authorization": f"Bearer {response.json()['access_token']}",
        "Content-Type": "application/fhir+json",
    }
    client = application.http(headers=headers)
    client.base_url = httpx.URL(f"{ORIGIN}/fhir/")
    clinic.opened.append(client)
    return client

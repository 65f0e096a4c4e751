"""Who may call a CDS Service: a registered client, by its own key, for this address, once."""

from __future__ import annotations

import base64
import json
from uuid import uuid4

import pytest
from jose import jwt

from app.core.clock import SECOND
from app.security.keys import new_es384_key
from app.security.ports import Fetched, FetchRefused
from tests.http.answers import comparable, refused
from tests.support.hooks import ALERTS, FORMS, called, claims, signed, view
from tests.support.people import add_client

BODY = view("Patient/nobody", "Practitioner/nobody")


def unsigned(backend):
    head = {"alg": "none", "kid": backend.key.kid, "typ": "JWT"}
    parts = [json.dumps(each).encode() for each in (head, claims(backend, ALERTS))]
    return ".".join(base64.urlsafe_b64encode(p).rstrip(b"=").decode() for p in parts) + "."


def with_secret(backend):
    """Signed with what everybody knows: the public key, as a shared secret."""
    secret = json.dumps(dict(backend.key.public_jwk))
    return jwt.encode(claims(backend, ALERTS), secret, "HS256", headers={"kid": backend.key.kid})


def by_another_key(backend):
    other = new_es384_key()
    headers = {"kid": backend.key.kid, "typ": "JWT"}
    return jwt.encode(claims(backend, ALERTS), dict(other.private_jwk), "ES384", headers=headers)


def changed_after(backend):
    head, _, tail = signed(backend, claims(backend, ALERTS)).split(".")
    said = json.dumps(claims(backend, ALERTS, iss="somebody")).encode()
    return ".".join((head, base64.urlsafe_b64encode(said).rstrip(b"=").decode(), tail))


def saying(**changes):
    return lambda backend: signed(backend, claims(backend, ALERTS, **changes))


def at(**ahead):
    def token(backend):
        now = backend.application.clock.now() // SECOND
        return saying(**{name: now + seconds for name, seconds in ahead.items()})(backend)

    return token


def headed(**headers):
    return lambda backend: signed(backend, claims(backend, ALERTS), headers)


FORGED = {
    "unsigned": unsigned,
    "HS256 with the public key": with_secret,
    "another key": by_another_key,
    "changed after signing": changed_after,
    "unknown issuer": saying(iss="nobody"),
    "no issuer": saying(iss=None),
    "another service": saying(aud=f"https://rapport.test/cds-services/{FORMS}"),
    "discovery's address": saying(aud="https://rapport.test/cds-services"),
    "the token endpoint": saying(aud="https://rapport.test/oauth/token"),
    "two audiences": saying(aud=[f"https://rapport.test/cds-services/{ALERTS}", "https://e.example"]),
    "no audience": saying(aud=None),
    "no jti": saying(jti=None),
    "a jti that is no name": saying(jti="a\nb"),
    "a long jti": saying(jti="x" * 129),
    "no exp": saying(exp=None),
    "no iat": saying(iat=None),
    "expired": at(iat=-400, exp=-31),
    "good for too long": at(exp=331),
    "of the future": at(iat=31, exp=200),
    "not before later": at(nbf=60),
    "another kid": headed(kid="other"),
    "another type": headed(typ="at+jwt"),
    "a key set of its own": headed(jku="https://e.example/jwks"),
    "a key of its own": headed(jwk=dict(new_es384_key().public_jwk)),
    "a certificate": headed(x5u="https://e.example/c"),
    "crit": headed(crit=["exp"]),
    "no token at all": lambda _: "not.a.token",
}  # fmt: skip


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
async def test_every_bad_token_gets_the_same_answer(clinic, forge):
    answer = await called(clinic, BODY, token=forge(clinic.ehr))
    plain = await called(clinic, BODY, token="x.y.z")
    refused(answer, 401)
    assert comparable(answer) == comparable(plain)
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert "invalid_token" in answer.headers["www-authenticate"]


async def test_without_a_token(clinic):
    async with clinic.application.http() as http:
        answer = await http.post(f"/cds-services/{ALERTS}", json=BODY)
        twice = await http.post(
            f"/cds-services/{ALERTS}", json=BODY, headers=[("Authorization", "Bearer a.b.c")] * 2
        )
        basic = await http.post(f"/cds-services/{ALERTS}", json=BODY, auth=("ehr", "secret"))
    for each in (answer, twice, basic):
        refused(each, 401)


async def test_a_token_is_good_once(clinic):
    token = signed(clinic.ehr, claims(clinic.ehr, ALERTS))
    assert (await called(clinic, BODY, token=token)).status_code == 200
    refused(await called(clinic, BODY, token=token), 401)


async def test_a_jti_is_good_once_whatever_it_signs_and_however_it_ended(clinic):
    jti = str(uuid4())
    first = signed(clinic.ehr, claims(clinic.ehr, ALERTS, jti=jti))
    refused(await called(clinic, {}, token=first), 400)
    again = signed(clinic.ehr, claims(clinic.ehr, FORMS, jti=jti))
    refused(await called(clinic, BODY, FORMS, token=again), 401)


async def test_an_array_of_the_one_address_is_fine(clinic):
    token = saying(aud=[f"https://rapport.test/cds-services/{ALERTS}"])(clinic.ehr)
    assert (await called(clinic, BODY, token=token)).status_code == 200


async def test_an_access_token_is_none(clinic):
    refused(await called(clinic, BODY, token=await clinic.ehr.token()), 401)


async def test_a_client_that_was_closed_calls_no_more(clinic):
    other = await clinic.application.register(clinic.tenant)
    services = clinic.application.services
    async with services.units.accounts.write() as unit:
        client = await unit.accounts.clients.find(other.client_id, tenant=clinic.tenant.id)
        await unit.accounts.clients.set_enabled(client, enabled=False)
    refused(await called(clinic, BODY, by=other), 401)


async def test_a_program_that_people_sign_in_to_is_no_record_system(clinic):
    key = new_es384_key()
    app = await add_client(
        clinic, kind="confidential", jwks={"keys": [dict(key.public_jwk)]}, scope="user/*.rs"
    )
    said = claims(clinic.ehr, ALERTS, iss=app.client.client_id)
    headers = {"kid": key.kid, "typ": "JWT"}
    token = jwt.encode(said, dict(key.private_jwk), "ES384", headers=headers)
    refused(await called(clinic, BODY, token=token), 401)


async def test_who_may_never_see_alerts_is_told_so_and_it_is_recorded(clinic):
    other = await clinic.application.register(clinic.tenant, scope="system/Patient.rs")
    answer = await called(clinic, BODY, by=other)
    refused(answer, 403)
    auditor = await clinic.as_client("system/AuditEvent.rs", role="auditor")
    found = (await auditor.get("AuditEvent", params={"subtype": "request"})).json()
    assert any(other.client_id in json.dumps(each) for each in found.get("entry", ()))


KEYS = "https://records.example.net/jwks"


@pytest.fixture
def published(clinic, monkeypatch):
    """Key sets by address, as the network has them; and which were asked for."""
    sets, asked = {}, []

    async def fetch(url, *, form=None):
        asked.append(url)
        if url not in sets:
            raise FetchRefused
        return Fetched(json.dumps({"keys": [dict(sets[url])]}).encode(), max_age=600)

    clients = clinic.application.services.authorization.cds_clients._clients
    monkeypatch.setattr(clients, "_fetch", fetch)
    sets["asked"] = asked
    return sets


async def by_address(clinic, published, url, **fields):
    """A record system whose keys are at an address."""
    other = await clinic.application.register(clinic.tenant, jwks=None, jwks_url=url, **fields)
    published[url] = other.key.public_jwk
    return other


async def test_a_record_system_may_call_itself_by_its_address(clinic, published):
    url = f"{KEYS}/{uuid4()}"
    other = await by_address(clinic, published, url)

    async def status(jku=url, **said):
        given = {"iss": "https://records.example.net/fhir", **said}
        token = signed(other, claims(other, ALERTS, **given), {"jku": jku} if jku else {})
        return (await called(clinic, BODY, token=token)).status_code

    assert await status() == 200
    assert await status(tenant=clinic.tenant.slug) == 200
    assert await status(tenant="another-clinic") == 401
    assert await status(iss="https://elsewhere.example.net") == 401
    assert await status(iss="http://records.example.net") == 401
    assert await status(jku=None) == 401
    assert await status(jku=f"{KEYS}/evil") == 401
    assert await status(iss="https://[") == 401
    assert await status(iss=other.client_id) == 200
    assert set(published["asked"]) == {url}, "nobody makes the server ask elsewhere"


async def test_where_two_clinics_have_the_keys_the_token_says_which(clinic, published):
    url = f"{KEYS}/{uuid4()}"
    other = await by_address(clinic, published, url)
    tenant = await clinic.application.add_tenant(f"also-{uuid4().hex[:8]}")
    await clinic.application.register(tenant, jwks=None, jwks_url=url)
    for slug, status in ((None, 401), (clinic.tenant.slug, 200), (tenant.slug, 200)):
        said = claims(other, ALERTS, iss="https://records.example.net", tenant=slug)
        token = signed(other, said, {"jku": url})
        assert (await called(clinic, BODY, token=token)).status_code == status, slug

"""SMART Backend Services: a system proves its key and gets a token that can be taken back."""

import asyncio
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from app.security import jose
from app.security.keyring import rotate_signing_key
from app.security.keys import new_es384_key
from app.security.ports import Fetched, Unauthenticated
from tests.support.authorization import FHIR, ORIGIN, TOKEN_URL, jwks_text, open_door
from tests.support.databases import ANYBODY


@pytest.fixture
async def door(tmp_path):
    async with open_door(tmp_path) as opened:
        yield opened


def refused(response, error="invalid_client", status=401):
    assert (response.status_code, response.json()["error"]) == (status, error), response.text
    assert response.headers["cache-control"] == "no-store"


async def test_a_system_gets_a_token_for_what_it_is_registered_for(door):
    ehr = (await door.backend("system/*.cruds", actor="Organization/clinic")).client
    response = await door.ask(ehr.client_id, scope="system/*.cruds")
    assert response.status_code == 200
    body = response.json()
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 600
    assert body["scope"] == "system/*.cruds"
    assert "refresh_token" not in body
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["pragma"] == "no-cache"
    claims = jose.read(body["access_token"])
    assert (claims.typ, claims.algorithm) == ("at+jwt", "ES384")
    assert claims.claims["aud"] == FHIR
    principal = await door.principal(body["access_token"])
    assert (principal.tenant, principal.tenant_slug, principal.role) == (1, "clinic", "system")
    assert (principal.subject, principal.actor) == (ehr.client_id, "Organization/clinic")
    assert [event.name for event in door.events] == ["token-issued"]
    assert door.events[0].address == "192.0.2.7"


async def test_version_1_is_answered_with_version_1(door):
    ehr = (await door.backend()).client
    body = (await door.ask(ehr.client_id, scope="system/Patient.read system/*.write")).json()
    assert body["scope"] == "system/Patient.read system/*.write"


async def test_no_scope_means_all_that_is_registered_and_repeats_are_tolerated(door):
    ehr = (await door.backend("system/Patient.rs system/Observation.rs")).client
    all_of_it = (await door.ask(ehr.client_id, scope=None)).json()["scope"]
    assert all_of_it == "system/Patient.rs system/Observation.rs"
    twice = await door.ask(ehr.client_id, scope="system/Patient.rs system/Patient.rs")
    assert twice.json()["scope"] == "system/Patient.rs"


async def test_a_role_and_a_registration_narrow_what_is_granted(door):
    auditor = (await door.backend("system/AuditEvent.rs system/Patient.rs", role="auditor")).client
    asked = await door.ask(auditor.client_id, scope="system/*.cruds")
    assert asked.json()["scope"] == "system/AuditEvent.rs"
    refused(await door.ask(auditor.client_id, scope="system/Goal.rs"), "invalid_scope", 400)


@pytest.mark.parametrize(
    "scope",
    [
        "patient/*.rs", "user/*.rs", "launch", "openid", "system/Patient.sr", "system:Patient.rs",
        "system/patient.rs", "system/Binary.rs", "system/*.rs system/*.read", "system/Patient.rr",
        "*/*.*", "system/Observation.rs?_include=x", "system/Observation.rs?subject.name=x",
        "system/Observation.rs?code:in=x", "system/Observation.", "system/",
    ],
)  # fmt: skip
async def test_what_is_not_a_system_scope_is_refused(door, scope):
    ehr = (await door.backend()).client
    refused(await door.ask(ehr.client_id, scope=scope), "invalid_scope", 400)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": FHIR},
        {"aud": ORIGIN + "/"},
        {"aud": ORIGIN.upper()},
        {"aud": ORIGIN.replace("://", "s://")},
        {"aud": ORIGIN + ".example.org"},
        {"aud": ORIGIN + ":443"},
        {"aud": ORIGIN + "/oauth"},
        {"aud": ORIGIN + "/oauth/introspect"},
        {"aud": TOKEN_URL + "/"},
        {"aud": TOKEN_URL + "?"},
        {"aud": "https://elsewhere.example.org/oauth/token"},
        {"aud": [TOKEN_URL, "https://elsewhere.example.org"]},
        {"aud": ["https://elsewhere.example.org", ORIGIN]},
        {"aud": [ORIGIN, TOKEN_URL]},
        {"aud": []},
        {"aud": None},
        {"exp": None},
        {"jti": None},
        {"sub": "somebody"},
        {"sub": None},
        {"iss": "nobody", "sub": "nobody"},
        {"exp": True},
        {"exp": "1e9"},
        {"jti": 7},
    ],
)
async def test_an_assertion_with_a_wrong_claim_is_refused(door, changes):
    ehr = (await door.backend()).client
    assertion = door.assertion(ehr.client_id, **changes)
    response = await door.ask(ehr.client_id, client_assertion=assertion)
    refused(response)
    assert response.json()["error_description"] == "client authentication failed"
    assert [event.outcome for event in door.events] == ["refused"]


@pytest.mark.parametrize("name", ["token_endpoint", "issuer"])
@pytest.mark.parametrize("shape", [str, lambda audience: [audience]])
async def test_an_assertion_is_for_the_token_endpoint_or_the_issuer(door, name, shape):
    ehr = (await door.backend()).client
    for document in ("smart-configuration", "openid-configuration"):
        named = (await door.http.get(f"/.well-known/{document}")).json()[name]
        assertion = door.assertion(ehr.client_id, aud=shape(named))
        response = await door.ask(ehr.client_id, client_assertion=assertion)
        assert response.status_code == 200, response.text
        refused(await door.ask(ehr.client_id, client_assertion=assertion))  # once


async def test_an_assertion_lives_five_minutes_at_most(door):
    ehr = (await door.backend()).client
    now = door.clock.seconds
    for exp in (now + 331, now - 31):
        refused(
            await door.ask(ehr.client_id, client_assertion=door.assertion(ehr.client_id, exp=exp))
        )
    good = door.assertion(ehr.client_id, exp=now + 300, iat=now + 0.5, nbf=now)
    assert (await door.ask(ehr.client_id, client_assertion=good)).status_code == 200


async def test_an_assertion_works_once_in_fifty_tries_at_once_and_after_a_restart(tmp_path):
    async with open_door(tmp_path) as door:
        ehr = (await door.backend()).client
        assertion = door.assertion(ehr.client_id)
        answers = await asyncio.gather(
            *(door.ask(ehr.client_id, client_assertion=assertion) for _ in range(50))
        )
        assert sorted(a.status_code for a in answers) == [200] + [401] * 49
        refused(await door.ask(ehr.client_id, client_assertion=assertion))
        assert [e.reason for e in door.events.named("token-refused")] == ["replay"] * 50


async def test_only_the_client_s_own_key_of_that_name_counts(door):
    ehr, hie = (await door.backend()).client, (await door.backend()).client
    theirs = door.keys[hie.client_id]
    pair = jose.key_pair(theirs.private_jwk, kid=theirs.kid, algorithm="ES384")
    refused(
        await door.ask(ehr.client_id, client_assertion=door.assertion(ehr.client_id, signer=pair))
    )
    disguised = jose.KeyPair(door.keys[ehr.client_id].kid, "ES384", pair.key)
    refused(
        await door.ask(
            ehr.client_id, client_assertion=door.assertion(ehr.client_id, signer=disguised)
        )
    )


async def test_rs384_is_taken_from_an_rsa_key(door):
    private = rsa.generate_private_key(65537, 2048)
    numbers = private.private_numbers()

    def number(value):
        return jose.encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))

    public = {
        "kty": "RSA", "kid": "one", "n": number(numbers.public_numbers.n), "e": "AQAB",
    }  # fmt: skip
    secret = {
        **public,
        "d": number(numbers.d), "p": number(numbers.p), "q": number(numbers.q),
        "dp": number(numbers.dmp1), "dq": number(numbers.dmq1), "qi": number(numbers.iqmp),
    }  # fmt: skip
    ehr = (await door.backend(jwks={"keys": [public]})).client
    pair = jose.key_pair(secret, kid="one", algorithm="RS384")
    good = door.assertion(ehr.client_id, signer=pair)
    assert (await door.ask(ehr.client_id, client_assertion=good)).status_code == 200
    weaker: tuple[Any, ...] = ("RS256", "RS512")
    for algorithm in weaker:
        other = jose.key_pair(secret, kid="one", algorithm=algorithm)
        refused(
            await door.ask(
                ehr.client_id, client_assertion=door.assertion(ehr.client_id, signer=other)
            )
        )


async def test_a_key_set_by_address_is_fetched_kept_and_asked_again_for_a_new_key(door):
    url = "https://ehr.example.org/jwks"
    ehr = (await door.backend(jwks_url=url)).client
    key = door.keys[ehr.client_id]
    for _ in range(3):
        refused(await door.ask(ehr.client_id))
    assert len(door.web.asked) == 1  # nobody makes us ask in a storm
    door.clock.turn(31)
    door.web.documents[url] = Fetched(jwks_text(key), max_age=600)
    for _ in range(3):
        assert (await door.ask(ehr.client_id)).status_code == 200
    assert len(door.web.asked) == 2
    new = new_es384_key()
    door.keys[ehr.client_id] = new
    door.web.documents[url] = Fetched(jwks_text(new), max_age=600)
    for _ in range(5):
        refused(await door.ask(ehr.client_id))
    assert len(door.web.asked) == 2
    door.clock.turn(31)
    assert (await door.ask(ehr.client_id)).status_code == 200
    assert len(door.web.asked) == 3
    door.clock.turn(601)
    assert (await door.ask(ehr.client_id)).status_code == 200
    assert len(door.web.asked) == 4


async def test_two_keys_of_one_name_are_no_key(door):
    key = new_es384_key()
    twice = {"keys": [dict(key.public_jwk), dict(key.public_jwk)]}
    ehr = (await door.backend(jwks=twice)).client
    door.keys[ehr.client_id] = key
    refused(await door.ask(ehr.client_id))


@pytest.mark.parametrize(
    "form, error",
    [
        ({"grant_type": None}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "implicit"}, "unsupported_grant_type"),
        ({"client_secret": "x"}, "invalid_request"),
    ],
)
async def test_a_request_that_is_none_says_why(door, form, error):
    ehr = (await door.backend()).client
    refused(await door.ask(ehr.client_id, **form), error, 400)


async def test_a_parameter_that_comes_twice_or_a_body_that_is_no_form_is_refused(door):
    ehr = (await door.backend()).client
    twice = f"grant_type=client_credentials&scope=a&scope=b&client_id={ehr.client_id}"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    refused(
        await door.http.post("/oauth/token", content=twice, headers=form), "invalid_request", 400
    )
    refused(await door.http.post("/oauth/token", json={}), "invalid_request", 400)
    bad = await door.http.post("/oauth/token", content=b"grant_type=%ff\xff", headers=form)
    refused(bad, "invalid_request", 400)


async def test_unknown_parameters_are_ignored(door):
    ehr = (await door.backend()).client
    assert (await door.ask(ehr.client_id, state="x", foo="y")).status_code == 200


async def rejected(door, token):
    with pytest.raises(Unauthenticated) as caught:
        await door.principal(token)
    assert 'error="invalid_token"' in caught.value.challenge


async def test_a_disabled_or_changed_client_and_a_suspended_tenant_lose_their_tokens_at_once(door):
    from sqlalchemy import update

    from app.db.tables.resources import tenant

    ehr = (await door.backend()).client
    token = await door.token(ehr.client_id)
    await door.principal(token)
    async with door.units.write() as unit:
        await unit.accounts.clients.set_enabled(ehr, enabled=False)
    await rejected(door, token)
    refused(await door.ask(ehr.client_id))
    async with door.units.write() as unit:
        await unit.accounts.clients.set_enabled(ehr, enabled=True)
    await rejected(door, token)
    token = await door.token(ehr.client_id)
    async with door.units.write() as unit:
        await unit.accounts.clients.set_rights(ehr, scope="system/*.rs", role="auditor")
    await rejected(door, token)
    token = await door.token(ehr.client_id, scope="system/AuditEvent.rs")
    async with door.database.write(ANYBODY) as connection:
        await connection.execute(update(tenant).where(tenant.c.id == 1).values(suspended=1))
    await rejected(door, token)
    refused(await door.ask(ehr.client_id))


async def test_a_token_expires(door):
    ehr = (await door.backend()).client
    token = await door.token(ehr.client_id)
    door.clock.turn(629)
    await door.principal(token)
    door.clock.turn(2)
    await rejected(door, token)


async def test_keys_rotate_with_overlap(door):
    ehr = (await door.backend()).client
    old = await door.token(ehr.client_id)
    async with door.units.write() as unit:
        await rotate_signing_key(
            unit.accounts.keys,
            root=door.root,
            now=door.clock.now(),
            publish_for=300_000_000,
            overlap=700_000_000,
        )
    door.clock.turn(61)
    published = (await door.http.get("/oauth/jwks")).json()["keys"]
    assert len(published) == 2
    assert all("d" not in key for key in published)
    assert jose.read(await door.token(ehr.client_id)).kid == jose.read(old).kid
    door.clock.turn(240)
    await door.principal(old)
    new = await door.token(ehr.client_id)
    assert jose.read(new).kid != jose.read(old).kid
    await door.principal(new)
    door.clock.turn(701)
    assert len((await door.http.get("/oauth/jwks")).json()["keys"]) == 1


async def test_a_removed_key_voids_its_tokens_at_once(door):
    ehr = (await door.backend()).client
    token = await door.token(ehr.client_id)
    await door.principal(token)
    async with door.units.write() as unit:
        await unit.accounts.keys.remove(jose.read(token).kid, at=door.clock.now())
    await rejected(door, token)


async def test_introspection_tells_a_client_of_its_own_tokens_only(door):
    ehr, hie = (await door.backend()).client, (await door.backend()).client
    token = await door.token(ehr.client_id)

    async def introspect(client_id, **changes):
        form = {
            "token": token,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": door.assertion(client_id),
            **changes,
        }
        return await door.http.post("/oauth/introspect", data=form)

    own = (await introspect(ehr.client_id)).json()
    assert own["active"] is True
    assert own["client_id"] == own["sub"] == ehr.client_id
    assert (own["scope"], own["iss"]) == ("system/*.rs", ORIGIN)
    assert own["exp"] == door.clock.seconds + 600
    assert (await introspect(hie.client_id)).json() == {"active": False}
    assert (await introspect(ehr.client_id, token="x.y.z")).json() == {"active": False}
    refused(await door.http.post("/oauth/introspect", data={"token": token}))
    bearer = await door.http.post(
        "/oauth/introspect", data={"token": token}, headers={"Authorization": f"Bearer {token}"}
    )
    assert bearer.json()["active"] is True


async def test_a_resource_server_introspects_the_tokens_of_its_tenant(door):
    ehr = (await door.backend()).client
    token = await door.token(ehr.client_id)
    for tenant, active in ((1, True), (2, False)):
        proxy = await door.register(
            tenant=tenant, name="API proxy", kind="resource-server", with_secret=True
        )
        answer = await door.http.post(
            "/oauth/introspect",
            data={"token": token},
            auth=(proxy.client.client_id, proxy.secret),
        )
        assert answer.json()["active"] is active


async def test_a_revoked_token_opens_nothing_and_another_s_token_cannot_be_revoked(door):
    ehr, hie = (await door.backend()).client, (await door.backend()).client
    token = await door.token(ehr.client_id)

    async def revoke(client_id):
        return await door.http.post(
            "/oauth/revoke",
            data={
                "token": token,
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": door.assertion(client_id),
            },
        )

    assert (await revoke(hie.client_id)).status_code == 200
    await door.principal(token)
    assert (await revoke(ehr.client_id)).status_code == 200
    await rejected(door, token)
    assert (await revoke(ehr.client_id)).status_code == 200
    assert len(door.events.named("token-revoked")) == 2


async def test_discovery_names_what_works(door):
    smart = (await door.http.get("/fhir/.well-known/smart-configuration")).json()
    assert smart["issuer"] == ORIGIN
    assert smart["token_endpoint"] == TOKEN_URL
    assert "S256" in smart["code_challenge_methods_supported"]
    assert "plain" not in smart["code_challenge_methods_supported"]
    for endpoint in ("introspection_endpoint", "revocation_endpoint"):
        path = smart[endpoint].removeprefix(ORIGIN)
        assert (await door.http.post(path, data={"token": "x"})).status_code == 401
    assert (await door.http.get(smart["jwks_uri"])).json()["keys"]
    openid = (await door.http.get("/.well-known/openid-configuration")).json()
    assert openid["issuer"] == ORIGIN
    assert json.dumps(openid).count("ES384") >= 1

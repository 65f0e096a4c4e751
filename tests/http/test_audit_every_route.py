"""Every route of the application, while the log takes nothing: no record, no answer.

A new route is either listed here as one that tells of nobody, or it must answer 503.
"""

from __future__ import annotations

import pytest

from tests.http.test_audit_failing import stored, taking_nothing
from tests.http.test_step_up import routes
from tests.support import therapy
from tests.support.application import Clinic
from tests.support.people import add_person, browser, code_now, enrol

# What tells of nobody and changes nothing: signs, forms to fill in, and the log's own proof.
OF_NOBODY = {
    *(("GET", f"/health/{which}") for which in ("live", "ready")),
    ("GET", "/metrics"),
    ("GET", "/.well-known/smart-configuration"),
    ("GET", "/fhir/.well-known/smart-configuration"),
    ("GET", "/.well-known/oauth-authorization-server"),
    ("GET", "/.well-known/openid-configuration"),
    ("GET", "/oauth/jwks"),
    ("GET", "/fhir/metadata"),
    ("GET", "/audit/checkpoint"),
    ("GET", "/audit/key"),
    ("GET", "/cds-services"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/docs/docs.js"),
    ("GET", "/docs/{name}"),
    ("GET", "/pages/style.css"),
    ("GET", "/pages/passkey.js"),
    ("GET", "/"),
    ("GET", "/login"),
    ("GET", "/account/reset"),
    # A person's own account, to themselves.
    ("GET", "/account"),
    ("GET", "/account/second"),
}
# Refused before anything is looked up.
UNREAD = {
    *(("POST", f"/oauth/{which}") for which in ("introspect", "revoke", "token")),
    *(("POST", f"/account/{which}") for which in ("passkey", "passkey/options")),
    *(("POST", f"/login/{which}") for which in ("passkey", "passkey/options")),
    ("GET", "/login/second"),
    ("GET", "/login/callback"),
    ("GET", "/login/elsewhere"),
}


async def _in(clinic: Clinic, role: str, actor: str | None):
    account = await add_person(clinic, role, role, fhir_user=actor)
    who = browser(clinic.application)
    secret = None if role == "client" else await enrol(clinic.application, account)
    await who.open("/login")
    await who.sign_in(account)
    if secret is not None:
        await who.submit("/login/second", code=code_now(clinic.application, secret))
    return who


@pytest.mark.parametrize("role", ["therapist", "client", "auditor"])
async def test_no_route_tells_of_anybody_without_its_record(clinic, role):
    course = await therapy.begin(clinic, therapist_key="amal")
    await clinic.settle()
    actor = {"therapist": course.therapist, "client": course.patient}.get(role)
    who = await _in(clinic, role, actor)
    ids = {
        "{episode}": course.episode.partition("/")[2],
        "{id}": course.patient.partition("/")[2],
    }
    answers = {}
    database = clinic.application.database
    before = await stored(database)
    async with taking_nothing(database):
        for method, route in sorted(routes(clinic.application.app, "/")):
            if (method, route) in OF_NOBODY:
                continue
            path = route
            for name, value in ids.items():
                path = path.replace(name, value)
            answer = await who.http.request(method, path)
            answers[method, route] = answer.status_code, answer.text
            assert await stored(database) == before, (method, route)
    await who.http.aclose()
    statuses = {key: status for key, (status, _) in answers.items()}
    assert {status for key, status in statuses.items() if key in UNREAD} <= {
        303,
        400,
        401,
        403,
        502,
        503,
    }
    assert {
        key: status for key, status in statuses.items() if key not in UNREAD and status != 503
    } == {}
    name = course.patient.partition("/")[2]
    assert not any(name in text for _, text in answers.values())

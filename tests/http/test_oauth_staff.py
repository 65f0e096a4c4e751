"""Staff: whose records a role reaches, the patient picker, launch from a record system, admin."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.services.safety import FOLLOW_UP, TASKS
from tests.support.application import ORIGIN
from tests.support.people import (
    add_client,
    add_person,
    answered,
    authorize_url,
    browser,
    code_now,
    enrol,
    forms,
    redeem,
    refresh,
)

USER = "openid fhirUser offline_access user/*.cruds"


def patient(name):
    return {"resourceType": "Patient", "id": name, "name": [{"family": name.title()}]}


def episode(id, subject, manager, status="active"):
    return {
        "resourceType": "EpisodeOfCare",
        "id": id,
        "status": status,
        "patient": {"reference": f"Patient/{subject}"},
        "managingOrganization": {"display": "Clinic"},
        "careManager": {"reference": f"Practitioner/{manager}"},
        "period": {"start": "2026-01-01"},
    }


def observation(id, subject, **fields):
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"text": "score"},
        "subject": {"reference": f"Patient/{subject}"},
        "valueInteger": 1,
        **fields,
    }


@pytest.fixture
async def world(clinic):
    """Two therapists, a supervisor of the first, three patients, one of them in a team."""
    resources = [
        *({"resourceType": "Practitioner", "id": one} for one in ("tess", "theo", "sue")),
        *(patient(one) for one in ("anna", "berta", "carla")),
        episode("e1", "anna", "tess"),
        episode("e2", "berta", "theo"),
        {
            "resourceType": "CareTeam",
            "id": "t1",
            "status": "active",
            "subject": {"reference": "Patient/carla"},
            "participant": [{"member": {"reference": "Practitioner/tess"}}],
            "period": {"start": "2026-01-01"},
        },
        {
            "resourceType": "CareTeam",
            "id": "t2",
            "status": "active",
            "category": [
                {
                    "coding": [
                        {
                            "system": "https://rapport.example.org/CodeSystem/care-team-category",
                            "code": "supervision",
                        }
                    ]
                }
            ],
            "participant": [
                {"member": {"reference": "Practitioner/tess"}},
                {"member": {"reference": "Practitioner/sue"}},
            ],
            "period": {"start": "2026-01-01"},
        },
        *(observation(f"o-{one}", one) for one in ("anna", "berta", "carla")),
        observation(
            "o-secret",
            "anna",
            meta={
                "security": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
                        "code": "V",
                    }
                ]
            },
        ),
    ]
    for resource in resources:
        path = f"{resource['resourceType']}/{resource['id']}"
        response = await clinic.http.put(path, json=resource)
        assert response.status_code == 201, response.text
    return clinic


@pytest.fixture
async def dashboard(clinic):
    return await add_client(clinic, name="Dashboard", launch_uri="https://app.example.org/launch")


async def let_in(application, clinic, username, role, person, *, scope, registered, **changes):
    """Signs somebody in with both factors; the browser and what it shows then."""
    account = await add_person(clinic, username, role, fhir_user=person)
    secret = await enrol(application, account)
    who = browser(application)
    await who.open(authorize_url(registered, scope, **changes))
    await who.sign_in(account)
    await who.submit("/login/second", code=code_now(application, secret))
    return who


async def token_of(
    application, clinic, registered, username, role, person=None, *, scope=USER
):  # fmt: skip
    who = await let_in(
        application, clinic, username, role, person, scope=scope, registered=registered
    )
    answer = answered(await who.submit("/oauth/approve", decision="allow"))
    await who.http.aclose()
    body = (await redeem(application, registered, answer["code"])).json()
    return body["access_token"]


async def ids(application, token, path):
    async with application.http(headers={"Authorization": f"Bearer {token}"}) as http:
        response = await http.get(f"/fhir/{path}")
    assert response.status_code == 200, response.text
    return sorted(entry["resource"]["id"] for entry in response.json().get("entry", ()))


@pytest.mark.parametrize(
    "username, role, person, seen",
    [
        ("tess", "therapist", "Practitioner/tess", ["anna", "carla"]),
        ("theo", "therapist", "Practitioner/theo", ["berta"]),
        ("sue", "supervisor", "Practitioner/sue", ["anna", "carla"]),
        ("lee", "clinical_lead", "Practitioner/lee", ["anna", "berta", "carla"]),
        ("new", "therapist", "Practitioner/new", []),
        ("anna", "client", "Patient/anna", ["anna"]),
    ],
)
async def test_a_role_reaches_those_whom_its_condition_names(
    application, world, dashboard, *, username, role, person, seen
):
    token = await token_of(application, world, dashboard, username, role, person)
    assert await ids(application, token, "Patient") == seen
    scores = await ids(application, token, "Observation")
    assert [one for one in scores if one != "o-secret"] == [f"o-{one}" for one in seen]
    assert ("o-secret" in scores) is (role == "clinical_lead")
    assert len(await ids(application, token, "Practitioner")) == 3


async def test_care_that_ended_ends_what_is_seen(application, world, dashboard):
    token = await token_of(application, world, dashboard, "tess", "therapist", "Practitioner/tess")
    handed_over = episode("e1", "anna", "theo")
    assert (await world.http.put("EpisodeOfCare/e1", json=handed_over)).status_code == 200
    assert await ids(application, token, "Patient") == ["carla"]
    team = (await world.http.get("CareTeam/t1")).json()
    team["period"]["end"] = "2026-01-02"
    assert (await world.http.put("CareTeam/t1", json=team)).status_code == 200
    assert await ids(application, token, "Patient") == []


def ago(days):
    moment = datetime.now(UTC) - timedelta(days=days)
    return moment.strftime("%Y-%m-%d")


@pytest.mark.parametrize(
    "periods, sees",
    [
        ([None], True),
        ([{"start": ago(9)}], True),
        ([{"start": ago(9), "end": ago(-9)}], True),
        ([{"start": ago(9), "end": ago(3)}], False),
        ([{"start": ago(-3)}], False),
        ([{"start": ago(9), "end": ago(3)}, {"start": ago(-3)}], False),
        ([{"start": ago(9), "end": ago(3)}, {"start": ago(2)}], True),
    ],
)
@pytest.mark.parametrize("through", ["subject", "episode"])
async def test_one_s_own_time_in_a_team_counts(
    application, world, dashboard, *, periods, sees, through
):
    member = {"reference": "Practitioner/tess"}
    team: dict[str, Any] = {
        "resourceType": "CareTeam",
        "id": "t9",
        "status": "active",
        "participant": [
            {"member": member, **({"period": period} if period else {})} for period in periods
        ],
    }
    if through == "subject":
        team["subject"] = {"reference": "Patient/berta"}
    assert (await world.http.put("CareTeam/t9", json=team)).status_code == 201
    if through == "episode":
        with_team = episode("e2", "berta", "theo") | {"team": [{"reference": "CareTeam/t9"}]}
        assert (await world.http.put("EpisodeOfCare/e2", json=with_team)).status_code == 200
    token = await token_of(application, world, dashboard, "tess", "therapist", "Practitioner/tess")
    assert ("berta" in await ids(application, token, "Patient")) is sees


async def test_supervision_that_ended_ends_what_is_seen(application, world, dashboard):
    token = await token_of(application, world, dashboard, "sue", "supervisor", "Practitioner/sue")
    assert await ids(application, token, "Patient") == ["anna", "carla"]
    team = (await world.http.get("CareTeam/t2")).json()
    team["period"]["end"] = "2026-01-02"
    assert (await world.http.put("CareTeam/t2", json=team)).status_code == 200
    assert await ids(application, token, "Patient") == []


async def test_a_therapist_makes_nobody_their_patient(application, world, dashboard):
    token = await token_of(application, world, dashboard, "tess", "therapist", "Practitioner/tess")
    async with application.http(headers={"Authorization": f"Bearer {token}"}) as http:
        made = await http.post("/fhir/EpisodeOfCare", json=episode("x", "berta", "tess"))
        assert made.status_code == 403
        team = {
            "resourceType": "CareTeam",
            "status": "active",
            "subject": {"reference": "Patient/berta"},
            "participant": [{"member": {"reference": "Practitioner/tess"}}],
        }
        assert (await http.post("/fhir/CareTeam", json=team)).status_code == 403


async def test_nothing_moves_from_one_patient_to_another(application, world, dashboard):
    token = await token_of(application, world, dashboard, "tess", "therapist", "Practitioner/tess")
    async with application.http(headers={"Authorization": f"Bearer {token}"}) as http:
        for one in (episode("e1", "berta", "tess"), episode("e1", "carla", "tess")):
            assert (await http.put("/fhir/EpisodeOfCare/e1", json=one)).status_code == 403
        for subject, status in (("carla", 201), ("berta", 403), ("nobody", 403)):
            score = observation("x", subject)
            del score["id"]
            response = await http.post("/fhir/Observation", json=score)
            assert response.status_code in (status, 422), response.text
            assert (response.status_code == 201) is (status == 201)


async def test_a_client_writes_of_nobody_else(application, world, dashboard):
    token = await token_of(
        application, world, dashboard, "anna", "client", "Patient/anna", scope="patient/*.cruds"
    )
    async with application.http(headers={"Authorization": f"Bearer {token}"}) as http:
        for subject, status in (("anna", 201), ("berta", 403)):
            response = await http.post(
                "/fhir/QuestionnaireResponse",
                json={
                    "resourceType": "QuestionnaireResponse",
                    "status": "in-progress",
                    "questionnaire": "https://rapport.example.org/Questionnaire/asc-pulse",
                    "subject": {"reference": f"Patient/{subject}"},
                },
            )
            assert response.status_code == status, response.text


async def test_a_client_does_not_see_what_staff_said(application, world, dashboard):
    form = {
        "resourceType": "QuestionnaireResponse",
        "status": "in-progress",
        "questionnaire": "https://rapport.example.org/Questionnaire/asc-therapist",
        "subject": {"reference": "Patient/anna"},
    }
    voices = {
        "r-staff": {"author": {"reference": "Practitioner/tess"}},
        "r-source": {"source": {"reference": "Practitioner/tess"}},
        "r-paper": {
            "author": {"reference": "Practitioner/tess"},
            "source": {"reference": "Patient/anna"},
        },
        "r-own": {},
    }
    for id, who in voices.items():
        made = await world.http.put(f"QuestionnaireResponse/{id}", json={**form, "id": id, **who})
        assert made.status_code == 201, made.text
        score = observation(
            f"s-{id}", "anna", derivedFrom=[{"reference": f"QuestionnaireResponse/{id}"}]
        )
        made = await world.http.put(f"Observation/s-{id}", json=score)
        assert made.status_code == 201, made.text
    token = await token_of(
        application, world, dashboard, "anna", "client", "Patient/anna", scope="patient/*.rs"
    )
    seen = await ids(application, token, "QuestionnaireResponse")
    assert seen == ["r-own", "r-paper"]
    scores = await ids(application, token, "Observation")
    assert scores == ["o-anna", "s-r-own", "s-r-paper"]


async def test_a_patient_is_picked_among_those_who_may_be_seen(application, world, dashboard):
    scope = "launch/patient patient/*.rs"
    who = await let_in(
        application, world, "tess", "therapist", "Practitioner/tess",
        scope=scope, registered=dashboard,
    )  # fmt: skip
    page = who.page.text
    assert "Anna" in page
    assert "Carla" in page
    assert "Berta" not in page
    found = await who.submit("/oauth/choose", name="carl")
    chosen = [f.fields["patient"] for f in forms(found) if "patient" in f.fields]
    assert chosen == ["carla"]
    fields = next(f for f in forms(found) if "patient" in f.fields).fields
    hidden = await who.http.post("/oauth/choose", data={**fields, "patient": "berta"})
    assert answered(hidden)["error"] == "access_denied"
    who.page = await who.http.post("/oauth/choose", data=fields)
    assert "Carla" in who.page.text
    answer = answered(await who.submit("/oauth/approve", decision="allow"))
    body = (await redeem(application, dashboard, answer["code"])).json()
    assert body["patient"] == "carla"
    assert await ids(application, body["access_token"], "Observation") == ["o-carla"]
    await who.http.aclose()


async def test_a_record_system_opens_a_client_for_a_patient(application, world, dashboard):
    made = await world.http.post(
        f"{ORIGIN}/oauth/launch",
        json={"client_id": dashboard.client.client_id, "patient": "anna", "intent": "review"},
    )
    assert made.status_code == 200, made.text
    launch = made.json()["launch"]
    assert made.json()["launch_url"].startswith("https://app.example.org/launch?iss=")
    who = await let_in(
        application, world, "tess", "therapist", "Practitioner/tess",
        scope="launch openid patient/*.rs", registered=dashboard, launch=launch,
    )  # fmt: skip
    answer = answered(await who.submit("/oauth/approve", decision="allow"))
    body = (await redeem(application, dashboard, answer["code"])).json()
    assert (body["patient"], body["intent"]) == ("anna", "review")
    again = answered(await who.open(authorize_url(dashboard, "launch", launch=launch)))
    assert again["error"] == "invalid_request"
    await who.http.aclose()


async def test_a_launch_for_a_patient_who_is_not_theirs_goes_nowhere(application, world, dashboard):
    made = await world.http.post(
        f"{ORIGIN}/oauth/launch",
        json={"client_id": dashboard.client.client_id, "patient": "berta"},
    )
    who = await let_in(
        application, world, "tess", "therapist", "Practitioner/tess",
        scope="launch patient/*.rs", registered=dashboard, launch=made.json()["launch"],
    )  # fmt: skip
    assert answered(who.page)["error"] == "access_denied"
    await who.http.aclose()


async def test_only_a_system_may_launch(application, world, dashboard):
    token = await token_of(application, world, dashboard, "tess", "therapist", "Practitioner/tess")
    async with application.http(headers={"Authorization": f"Bearer {token}"}) as http:
        response = await http.post("/oauth/launch", json={"client_id": dashboard.client.client_id})
        assert response.status_code == 403
    async with application.http() as http:
        assert (await http.post("/oauth/launch", json={})).status_code == 401


async def test_a_refresh_token_is_introspected_and_revoked_with_its_family(
    application, world, dashboard
):
    who = await let_in(
        application, world, "tess", "therapist", "Practitioner/tess",
        scope=USER, registered=dashboard,
    )  # fmt: skip
    answer = answered(await who.submit("/oauth/approve", decision="allow"))
    await who.http.aclose()
    body = (await redeem(application, dashboard, answer["code"])).json()
    async with application.http() as http:
        asked = {"Authorization": f"Bearer {body['access_token']}"}
        form = {"token": body["refresh_token"]}
        told = (await http.post("/oauth/introspect", data=form, headers=asked)).json()
        assert told["active"] is True
        assert told["client_id"] == dashboard.client.client_id
        form["client_id"] = dashboard.client.client_id
        assert (await http.post("/oauth/revoke", data=form)).status_code == 200
        gone = await http.get("/fhir/Patient", headers=asked)
        assert gone.status_code == 401
    late = await refresh(application, dashboard, body["refresh_token"])
    assert late.json()["error"] == "invalid_grant"


async def test_an_administrator_keeps_clients_and_people(application, clinic):
    console = await add_client(clinic, name="Console", scope="openid rapport/admin user/*.rs")
    token = await token_of(
        application, clinic, console, "root", "admin", scope="openid rapport/admin"
    )
    async with application.http(headers={"Authorization": f"Bearer {token}"}) as http:
        made = await http.post(
            "/admin/clients",
            json={
                "name": "Web", "kind": "confidential", "scope": "openid user/*.rs",
                "with_secret": True, "redirect_uris": ["https://web.example.org/cb"],
            },
        )  # fmt: skip
        assert made.status_code == 201, made.text
        assert made.json()["client_secret"]
        listed = (await http.get("/admin/clients")).json()["clients"]
        assert made.json()["client_id"] in [one["client_id"] for one in listed]
        assert all("client_secret" not in one for one in listed)
        closed = await http.patch(
            f"/admin/clients/{made.json()['client_id']}", json={"enabled": False}
        )
        assert closed.json()["enabled"] is False
        person = await http.post(
            "/admin/users",
            json={
                "username": f"new-{clinic.tenant.slug}", "name": "New",
                "role": "therapist", "fhir_user": "Practitioner/new",
            },
        )  # fmt: skip
        assert person.status_code == 201, person.text
        assert "/account/link/" in person.json()["invitation"]
        changed = await http.patch(f"/admin/users/{person.json()['id']}", json={"enabled": False})
        assert changed.json()["enabled"] is False
        bad = await http.post("/admin/users", json={"username": "x"})
        assert bad.status_code == 400
        own = next(
            one for one in (await http.get("/admin/users")).json()["users"]
            if one["role"] == "admin"
        )  # fmt: skip
        last = await http.patch(f"/admin/users/{own['id']}", json={"enabled": False})
        assert last.status_code == 409
        clinic_now = (await http.get("/admin/tenant")).json()
        assert clinic_now["implicit_policy"] == "clinic"
        stricter = await http.patch("/admin/tenant", json={"implicit_policy": "deny"})
        assert stricter.json()["implicit_policy"] == "deny"
        unknown = await http.patch("/admin/tenant", json={"implicit_policy": "open"})
        assert unknown.status_code == 400
        zone = await http.patch("/admin/tenant", json={"time_zone": "Asia/Riyadh"})
        assert zone.json()["time_zone"] == "Asia/Riyadh"
        assert zone.json()["implicit_policy"] == "deny"
        nowhere = await http.patch("/admin/tenant", json={"time_zone": "Mars/Olympus"})
        assert nowhere.status_code == 400
        auditor = await clinic.as_client("system/AuditEvent.rs", role="auditor")
        changed_settings = await auditor.get("AuditEvent", params={"subtype": "110131"})
        assert changed_settings.json()["total"] == 1
        logged = await auditor.get("AuditEvent", params={"subtype": "policy-changed"})
        assert logged.json()["total"] == 1
        application.clock.turn(seconds=301)
        stale = await http.get("/admin/clients")
        assert stale.status_code == 401
        assert "insufficient_user_authentication" in stale.headers["www-authenticate"]


async def test_a_role_changes_to_one_that_fits_the_person(application, clinic):
    console = await add_client(clinic, name="Console", scope="openid rapport/admin")
    token = await token_of(
        application, clinic, console, "root", "admin", scope="openid rapport/admin"
    )
    tess = await add_person(clinic, "tess", "therapist", fhir_user="Practitioner/tess")
    async with application.http(headers={"Authorization": f"Bearer {token}"}) as http:
        for change in (
            {"role": "client"},  # a Practitioner is no client
            {"role": "therapist", "fhir_user": "Patient/anna"},
            {"role": "therapist", "fhir_user": "Practitioner/../Patient"},
            {"role": "system"},
            {"role": "nobody"},
        ):
            answer = await http.patch(f"/admin/users/{tess.account_id}", json=change)
            assert answer.status_code == 422, (change, answer.text)
        answer = await http.patch(f"/admin/users/{tess.account_id}", json={"role": "supervisor"})
        assert answer.json()["role"] == "supervisor"


async def test_who_lost_every_factor_sets_up_another(application, clinic):
    console = await add_client(clinic, name="Console", scope="openid rapport/admin")
    token = await token_of(
        application, clinic, console, "root", "admin", scope="openid rapport/admin"
    )
    tess = await add_person(clinic, "tess", "therapist", fhir_user="Practitioner/tess")
    await enrol(application, tess)
    who = browser(application)
    assert forms(await who.sign_in(tess))[0].action == "/login/second"
    async with application.http(headers={"Authorization": f"Bearer {token}"}) as http:
        answer = await http.patch(
            f"/admin/users/{tess.account_id}", json={"reset_second_factor": True}
        )
        assert answer.status_code == 200, answer.text
    assert forms(await who.open("/login/second"))[0].action == "/login"
    assert forms(await who.sign_in(tess))[0].action == "/account/second"
    await who.http.aclose()


async def test_nobody_else_administers(application, world, dashboard):
    plain = await token_of(application, world, dashboard, "tess", "therapist", "Practitioner/tess")
    for headers in ({"Authorization": f"Bearer {plain}"}, dict(world.http.headers)):
        async with application.http(headers=headers) as http:
            assert (await http.get("/admin/clients")).status_code == 403


async def test_an_auditor_reads_who_may_what(application, clinic, dashboard):
    auditor = await token_of(application, clinic, dashboard, "otto", "auditor")
    async with application.http(headers={"Authorization": f"Bearer {auditor}"}) as http:
        table = (await http.get("/admin/roles")).json()
        assert table["auditor"]["AuditEvent"] == ["rs@all"]
        assert table["reception"]["Observation"] == []
        for path in ("users", "clients", "tenant"):
            assert (await http.get(f"/admin/{path}")).status_code == 403
    therapist = await token_of(
        application, clinic, dashboard, "tess", "therapist", "Practitioner/t"
    )
    async with application.http(headers={"Authorization": f"Bearer {therapist}"}) as http:
        assert (await http.get("/admin/roles")).status_code == 403


@pytest.mark.parametrize("form", ["{}", f"{ORIGIN}/fhir/{{}}", "{}/_history/1"])
async def test_a_leaver_s_patients_pass_to_a_colleague(application, world, dashboard, form):
    for where, held in (("EpisodeOfCare", "careManager"), ("CareTeam", "participant")):
        found = (await world.http.get(where)).json()["entry"]
        for tree in (entry["resource"] for entry in found):
            people = tree[held] if held == "participant" else [{"member": tree.get(held, {})}]
            for named in (each["member"] for each in people):
                if named.get("reference") == "Practitioner/tess":
                    named["reference"] = form.format("Practitioner/tess")
            answer = await world.http.put(f"{where}/{tree['id']}", json=tree)
            assert answer.status_code == 200, answer.text
    leaver = await token_of(application, world, dashboard, "tess", "therapist", "Practitioner/tess")
    colleague = await token_of(
        application, world, dashboard, "theo", "therapist", "Practitioner/theo"
    )
    assert await ids(application, colleague, "Patient") == ["berta"]
    violence = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SDV"}
    secret = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "V"}
    for status, labels in (("requested", []), ("completed", []), ("accepted", [secret, violence])):
        task = {
            "resourceType": "Task", "id": f"t-{status}", "status": status, "intent": "order",
            **({"meta": {"security": labels}} if labels else {}),
            "for": {"reference": "Patient/anna"},
            "owner": {"reference": form.format("Practitioner/tess"), "display": "Tess"},
            "code": {"coding": [{"system": TASKS, "code": FOLLOW_UP}]},
        }  # fmt: skip
        assert (await world.http.put(f"Task/t-{status}", json=task)).status_code == 201
    console = await add_client(world, name="Console", scope="openid rapport/admin")
    token = await token_of(
        application, world, console, "root", "admin", scope="openid rapport/admin"
    )
    async with application.http(headers={"Authorization": f"Bearer {token}"}) as http:
        people = (await http.get("/admin/users")).json()["users"]
        tess = next(one for one in people if one["fhir_user"] == "Practitioner/tess")
        for nobody in ("tess", "gone"):
            refused = await http.patch(
                f"/admin/users/{tess['id']}",
                json={"enabled": False, "transfer_to": f"Practitioner/{nobody}"},
            )
            assert refused.status_code == 422
        closed = await http.patch(
            f"/admin/users/{tess['id']}",
            json={"enabled": False, "transfer_to": "Practitioner/theo"},
        )
        assert closed.status_code == 200, closed.text
        assert closed.json()["transferred"] == 5
    owners = {
        entry["resource"]["id"]: entry["resource"]["owner"]
        for entry in (await world.http.get("Task")).json()["entry"]
    }
    assert owners == {
        "t-requested": {"reference": "Practitioner/theo"},
        "t-completed": {"reference": form.format("Practitioner/tess"), "display": "Tess"},
    }
    async with application.http(headers={"Authorization": f"Bearer {leaver}"}) as http:
        assert (await http.get("/fhir/Patient")).status_code == 401
    assert await ids(application, colleague, "Patient") == ["anna", "berta", "carla"]

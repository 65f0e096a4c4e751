"""``$break-glass`` opens one patient for an hour; ``$explain-access`` says what decides."""

from dataclasses import replace

import pytest

from app.core.clock import SECOND
from app.core.errors import AppError, Category
from app.fhir import json
from app.fhir.registry import Interaction
from app.interactions import pipeline
from app.interactions.call import Call
from app.repositories.accounts_factors import Totp
from app.security.ports import Unauthenticated
from app.services.audit import RequestFacts
from tests.http.resources import BASE
from tests.integration.test_consents import LEA, TESS, THEO, WORLD, World
from tests.support.consents import actor, labels, provision, purposes
from tests.support.people import add_person

FACTS = RequestFacts(request_id="r", address="192.0.2.1", method="POST", target="/fhir")


@pytest.fixture
async def world(clinic):
    made = World(clinic)
    await made.put(*WORLD)
    for name, role, person in (
        ("tess", "therapist", TESS),
        ("theo", "therapist", THEO),
        ("lea", "clinical_lead", LEA),
        ("anna", "client", "Patient/anna"),
        ("berta", "client", "Patient/berta"),
    ):
        await add_person(clinic, name, role, fhir_user=person)
    return made


async def operate(who, name, *, type_name=None, id=None, **inputs):
    """The output of an operation as a dict of its parameters."""
    parameters = [
        {"name": key, ("valueReference" if key in ("resource", "actor") else "valueCode"): value}
        for key, value in inputs.items()
    ]
    for each in parameters:
        if "valueReference" in each:
            each["valueReference"] = {"reference": each["valueReference"]}
    call = Call(
        interaction=Interaction.READ,
        facts=FACTS,
        type=type_name,
        id=id,
        operation=name,
        body=json.dumps({"resourceType": "Parameters", "parameter": parameters}),
    )
    outcome = await pipeline.run(who.clinic.application.services.engine, who.now, call)
    assert outcome.document is not None
    found = json.parse_resource(outcome.document)["parameter"]
    return {
        each["name"]: each.get("part") or next(v for k, v in each.items() if k != "name")
        for each in found
    }


async def breaks(who, id, **inputs):
    return await operate(who, "break-glass", type_name="Patient", id=id, **inputs)


async def explains(who, resource, by, **inputs):
    found = await operate(who, "explain-access", resource=resource, actor=by, **inputs)
    because = {part["name"]: next(v for k, v in part.items() if k != "name")
               for part in found["because"]}  # fmt: skip
    return found["decision"], because


async def refusal(running):
    with pytest.raises(AppError) as raised:
        await running
    return raised.value.category


async def test_an_emergency_opens_one_record_for_an_hour(world):
    rows = ("Patient/anna", "Observation/o-anna", "Observation/o-sdv", "Observation/o-v",
            "DocumentReference/n-anna", "Patient/carl")  # fmt: skip
    assert not any([await world.theo.sees(row) for row in rows])
    given = await breaks(world.theo, "anna", reason="ETREAT")
    assert [await world.theo.sees(row) for row in rows] == [True, True] + [False] * 4
    assert given["audit"]["reference"].startswith("AuditEvent/")
    notices, _ = await world.ehr.finds("Communication", ("subject", "Patient/anna"))
    assert len(notices) == 1
    world.clinic.application.clock.turn(seconds=3601)
    try:
        assert not await world.theo.sees("Patient/anna")
    finally:
        world.clinic.application.clock.turn(seconds=-3601)


async def test_what_is_found_by_an_emergency_is_told_as_such(world):
    await breaks(world.theo, "anna", reason="ETREAT")
    engine = world.clinic.application.services.engine
    call = Call(interaction=Interaction.SEARCH_TYPE, facts=FACTS, type="Encounter")
    found = await pipeline.run(engine, world.theo.now, call)
    assert len(json.parse_resource(found.document or b"")["entry"]) == 1
    auditor = await world.clinic.as_client("system/AuditEvent.rs", role="auditor")
    told = (await auditor.get("AuditEvent", params={"subtype": "search-type"})).json()
    (event,) = [entry["resource"] for entry in told["entry"]]
    assert {"type": "basis", "valueString": "break-glass"} in [
        detail for entity in event["entity"] for detail in entity.get("detail", ())
    ]


async def test_who_may_not_declare_one_and_how(world):
    for who in (world.ehr, world.anna, world.hie):
        assert await refusal(breaks(who, "anna", reason="ETREAT")) is Category.FORBIDDEN
    assert await refusal(breaks(world.theo, "anna", reason="BTG")) is Category.UNPROCESSABLE
    assert await refusal(breaks(world.theo, "nobody", reason="ETREAT")) is Category.NOT_FOUND
    assert not await world.theo.sees("Patient/anna")


async def test_the_proof_of_who_asks_must_be_fresh(world):
    stale = world.theo.now.at // SECOND - 301
    who = replace(world.theo, principal=replace(world.theo.principal, auth_time=stale))
    with pytest.raises(Unauthenticated) as raised:
        await breaks(who, "anna", reason="ETREAT")
    assert 'error="insufficient_user_authentication"' in raised.value.challenge
    assert not await world.theo.sees("Patient/anna")


async def test_who_has_a_second_factor_shows_it_first(world):
    services = world.clinic.application.services
    async with services.units.accounts.write() as unit:
        tenant = world.clinic.tenant.id
        account = await unit.accounts.people.of_person(tenant, THEO)
        sealed = Totp(tenant, account.account_id, b"secret", b"nonce", 1, 0)
        await unit.accounts.factors.replace_totp(sealed)
    one = replace(world.theo.principal, subject=account.account_id, amr=("pwd",))
    both = replace(one, amr=("pwd", "otp", "mfa"))
    asked = breaks(replace(world.theo, principal=one), "anna", reason="ETREAT")
    assert await refusal(asked) is Category.UNAUTHENTICATED
    assert await breaks(replace(world.theo, principal=both), "anna", reason="ETREAT")


async def test_an_emergency_lifts_a_denial_only_where_the_consent_says_so(world):
    await breaks(world.theo, "anna", reason="BTG", note="she is in danger")
    await world.consent(provision("deny"))
    assert not await world.theo.sees("Observation/o-anna")
    await world.consent(provision("deny", provision("permit", purpose=purposes("BTG"))))
    assert await world.theo.sees("Observation/o-anna")
    assert not await world.tess.sees("Observation/o-anna")


async def test_an_emergency_that_opens_nothing_tells_of_nobody(world):
    """Of who denies emergencies too there is no more to hear than of who is not there."""
    await world.consent(provision("deny"))
    refusals = []
    for id in ("anna", "nobody"):
        with pytest.raises(AppError) as raised:
            await breaks(world.theo, id, reason="BTG", note="she is in danger")
        refusals.append((raised.value.category, raised.value.issues))
    assert refusals[0] == refusals[1]
    assert refusals[0][0] is Category.NOT_FOUND
    assert await world.ehr.finds("Communication", ("subject", "Patient/anna")) == (set(), 0)
    await world.consent(provision("deny", provision("permit", purpose=purposes("BTG"))))
    assert not await world.theo.sees("Observation/o-anna"), "nothing was declared"
    await breaks(world.theo, "anna", reason="BTG", note="she is in danger")
    assert await world.theo.sees("Observation/o-anna")


async def test_each_decision_names_what_decided(world):
    ask = world.lea
    permit, because = await explains(ask, "Observation/o-anna", TESS)
    assert (permit, because["kind"]) == ("permit", "care-relationship")
    permit, because = await explains(ask, "Observation/o-anna", THEO)
    assert (permit, because["kind"]) == ("deny", "care-relationship")
    permit, because = await explains(ask, "Observation/o-v", TESS)
    assert (permit, because["kind"]) == ("deny", "label")
    permit, because = await explains(ask, "Goal/joint", "Patient/anna")
    assert (permit, because["kind"]) == ("deny", "partner")
    permit, because = await explains(ask, "Observation/o-anna", "Patient/berta")
    assert (permit, because["kind"]) == ("deny", "partner")
    permit, because = await explains(ask, "Observation/o-carl", "Patient/berta")
    assert (permit, because["kind"]) == ("deny", "care-relationship")
    permit, because = await explains(ask, "Observation/o-anna", "Patient/anna", action="delete")
    assert (permit, because["kind"]) == ("deny", "role")
    await world.consent(
        provision(
            "permit",
            provision("deny", securityLabel=labels("R"), actor=[actor(TESS)]),
            actor=[actor(THEO), actor(TESS)],
        )
    )
    permit, because = await explains(world.lea, "Observation/o-anna", TESS)
    assert (permit, because["kind"]) == ("deny", "consent")
    assert because["reference"] == {"reference": "Consent/c-anna"}
    assert "provision.provision[0]" in because["text"]
    permit, because = await explains(world.lea, "Observation/o-anna", THEO)
    assert (permit, because["kind"]) == ("permit", "consent")


@pytest.mark.parametrize("form", ["{}", f"{BASE}/{{}}", "{}/_history/1", f"{BASE}/{{}}/_history/1"])
async def test_it_is_asked_however_the_reference_is_written(world, form):
    what = form.format("Observation/o-anna")
    for by, decision in ((TESS, "permit"), (THEO, "deny")):
        assert (await explains(world.lea, what, form.format(by)))[0] == decision
    assert (await explains(world.tess, what, form.format(TESS)))[0] == "permit"
    assert await refusal(explains(world.tess, what, form.format(THEO))) is Category.FORBIDDEN


@pytest.mark.parametrize(
    "other",
    [
        "https://elsewhere.example.org/fhir/{}",
        f"{BASE}/more/{{}}",
        f"{BASE}.example.org/{{}}",
        "https://rapport.test/{}",
        "http://rapport.test/fhir/{}/_history/1",
    ],
)
async def test_what_another_server_has_is_explained_there(world, other):
    for given in (
        {"resource": other.format("Observation/o-anna"), "by": TESS},
        {"resource": "Observation/o-anna", "by": other.format(TESS)},
    ):
        with pytest.raises(AppError) as raised:
            await explains(world.lea, **given)
        assert raised.value.category is Category.UNPROCESSABLE
        (issue,) = raised.value.issues
        assert issue.diagnostics == "a reference to a resource of this server is expected"


async def test_only_some_may_ask_of_others_and_only_of_what_they_see(world):
    assert await refusal(explains(world.tess, "Observation/o-anna", THEO)) is Category.FORBIDDEN
    assert (await explains(world.tess, "Observation/o-anna", TESS))[0] == "permit"
    assert await refusal(explains(world.tess, "Observation/o-v", TESS)) is Category.NOT_FOUND
    hidden = "DocumentReference/n-anna"
    assert await refusal(explains(world.lea, hidden, TESS)) is Category.NOT_FOUND

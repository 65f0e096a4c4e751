"""Each example Consent of IHE PCF, over HTTP: who sees what while it holds, and who does not.

Three therapists treat the one patient; other organizations ask for purposes of their own. What the
guide calls permitted to the community is so to those whom their own rights let in: a permit that
names nobody opens nothing to staff who do not treat the patient. Observations are restricted here
whatever their label says, so that an agreement to what is normal is one to Patient and Encounter.
"""

from __future__ import annotations

from typing import Any

import pytest

from app.core.clock import SECOND
from tests.http.answers import made, ok, refused
from tests.support.application import TurnedClock, clinic_of, running
from tests.support.pcf import EXAMPLES, PRIVILEGED, example
from tests.support.pcf_clinic import (
    ALL,
    CARE,
    PATIENT,
    RESTRICTED,
    ROWS,
    SYSTEMS,
    THERAPISTS,
    Cast,
    gathered,
)
from tests.support.staff import signed_in

END_OF_2022 = 1672531200  # 2023-01-01T00:00:00Z, in seconds


@pytest.fixture
async def cast(clinic):
    return await gathered(clinic)


# Who sees what while the Consent holds; the others see what they see without any.
NORMAL = {"exchange": "PE", "clerk": "PE", "author": "PEWAYS", "privileged": "PEO"}
TO_CARE = {"exchange": RESTRICTED, "payer": RESTRICTED, "research": "", "clerk": ALL}
SIGHT: dict[str, dict[str, str]] = {
    "basic-treat": TO_CARE,
    "basic-ink": TO_CARE,
    "basic-treat-infant": TO_CARE,
    "basic-reject": {"clerk": "", "author": "WAYS", "privileged": "O", "exchange": ""},
    "basic-research": {"research": RESTRICTED, "exchange": "", "clerk": ALL},
    "expired-treat": {"exchange": "", "clerk": ALL},
    "intermediate-authoredby": {"exchange": "O", "clerk": "O", "author": "WAYSO"},
    "intermediate-not-authoredby": {"exchange": "PEWAY", "clerk": "PEWAYS", "privileged": ALL},
    "intermediate-data": {"exchange": "EWA", "clerk": "EWA", "author": "EWAYS"},
    "intermediate-not-data": {"exchange": "PEWYO", "clerk": "PEWYSO", "author": ALL},
    "intermediate-encounter": {"exchange": "PEWAY", "clerk": "PEWAYS", "privileged": ALL},
    "intermediate-not-encounter": {"exchange": "O", "clerk": "O", "author": "WAYSO"},
    "intermediate-timeframe": {"exchange": "PA", "clerk": "PA", "author": "PWAYS"},
    "intermediate-not-timeframe": {"exchange": "PWYO", "clerk": "PWYSO", "author": "PWAYSO"},
    "intermediate-purpose": {
        "foobar": RESTRICTED,
        "researcher": "",
        "other foobar": "",
        "clerk": ALL,
    },
    "dissent-break-glass": {"clerk": "", "author": "WAYS", "privileged": "O", "exchange": ""},
    "advanced-normal": NORMAL,
    "advanced-normal-restricted": {
        "exchange": RESTRICTED,
        "clerk": RESTRICTED,
        "research": "",
    },
    "advanced-normal-not-restricted": NORMAL,
    "advanced-normal-focused-restricted": {**NORMAL, "privileged": RESTRICTED},
    "advanced-normal-focused-psy": {**NORMAL, "privileged": "PEYO"},
    "advanced-normal-focused-psy-or-sdv": {**NORMAL, "privileged": "PEYSO"},
    "advanced-normal-break-glass-restricted": NORMAL,
}
WROTE = {"clerk": "", "author": "WAYS", "privileged": "O"}  # and nobody takes it from them


def expected(name: str, who: str) -> str:
    """In letters; whom the table leaves out sees what the clerk or the exchange does."""
    told = SIGHT[name]
    if who in THERAPISTS:
        seen = told.get(who, told["clerk"] + WROTE[who])
    else:
        seen = told.get(who, told.get("exchange", "") if who in CARE else "")
    return "".join(letter for letter in ROWS if letter in seen)


def test_no_example_is_left_out() -> None:
    assert SIGHT.keys() == EXAMPLES.keys()


async def without_any(cast: Cast, *names: str) -> None:
    """These, or else everybody, see what they see without a Consent."""
    for who in names or (*THERAPISTS, *SYSTEMS):
        assert await cast.finds(who) == (ALL if who in THERAPISTS else ""), who


@pytest.mark.parametrize("name", EXAMPLES)
async def test_an_example_says_who_sees_what(cast, name):
    await without_any(cast, "clerk", "exchange")
    stored = await cast.writes(name)
    for who in (*THERAPISTS, *SYSTEMS):
        seen = expected(name, who)
        if who not in SIGHT[name]:
            assert await cast.finds(who) == seen, who
            continue
        assert await cast.sees(who) == seen, who
        told, reasons = await cast.explained(who)
        assert told == seen, who
        if who not in THERAPISTS:
            assert reasons == ({f"Consent/{name}"} if seen else set()), who
    ended = await cast.writes(name, status="inactive")
    assert ended["meta"]["versionId"] != stored["meta"]["versionId"]
    await without_any(cast, *SIGHT[name])


def emergency(note: str) -> dict[str, Any]:
    reason = {"name": "reason", "valueCode": "BTG"}
    told = {"name": "note", "valueString": note}
    return {"resourceType": "Parameters", "parameter": [reason, told]}


@pytest.mark.parametrize(
    "name, clerk, answer",
    [
        ("dissent-break-glass", "", 404),
        ("advanced-normal-break-glass-restricted", "PE", 200),
    ],
)
async def test_an_emergency_opens_the_record_to_the_privileged_alone(cast, name, clerk, answer):
    await cast.writes(name)
    for who, status in (("clerk", answer), ("privileged", 200)):
        declared = await cast.callers[who].post(
            f"{PATIENT}/$break-glass", json=emergency("found unconscious")
        )
        assert declared.status_code == status, declared.text
    assert await cast.sees("clerk") == (await cast.explained("clerk"))[0] == clerk
    assert await cast.sees("privileged") == (await cast.explained("privileged"))[0] == RESTRICTED
    assert await cast.finds("exchange") == expected(name, "exchange")
    await cast.an_hour_later("clerk", "privileged")
    for who in ("clerk", "privileged"):
        assert await cast.sees(who) == (await cast.explained(who))[0] == expected(name, who)


async def test_who_is_privileged_no_more_opens_nothing(cast):
    await cast.writes("dissent-break-glass")
    ended = [{**member, "inactive": True} for member in PRIVILEGED["member"]]
    await cast.clinic.http.put("Group/privileged", json={**PRIVILEGED, "member": ended})
    declared = await cast.callers["privileged"].post(
        f"{PATIENT}/$break-glass", json=emergency("found unconscious")
    )
    refused(declared, 404)
    assert await cast.sees("privileged") == WROTE["privileged"]


@pytest.mark.parametrize("name", ["basic-treat", "basic-reject", "intermediate-not-data"])
async def test_the_patient_gives_and_withdraws_an_example(cast, name):
    """Whoever the record system would write it for may write it; nobody else may."""
    told = {each: value for each, value in example(name).items() if each != "id"}
    refused(await cast.callers["exchange"].post("Consent", json=told), 403)
    mother = await signed_in(cast.clinic, "client", "Patient/mother")
    assert (await mother.post("Consent", json=told)).status_code in (403, 404)
    await without_any(cast)
    own = await signed_in(cast.clinic, "client", PATIENT)
    address = made(await own.post("Consent", json=told))
    for who in ("clerk", "author", "exchange", "research"):
        assert await cast.finds(who) == expected(name, who), who
    signed = ok(await own.get("Provenance", params={"target": address}))
    assert signed["total"] == 1
    lifted = {**ok(await own.get(address)), "status": "inactive"}
    refused(await cast.callers["clerk"].put(address, json=lifted), 403)
    assert (await own.put(address, json=lifted)).status_code == 200
    await without_any(cast)


@pytest.mark.parametrize(
    "beyond",
    [
        {"type": None},
        {"provision": [{"type": "deny", "provision": [{"type": "permit"}]}]},
    ],
    ids=["of no type", "nested twice"],
)
async def test_an_example_that_cannot_be_computed_says_so_and_grants_nothing(cast, beyond):
    tree = example("basic-treat")
    rules = {**tree["provision"], **beyond}
    tree["provision"] = {name: value for name, value in rules.items() if value is not None}
    answer = await cast.clinic.http.put(
        "Consent/basic-treat", json=tree, headers={"Prefer": "return=OperationOutcome"}
    )
    assert answer.status_code == 201, answer.text
    (issue,) = answer.json()["issue"]
    assert (issue["severity"], issue["code"]) == ("warning", "not-supported")
    await without_any(cast)


async def test_a_consent_of_2022_ends_with_that_year(databases, dialect, tmp_path):
    """In a clinic of its own, whose clock stands at the end of that year."""
    clock = TurnedClock()
    database = await databases.make(dialect)
    clock.turn(seconds=END_OF_2022 - 240 - clock.now() / SECOND)
    async with (
        running(database, tmp_path, clock=clock) as application,
        clinic_of(application) as clinic,
    ):
        cast = await gathered(clinic)
        await cast.writes("expired-treat")
        for who in CARE:
            assert await cast.sees(who) == (await cast.explained(who))[0] == RESTRICTED
        clock.turn(seconds=END_OF_2022 - clock.now() / SECOND)
        for who in CARE:
            assert await cast.sees(who) == (await cast.explained(who))[0] == ""
        assert await cast.sees("clerk") == ALL
    await databases.drop(database)

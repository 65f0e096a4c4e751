"""``/me``: a client reads what is kept, decides who may see it, and learns who looked."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.http.test_access_operations import breaks
from tests.integration.test_consents import HIE, TESS, WORLD, World
from tests.support import therapy
from tests.support.people import add_person, browser, code_now, enrol
from tests.support.staff import signs_in
from tests.support.therapy import pulse, srs

COUPLE = "https://rapport.example.org/StructureDefinition/couple"


@pytest.fixture
async def world(clinic):
    made = World(clinic)
    await made.put(*WORLD)
    named: dict[str, Any] = {
        "Practitioner/tess": {"name": [{"text": "Dr Tess Ali"}]},
        "EpisodeOfCare/e-anna": {
            "extension": [{"url": COUPLE, "valueReference": {"reference": "Group/couple"}}]
        },
    }
    for tree in WORLD:
        more = named.get(f"{tree['resourceType']}/{tree['id']}")
        if more:
            await made.put({**tree, **more})
    return made


@pytest.fixture
async def anna(clinic, world):
    account = await add_person(clinic, "anna", "client", fhir_user="Patient/anna")
    who = browser(clinic.application)
    await who.open("/login")
    await who.sign_in(account)
    yield who
    await who.http.aclose()


async def consents(world):
    """The Consents of the client, newest last."""
    answer = await world.clinic.http.get("Consent", params={"_sort": "_lastUpdated"})
    return [entry["resource"] for entry in answer.json().get("entry", ())]


async def test_a_client_reads_what_is_kept_of_them(anna, world):
    page = await anna.open("/me")
    assert page.status_code == 200
    assert "2026-01-02" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert "<title>Your page</title>" in page.text
    assert "<script" not in page.text and "style=" not in page.text
    assert "Leave this page" in page.text
    arabic = await anna.open("/me?lang=ar")
    assert 'dir="rtl"' in arabic.text and "صفحتك" in arabic.text


async def test_results_name_their_form_and_say_what_is_not_validated(clinic):
    course = await therapy.begin(clinic)
    await course.sessions("srs", [srs("36.2")])
    await course.sessions("asc-pulse", [pulse(15)])
    who = browser(clinic.application)
    await signs_in(clinic, who, "client", course.patient)
    tables = (await who.open("/me")).text.split("<tbody>")[1:]
    assert len(tables) == 2
    newest, older = tables
    assert "Alliance and Safety Check-in, pulse" in newest and ">75.0<" in newest
    assert "Not validated" in newest
    assert "36.2" in older and "Not validated" not in older.partition("</table>")[0]
    await who.http.aclose()


async def test_a_permit_counts_at_once_until_it_is_withdrawn(anna, world):
    page = await anna.open("/me/consents")
    assert "You have not decided anything yet" in page.text
    assert not await world.hie.sees("Observation/o-anna")
    page = await anna.submit(
        "/me/consents", kind="share", actor=HIE, depth="full", until="2126-01-31"
    )
    assert "It counts from this moment" in page.text
    assert (
        "\u2068Exchange\u2069 may see your record with answers and results, in order to treat you"
        in page.text
    )
    assert "signed by you" in page.text
    assert await world.hie.sees("Observation/o-anna")
    (stored,) = await consents(world)
    assert stored["performer"] == [{"reference": "Patient/anna"}]
    words = base64.b64decode(stored["sourceAttachment"]["data"]).decode()
    assert words in page.text and "2126-01-31" in words
    page = await anna.submit(f"/me/consents/{stored['id']}")
    assert "It no longer counts" in page.text and "no longer counts</small>" in page.text
    assert not await world.hie.sees("Observation/o-anna")
    (ended,) = await consents(world)
    assert (ended["status"], ended["meta"]["versionId"]) == ("inactive", "2")


async def test_less_opens_less(anna, world):
    await anna.open("/me/consents")
    await anna.submit("/me/consents", kind="share", actor=HIE, depth="basic")
    assert await world.hie.sees("Encounter/s-anna")
    assert not await world.hie.sees("Observation/o-anna")


async def test_somebody_is_stopped_but_for_an_emergency(anna, world):
    await anna.open("/me/consents")
    page = await anna.submit("/me/consents", kind="stop", actor=TESS, emergency="yes")
    assert "\u2068Dr Tess Ali\u2069 may not see your record." in page.text
    assert "\u2068Dr Tess Ali\u2069 may see your record in an emergency." in page.text
    assert not await world.tess.sees("Observation/o-anna")
    assert await world.lea.sees("Observation/o-anna")
    await breaks(world.tess, "anna", reason="ETREAT")
    assert await world.tess.sees("Observation/o-anna")
    await anna.open("/me/consents")
    page = await anna.submit("/me/consents", kind="stop", actor="everybody")
    assert "Nobody but you may see your record." in page.text
    assert not await world.lea.sees("Observation/o-anna")


async def test_what_is_joint_opens_by_both_and_nothing_tells_of_the_other(anna, world):
    before = (await anna.open("/me/consents")).text
    opened = {
        "type": "permit",
        "actor": [{"role": {"text": "r"}, "reference": {"reference": "Group/couple"}}],
    }
    await world.consent(opened, "berta")
    again = (await anna.open("/me/consents")).text
    assert again == before
    page = await anna.submit("/me/consents", kind="couple", actor="Group/couple")
    assert "\u2068You and your partner\u2069 may see what is about both of you." in page.text
    assert await world.anna.sees("Goal/joint")
    assert not await world.anna.sees("Observation/o-berta")


async def test_what_was_not_offered_is_not_taken(anna, world):
    await anna.open("/me/consents")
    for fields, told in (
        ({"kind": "share", "actor": "Organization/elsewhere"}, "Choose who."),
        ({"kind": "share", "actor": "Practitioner/theo"}, "Choose who."),
        ({"kind": "couple", "actor": "Group/other"}, "Choose who."),
        ({"kind": "all", "actor": HIE}, "Choose who."),
        ({"kind": "share", "actor": HIE, "until": "2020-01-01"}, "not a day to come"),
        ({"kind": "share", "actor": HIE, "until": "soon"}, "not a day to come"),
    ):
        page = await anna.submit("/me/consents", **fields)
        assert page.status_code == 422
        assert told in page.text
    assert await consents(world) == []


async def test_an_old_page_withdraws_nothing_new(anna, world):
    await anna.open("/me/consents")
    await anna.submit("/me/consents", kind="share", actor=HIE)
    (stored,) = await consents(world)
    await world.put({**stored, "language": "ar"})
    page = await anna.submit(f"/me/consents/{stored['id']}")
    assert page.status_code == 409 and "changed meanwhile" in page.text
    assert (await consents(world))[0]["status"] == "active"


async def test_nobody_withdraws_for_another(anna, world):
    await world.consent({"type": "deny"}, "berta")
    await anna.open("/me/consents")
    await anna.submit("/me/consents", kind="share", actor=HIE)
    token = anna.page.text.split('name="token" value="')[1].split('"')[0]
    fields = {"token": token, "version": "1"}
    hidden = await anna.http.post("/me/consents/c-berta", data=fields)
    absent = await anna.http.post("/me/consents/none", data=fields)
    assert (hidden.status_code, absent.status_code) == (404, 404)
    assert hidden.text.replace("c-berta", "none") == absent.text
    assert await world.ehr.read("Consent/c-berta") is not None
    foreign = await anna.http.post("/me/consents", data={**fields, "token": "x", "kind": "stop"})
    assert foreign.status_code == 403


async def test_a_client_sees_who_looked_and_that_an_emergency_was_declared(anna, world, clinic):
    page = await anna.open("/me/looks")
    assert "Nobody has looked." in page.text
    tess = await clinic.as_client("system/*.rs", name="Record system of the clinic")
    for _ in range(2):
        assert (await tess.get("Observation/o-anna")).status_code == 200
    await breaks(world.theo, "anna", reason="BTG", note="found unconscious")
    page = await anna.open("/me/looks")
    assert "Record system of the clinic" in page.text and "2 times" in page.text
    assert "declared an emergency to open your record" in page.text
    assert 'class="glass"' in page.text
    assert "unconscious" not in page.text
    assert "Nobody" not in page.text


async def test_the_pages_are_for_clients(clinic):
    who = browser(clinic.application)
    for path in ("/me", "/me/consents", "/me/looks"):
        asked = await who.http.get(path)
        assert asked.status_code == 303
        assert asked.headers["location"].startswith("/login?next=%2Fme")
    account = await add_person(clinic, "rita", "reception")
    secret = await enrol(clinic.application, account)
    await who.open("/login")
    await who.sign_in(account)
    await who.submit("/login/second", code=code_now(clinic.application, secret))
    assert (await who.open("/me")).status_code == 403
    await who.http.aclose()

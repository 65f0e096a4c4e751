"""CDS Hooks: what a record system shows when a patient is opened, in the specification's form."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.http.answers import ok, refused
from tests.support import therapy
from tests.support.asking import asked, asking
from tests.support.hooks import ALERTS, FORMS, HOOKS, called, cards, claims, ruptured, signed, view
from tests.support.people import add_person
from tests.support.staff import signed_in
from tests.support.therapy import pulse, wai

SERVICE = {"hook", "title", "description", "id", "prefetch", "usageRequirements", "extension"}
CARD = {
    "uuid", "summary", "detail", "indicator", "source", "suggestions", "selectionBehavior",
    "overrideReasons", "links", "extension",
}  # fmt: skip


@pytest.fixture
async def course(clinic):
    """A course whose therapist has an account."""
    begun = await therapy.begin(clinic)
    await add_person(clinic, "tess", "therapist", fhir_user=begun.therapist)
    return begun


def check_card(card):
    """The rules of https://cds-hooks.hl7.org/2.0/#card-attributes."""
    assert card.keys() <= CARD
    assert 0 < len(card["summary"]) < 140
    assert card["indicator"] in ("info", "warning", "critical")
    assert card["source"]["label"]
    assert card["source"]["url"].startswith("https://")
    assert ("suggestions" in card) == ("selectionBehavior" in card)
    for each in card.get("suggestions", ()):
        assert each["label"] and each["uuid"]
    for each in card.get("overrideReasons", ()):
        assert each["code"] and each["system"] and each["display"]
    for each in card.get("links", ()):
        assert each["label"] and each["url"].startswith("https://") and each["type"] == "absolute"
        assert "appContext" not in each
    _check_filled(card)


def _check_filled(value):
    """No null and nothing empty, anywhere."""
    assert value not in (None, "", [], {})
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        _check_filled(each)


async def test_discovery_is_open_to_every_page(application):
    async with application.http() as http:
        answer = await http.get("/cds-services", headers={"Origin": "https://anywhere.example"})
        head = await http.head("/cds-services")
        arabic = await http.get("/cds-services", headers={"Accept-Language": "ar-AE, en;q=0.5"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["content-type"] == "application/json"
    services = ok(answer)["services"]
    assert {each["id"]: each["hook"] for each in services} == HOOKS
    for each in services:
        assert each.keys() <= SERVICE
        assert each["title"] and each["description"] and each["usageRequirements"]
        assert "prefetch" not in each, "nothing of a patient need be sent"
    assert head.status_code == 200 and head.content == b""
    assert arabic.headers["content-language"] == "ar"
    assert ok(arabic)["services"][0]["title"] == "كيف يسير العمل معًا"


async def test_an_open_alert_is_an_invitation(clinic, course):
    await ruptured(course)
    [card] = await cards(clinic, course.patient, course.therapist)
    check_card(card)
    assert "session 6" in card["summary"] and "WAI-SR" in card["summary"]
    assert card["indicator"] == "warning"
    assert card["links"][0]["url"] == f"https://rapport.test{course.page}"
    detail = card["detail"]
    for told in ("invitation to talk", "Drop and return", "Below own baseline", "Before: 51.0"):
        assert told in detail, told
    assert "Not validated" not in detail
    for verdict in ("critical", "severe", "bad", "risk", "fail"):
        assert verdict not in f"{card['summary']} {detail}".lower()


async def test_of_what_is_not_validated_it_is_said(clinic, course):
    await course.sessions("asc-pulse", [pulse(s) for s in (15, 15, 16, 17, 10)])
    [card] = await cards(clinic, course.patient, course.therapist)
    check_card(card)
    assert card["summary"].endswith("(not validated)")
    assert "Not validated: no norms, no cut-offs." in card["detail"]


async def test_the_newest_comes_first_and_what_ended_is_not_shown(clinic, course):
    await course.sessions("wai-sr", [wai(total) for total in (50, 51, 50, 52, 45, 44, 38)])
    found = await cards(clinic, course.patient, course.therapist)
    sessions = [int(card["summary"].split("session ")[1].split(":")[0]) for card in found]
    assert sessions == sorted(sessions, reverse=True) and len(set(sessions)) == len(sessions) > 1
    lead = await signed_in(clinic, "clinical_lead", "Practitioner/lead")
    for each in await course.alerts():
        steps = [
            {"name": "status", "valueCode": "dismissed"},
            {"name": "note", "valueString": "talked about"},
        ]
        body = {"resourceType": "Parameters", "parameter": steps}
        done = await lead.post(f"DetectedIssue/{each['id']}/$resolve", json=body)
        assert done.status_code in (200, 422), done.text
    assert await cards(clinic, course.patient, course.therapist) == []


async def test_a_card_is_known_by_what_it_is_about(clinic, course):
    await ruptured(course)
    once, again = [
        [each["uuid"] for each in await cards(clinic, course.patient, course.therapist)]
        for _ in range(2)
    ]
    assert once == again
    other = await clinic.application.register(clinic.tenant, actor="Organization/other")
    elsewhere = await cards(clinic, course.patient, course.therapist, by=other)
    assert elsewhere[0]["uuid"] != once[0], "a client's uuids are its own"


async def test_cards_speak_arabic(clinic, course):
    await ruptured(course)
    body = view(course.patient, course.therapist)
    answer = await called(clinic, body, language="ar")
    assert answer.headers["content-language"] == "ar"
    assert "Accept-Language" in answer.headers["vary"]
    [card] = ok(answer)["cards"]
    check_card(card)
    assert "الجلسة 6" in card["summary"] and "هبوط وعودة" in card["detail"]
    assert card["overrideReasons"][0]["display"] == "جرى الحديث عنه"


async def test_forms_that_wait_are_told_at_the_start_of_a_session(clinic, course):
    await course.sessions("asc-pulse", [pulse(15), None])
    yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%d")
    await asked(course, session=2, authoredOn="2026-01-12")
    await asked(course, "phq-9", session=2, restriction={"period": {"end": yesterday}})
    await asked(course, "asc-therapist", session=2, owner={"reference": course.therapist})
    somebody = {"reference": "Practitioner/somebody"}
    await asked(course, "gad-7", session=2, owner=somebody)
    found = await cards(clinic, course.patient, course.therapist, FORMS)
    for card in found:
        check_card(card)
        assert card["links"][0]["url"].endswith(course.page)
    assert found[0]["summary"] == "Overdue: Patient Health Questionnaire (PHQ-9)"
    assert [card["indicator"] for card in found] == ["warning", "info", "info"]
    told = "\n".join(card["detail"] for card in found)
    assert f"Until: {yesterday}" in told and "Asked on: 2026-01-12" in told
    assert told.count("For you to answer") == 1
    assert "Not validated" in told
    assert "GAD" not in json.dumps(found), "somebody else's to answer"
    assert await cards(clinic, course.patient, course.therapist) == []


async def test_what_an_instrument_is_called_works_no_mark(clinic, course):
    named = "https://e.example/Questionnaire/*a*_b_[c](d)|1"
    given = [{"type": {"text": "form"}, "valueCanonical": named}]
    await asked(course, session=1, focus=None, input=given)
    [card] = await cards(clinic, course.patient, course.therapist, FORMS)
    check_card(card)
    assert "**\\*a\\*\\_b\\_\\[c\\](d)**" in card["detail"]


async def test_of_many_things_the_last_card_tells_how_many_more(clinic, course):
    await course.put(*(asking(course.patient, id=f"f{n}-{course.key}") for n in range(12)))
    found = await cards(clinic, course.patient, course.therapist, FORMS)
    assert len(found) == len({card["uuid"] for card in found}) == 10
    assert [card for card in found if "More of them" in card["detail"]] == found[-1:]
    assert found[-1]["detail"].endswith("More of them on the page: 2")


async def test_a_long_name_is_cut_and_the_summary_stays_whole(clinic, course):
    given = [{"type": {"text": "form"}, "valueCanonical": f"https://e.example/{'n' * 300}"}]
    await asked(course, session=1, focus=None, input=given)
    [card] = await cards(clinic, course.patient, course.therapist, FORMS)
    check_card(card)
    assert len(card["summary"]) == 139 and card["summary"].endswith("n…")


@pytest.mark.parametrize(
    "change, places",
    [
        ({"hook": "order-sign"}, {"hook"}),
        ({"hookInstance": "7"}, {"hookInstance"}),
        ({"context": {}}, {"context.userId", "context.patientId"}),
        ({"context": {"userId": "t", "patientId": "a b"}}, {"context.userId", "context.patientId"}),
        ({"hook": 1, "context": None, "hookInstance": None}, {"hook", "context", "hookInstance"}),
        ({"fhirServer": "file:///etc/passwd"}, {"fhirServer"}),
        ({"fhirAuthorization": {"access_token": "x"}}, {"fhirAuthorization.token_type"}),
        ({"prefetch": {"their own key": 1}}, {"prefetch"}),
    ],
)  # fmt: skip
async def test_every_problem_of_a_body_is_told_at_once(clinic, change, places):
    body = {**view("Patient/nobody", "Practitioner/nobody"), **change}
    answer = await called(clinic, body)
    issues = refused(answer, 400)
    assert places <= {issue["expression"][0] for issue in issues}
    assert "their own key" not in answer.text and "passwd" not in answer.text


async def test_a_hook_needs_its_context(clinic):
    body = view("Patient/nobody", "Practitioner/nobody", FORMS)
    del body["context"]["encounterId"]
    [issue] = refused(await called(clinic, body, FORMS), 400)
    assert issue["expression"] == ["context.encounterId"]


async def test_what_is_not_looked_at_changes_nothing(clinic, course):
    """Neither is the server that a call names ever asked: nothing listens where it says."""
    await ruptured(course)
    usual = await cards(clinic, course.patient, course.therapist)
    more: dict[str, Any] = {
        "fhirServer": "http://169.254.169.254/latest",
        "fhirAuthorization": {
            "access_token": "theirs",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "patient/*.read",
            "subject": "rapport",
        },
        "prefetch": {"patient": {"resourceType": "Patient", "id": "another"}, "none": None},
        "extension": {"com.example.anything": [1, 2, None]},
    }
    answer = await called(clinic, view(course.patient, course.therapist, **more))
    assert ok(answer)["cards"] == usual


async def test_there_is_no_other_service(clinic):
    refused(await called(clinic, view("Patient/x", "Practitioner/x"), "none-such"), 404)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_no_body_is_a_fault(house, data):
    service = data.draw(st.sampled_from([ALERTS, FORMS]))
    body = view("Patient/nobody", "Practitioner/nobody", service)
    place = data.draw(st.sampled_from([body, body["context"]]))
    name = data.draw(st.sampled_from([*place, "prefetch", "fhirServer", "fhirAuthorization"]))
    place[name] = data.draw(JSON)
    answer = await called(house, body, service)
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 400:
        assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("octets, status", [
    (b"", 400), (b"[]", 400), (b"{", 400), (b'{"hook":1,"hook":2}', 400),
    (b'{"a":' * 200 + b"1" + b"}" * 200, 400), (b" " * (5 * 1024 * 1024 + 1), 413),
])  # fmt: skip
async def test_limits_are_those_of_every_body(clinic, octets, status):
    token = signed(clinic.ehr, claims(clinic.ehr, ALERTS))
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    async with clinic.application.http(headers=headers) as http:
        answer = await http.post(f"/cds-services/{ALERTS}", content=octets)
    refused(answer, status)


async def test_a_body_is_said_to_be_json(clinic):
    token = signed(clinic.ehr, claims(clinic.ehr, ALERTS))
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/plain"}
    async with clinic.application.http(headers=headers) as http:
        refused(await http.post(f"/cds-services/{ALERTS}", content=b"{}"), 415)

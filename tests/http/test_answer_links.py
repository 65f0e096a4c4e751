"""A link to answer with: bound to one task, good until it expires and once, telling nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.http.answers import made, ok, refused
from tests.support import therapy
from tests.support.asking import PULSE, asked, asking
from tests.support.operations import one, parameters
from tests.support.people import forms
from tests.support.staff import signed_in


@pytest.fixture
async def course(clinic):
    made = await therapy.begin(clinic)
    await made.put(made.sitting(1))
    return made


NAMED = f"{therapy.OURS}/Questionnaire/asc-pulse"


@pytest.mark.parametrize(
    "named",
    [
        {"focus": {"reference": "Questionnaire/asc-pulse"}},
        {"focus": {"reference": f"{NAMED}|1.0.0"}},
        {"input": [{"type": {"text": "form"}, "valueCanonical": NAMED}]},
        {"input": [{"type": {"text": "form"}, "valueUri": f"{NAMED}|1.0.0"}]},
        {
            "input": [
                {"type": {"text": "note"}, "valueString": "before Tuesday"},
                {
                    "type": {"text": "form"},
                    "valueReference": {"reference": "Questionnaire/asc-pulse"},
                },
            ]
        },
        {"instantiatesCanonical": NAMED},
    ],
)
async def test_a_task_may_name_its_form_in_any_usual_way(course, at_home, named):
    plain = {"code": {"text": "please answer"}, "focus": None, **named}
    task = await asked(course, session=1, **plain)
    page = await at_home.open(await link(course, task))
    assert page.status_code == 200
    assert 'name="item-B1"' in page.text


def ahead(**time):
    return (datetime.now(UTC) + timedelta(**time)).isoformat(timespec="seconds")


def issue(http, task, expires=None, **more):
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "expires", "valueDateTime": expires or ahead(days=2)},
            *parameters(**more).get("parameter", ()),
        ],
    }
    return http.post(f"Task/{task}/$issue-link", json=body)


async def link(course, task, **more):
    address = one(ok(await issue(course.http, task, **more)))["url"]
    assert address.startswith("https://rapport.test/answer/")
    return address.removeprefix("https://rapport.test")


async def send(at_home, address, **fields):
    page = await at_home.http.get(address)
    token = forms(page)[0].fields["token"]
    return await at_home.http.post(address, data={"token": token, **fields})


async def test_answers_by_a_link_are_stored_scored_and_end_the_task(clinic, course, at_home):
    task = await asked(course, session=1)
    address = await link(course, task)
    page = await at_home.http.get(address)
    assert page.status_code == 200
    assert "In this room I am met as a person" in page.text
    answer = await send(at_home, address, **PULSE)
    assert answer.status_code == 200
    assert "Thank you" in answer.text
    await clinic.settle()
    found = ok(await course.http.get("QuestionnaireResponse", params={"subject": course.patient}))
    (response,) = [entry["resource"] for entry in found["entry"]]
    assert response["author"] == {"reference": course.patient}
    assert response["language"] == "en"
    assert response["encounter"] == {"reference": f"Encounter/s-{course.key}-1"}
    assert response["questionnaire"] == f"{therapy.OURS}/Questionnaire/asc-pulse|1.0.0"
    scores = ok(await course.http.get("Observation", params={"subject": course.patient}))
    assert scores["entry"][0]["resource"]["valueQuantity"]["value"] == 75
    assert ok(await course.http.get(f"Task/{task}"))["status"] == "completed"


async def test_of_two_that_wait_the_one_whose_link_it_was_ends(clinic, course, at_home):
    tree = asking(course.patient)
    tasks = [made(await course.http.post("Task", json=tree)) for _ in range(3)]
    ids = sorted(each.partition("/")[2] for each in tasks)
    for answered in (ids[2], ids[1]):
        assert (await send(at_home, await link(course, answered), **PULSE)).status_code == 200
        await clinic.settle()
    states = [ok(await course.http.get(f"Task/{id}"))["status"] for id in ids]
    assert states == ["requested", "completed", "completed"]


async def test_opening_does_not_use_it_up_and_sending_does(course, at_home):
    address = await link(course, await asked(course, session=1))
    for _ in range(2):
        assert (await at_home.http.get(address)).status_code == 200
    assert (await send(at_home, address, **PULSE)).status_code == 200
    gone = await at_home.http.get(address)
    assert gone.status_code == 410
    assert "no longer in use" in gone.text
    token = (await at_home.http.get("/login")).text.split('name="token" value="')[1].split('"')[0]
    again = await at_home.http.post(address, data={"token": token, **PULSE})
    assert again.status_code == 410


async def test_it_ends_when_it_said(application, course, at_home):
    address = await link(course, await asked(course, session=1), expires=ahead(hours=1))
    application.clock.turn(seconds=3601)
    try:
        assert (await at_home.http.get(address)).status_code == 410
    finally:
        application.clock.turn(seconds=-3601)
    assert (await at_home.http.get("/answer/nobody-knows-this")).status_code == 404


async def test_a_new_link_ends_the_one_before(course, at_home):
    task = await asked(course, session=1)
    first = await link(course, task)
    second = await link(course, task)
    assert (await at_home.http.get(first)).status_code == 404
    assert (await at_home.http.get(second)).status_code == 200


@pytest.mark.parametrize("expires", [{"days": 31}, {"days": -1}])
async def test_thirty_days_at_most(course, expires):
    task = await asked(course, session=1)
    refused(await issue(course.http, task, ahead(**expires)), 422, "value")


async def test_only_an_open_task_with_a_form_has_links(course):
    refused(await course.http.post("Task/nobody/$issue-link", json=parameters()), 422, "required")
    refused(await issue(course.http, "Task/nobody"), 404, "not-found")
    done = await asked(course, session=1, status="completed")
    refused(await issue(course.http, done), 422, "business-rule")
    other = await asked(course, session=1, focus={"reference": course.patient})
    refused(await issue(course.http, other), 422, "business-rule")
    unknown = await asked(course, session=1, form="none")
    refused(await issue(course.http, unknown), 422, "business-rule")


async def test_who_holds_the_phone_makes_no_links(clinic, course):
    task = await asked(course, session=1)
    client = await signed_in(clinic, "client", course.patient)
    refused(await issue(client, task), 403, "forbidden")
    therapist = await signed_in(clinic, "therapist", course.therapist)
    ok(await issue(therapist, task))
    other = await therapy.begin(clinic)
    stranger = await signed_in(clinic, "therapist", other.therapist)
    refused(await issue(stranger, task), 404, "not-found")


async def test_the_page_tells_nothing_and_is_kept_by_nobody(course, at_home):
    address = await link(course, await asked(course, session=1, form="asc-client"))
    page = await at_home.http.get(address)
    title = page.text.split("<title>")[1].split("</title>")[0]
    assert title == "A few questions"
    for word in ("Alliance", "therapy</", "Costa", course.key, "<script"):
        assert word not in page.text
    assert page.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "Leave this page" in page.text
    assert "emergency number" in page.text


async def test_in_arabic_from_the_right(clinic, course, at_home):
    address = await link(course, await asked(course, session=1))
    page = await at_home.http.get(f"{address}?lang=ar")
    assert 'dir="rtl"' in page.text
    assert "إلى حدٍّ كبير" in page.text
    assert (await send(at_home, address, **PULSE)).status_code == 200
    found = ok(await course.http.get("QuestionnaireResponse", params={"subject": course.patient}))
    assert found["entry"][0]["resource"]["language"] == "ar"


async def test_what_is_not_translated_says_its_language_and_keeps_its_direction(course, at_home):
    task = await asked(course, "phq-9", session=1)
    address = await link(course, task)
    arabic = (await at_home.http.get(f"{address}?lang=ar")).text
    assert '<legend><bdi lang="en">Little interest or pleasure' in arabic
    assert '<bdi lang="en">Not at all</bdi></label>' in arabic
    assert "<bdi" not in (await at_home.http.get(f"{address}?lang=en")).text
    own = await link(course, await asked(course, session=1))
    assert "<bdi" not in (await at_home.http.get(f"{own}?lang=ar")).text


async def test_what_does_not_fit_is_asked_again_and_nothing_is_lost(course, at_home):
    address = await link(course, await asked(course, session=1, form="srs"))
    wrong = await send(at_home, address, **{"item-relationship": "12.5", "item-goals": "8,1"})
    assert wrong.status_code == 422
    assert 'value="12.5"' in wrong.text
    right = await send(at_home, address, **{"item-relationship": "9.5", "item-goals": "8,1"})
    assert right.status_code == 200
    nothing = await link(course, await asked(course, session=1))
    assert (await send(at_home, nothing)).status_code == 422


@pytest.mark.parametrize("language, bounds", [("en", "From 0 to 10"), ("ar", "من 0 إلى 10")])
async def test_a_number_is_asked_for_with_its_bounds_and_taken_in_any_digits(
    course, at_home, language, bounds
):
    address = await link(course, await asked(course, session=1, form="srs"))
    page = await at_home.open(f"{address}?lang={language}")
    assert page.text.count(f">{bounds}</p>") == 4
    fields = zip(
        ("relationship", "goals", "approach", "overall"),
        ("9.5", "8,1", "٩٫٥", "\u06f9.\u06f0"),
        strict=True,
    )
    sent = await send(at_home, address, **{f"item-{name}": text for name, text in fields})
    assert sent.status_code == 200
    found = ok(await course.http.get("QuestionnaireResponse", params={"subject": course.patient}))
    items = found["entry"][0]["resource"]["item"]
    assert [each["answer"][0]["valueDecimal"] for each in items] == [9.5, 8.1, 9.5, 9]


async def test_a_form_of_another_browser_is_refused(course, at_home, application):
    address = await link(course, await asked(course, session=1))
    await at_home.http.get(address)
    forged = await at_home.http.post(address, data={"token": "0" * 64, **PULSE})
    assert forged.status_code == 403
    assert (await at_home.http.get(address)).status_code == 200


async def test_a_shared_device_keeps_nothing(course, at_home):
    address = await link(course, await asked(course, session=1), kiosk=True)
    page = await send(at_home, address, **PULSE)
    assert '"storage"' in page.headers["clear-site-data"]


async def test_a_therapist_answers_for_the_view_they_have(clinic, course, at_home):
    owner = {"owner": {"reference": course.therapist}}
    address = await link(course, await asked(course, session=1, form="asc-therapist", **owner))
    fields = {f"item-{item}": "3" for item in therapy.ASC_ITEMS}
    assert (await send(at_home, address, **fields)).status_code == 200
    await clinic.settle()
    found = ok(await course.http.get("QuestionnaireResponse", params={"author": course.therapist}))
    assert found["total"] == 1


async def test_the_private_answer_reaches_the_lead(clinic, course, at_home):
    address = await link(course, await asked(course, session=1, form="asc-client"))
    assert (await send(at_home, address, **{"item-B1": "3", "item-X1": "0"})).status_code == 200
    await clinic.settle()
    records = await clinic.as_client("system/*.cruds", clearance="V")
    flags = ok(await records.get("Flag", params={"patient": course.patient}))
    assert flags["total"] == 1
    page = await at_home.http.get("/answer/unknown")
    assert "emergency number" in page.text


async def test_the_log_names_no_token(clinic, course, at_home):
    address = await link(course, await asked(course, session=1))
    await send(at_home, address, **PULSE)
    log = await clinic.as_client("system/AuditEvent.rs", role="auditor")
    events = ok(await log.get("AuditEvent", params={"_count": "1000"}))
    assert address.rpartition("/")[2] not in str(events)
    made = [
        entry["resource"]
        for entry in events["entry"]
        if entry["resource"]["action"] == "C" and course.patient in str(entry["resource"])
    ]
    assert any("answer-link" in str(event) for event in made)


async def test_answers_from_paper_are_entered_later(clinic, course):
    therapist = await signed_in(clinic, "therapist", course.therapist)
    paper = course.response(
        "asc-pulse",
        therapy.pulse(15),
        1,
        by=course.therapist,
        source={"reference": course.patient},
    )
    del paper["id"]
    assert (await therapist.post("QuestionnaireResponse", json=paper)).status_code == 201
    await clinic.settle()
    client = await signed_in(clinic, "client", course.patient)
    scores = ok(await client.get("Observation", params={"subject": course.patient}))
    (score,) = [entry["resource"] for entry in scores["entry"]]
    assert score["effectiveDateTime"] == paper["authored"]

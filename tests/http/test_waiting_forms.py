"""Forms that wait: on the clinic's device, from paper, the therapist's own before the client's."""

from __future__ import annotations

import pytest

from tests.http.answers import made, ok
from tests.support import therapy
from tests.support.asking import PULSE, asked, asking
from tests.support.operations import all_of
from tests.support.people import browser, forms
from tests.support.staff import signs_in

PAPER = "/alliance/task/{}/paper"


@pytest.fixture
async def course(clinic):
    made = await therapy.begin(clinic, therapist_key="noor")
    await made.sessions("asc-pulse", [therapy.pulse(15), None])
    return made


async def test_a_device_is_handed_over_with_nobody_signed_in_and_comes_back_empty(
    clinic, course, at_work
):
    task = await asked(course, session=2)
    await signs_in(clinic, at_work, "therapist", course.therapist)
    await at_work.open(course.page)
    form = await at_work.submit(f"/alliance/task/{task}/device")
    assert form.url.path.startswith("/answer/")
    assert "noor" not in form.text and "Sign out" not in form.text
    assert form.headers["refresh"].startswith("900;")
    assert (await at_work.open(course.page)).url.path == "/login"
    await at_work.open(form.url.path)
    done = await at_work.submit(form.url.path, **PULSE)
    assert "give this device back" in done.text
    assert done.headers["cache-control"] == "no-store"
    assert done.headers["clear-site-data"] == '"cache", "cookies", "storage"'
    assert not [name for name in at_work.http.cookies if "session" in name or "form" in name]
    assert (await at_work.open(form.url.path)).status_code == 410
    await clinic.settle()
    stored = ok(await course.http.get(f"Task/{task}"))
    assert stored["status"] == "completed"


async def test_who_leaves_a_shared_device_leaves_nothing_and_is_asked_again(
    clinic, course, at_work
):
    task = await asked(course, session=2)
    await signs_in(clinic, at_work, "therapist", course.therapist)
    await at_work.open(course.page)
    form = await at_work.submit(f"/alliance/task/{task}/device")
    left = await at_work.submit(form.url.path, leave="1", **PULSE)
    assert "Nothing was sent" in left.text
    assert "clear-site-data" in left.headers
    assert (await at_work.open(form.url.path)).status_code == 404
    stored = ok(await course.http.get(f"Task/{task}"))
    assert stored["status"] == "requested"
    found = ok(await course.http.get("QuestionnaireResponse", params={"subject": course.patient}))
    assert found["total"] == 1


async def test_answers_on_paper_keep_who_gave_them_and_when(clinic, course, at_work):
    task = await asked(course, "asc-client", session=2)
    await signs_in(clinic, at_work, "therapist", course.therapist)
    page = await at_work.open(PAPER.format(task))
    assert "item-B1" in page.text
    assert "item-X1" not in page.text  # what is for the clinical lead passes by no therapist
    page = await at_work.submit(PAPER.format(task), **{"answered": "2999-01-01", "item-B1": "3"})
    assert page.status_code == 422 and "today at the latest" in page.text
    assert "item-B1" in forms(page)[0].fields
    page = await at_work.submit(PAPER.format(task), **{"answered": "2026-01-12", "item-B1": "3"})
    assert "The answers were kept" in page.text
    await clinic.settle()
    query = {"subject": course.patient, "questionnaire": f"{therapy.OURS}/Questionnaire/asc-client"}
    (kept,) = [
        e["resource"]
        for e in ok(await course.http.get("QuestionnaireResponse", params=query))["entry"]
    ]
    assert kept["authored"] == "2026-01-12"
    assert kept["meta"]["lastUpdated"] > "2026-01-12"
    assert kept["source"] == {"reference": course.patient}
    assert kept["author"] == {"reference": course.therapist}
    assert kept["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] == "WRITTEN"
    assert ok(await course.http.get(f"Task/{task}"))["status"] == "completed"


async def test_of_two_that_wait_the_one_that_was_on_paper_ends(clinic, course, at_work):
    tree = asking(course.patient)
    tasks = [made(await course.http.post("Task", json=tree)) for _ in range(2)]
    ids = sorted(each.partition("/")[2] for each in tasks)
    await signs_in(clinic, at_work, "therapist", course.therapist)
    await at_work.open(PAPER.format(ids[1]))
    fields = {"answered": "2026-01-12", "item-B1": "3"}
    assert "were kept" in (await at_work.submit(PAPER.format(ids[1]), **fields)).text
    await clinic.settle()
    states = [ok(await course.http.get(f"Task/{id}"))["status"] for id in ids]
    assert states == ["requested", "completed"]


async def test_paper_of_others_is_not_there(clinic, course, at_work):
    task = await asked(course, session=2)
    mine = await asked(course, "asc-therapist", session=2, owner={"reference": course.therapist})
    await signs_in(clinic, at_work, "therapist", course.therapist)
    hidden = await at_work.open(PAPER.format(mine))
    assert hidden.status_code == 404 and "There is nothing here" in hidden.text
    other = browser(clinic.application)
    await signs_in(clinic, other, "therapist", "Practitioner/stranger")
    assert (await other.open(PAPER.format(task))).status_code == 404
    await other.http.aclose()


async def test_a_therapist_says_first_how_they_saw_the_session(clinic, course, at_work):
    await course.put(course.response("asc-pulse", therapy.pulse(5), 2))
    task = await asked(course, "asc-therapist", session=2, owner={"reference": course.therapist})
    await clinic.settle()
    await signs_in(clinic, at_work, "therapist", course.therapist)

    async def sessions():
        page = await at_work.open(course.page)
        assert page.status_code == 200
        return page, ["25.0" in page.text, "75.0" in page.text]

    page, seen = await sessions()
    assert seen == [False, True]
    assert "Say first how you saw the session" in page.text
    form = await at_work.submit(f"/alliance/task/{task}/own")
    answers = {f"item-{item}": "3" for item in therapy.ASC_ITEMS}
    await at_work.submit(form.url.path, **answers)
    await clinic.settle()
    page, seen = await sessions()
    assert seen == [True, True]
    assert "Say first" not in page.text


async def test_others_see_the_session_meanwhile(clinic, course):
    await course.put(course.response("asc-pulse", therapy.pulse(5), 2))
    await asked(course, "asc-therapist", session=2, owner={"reference": course.therapist})
    await clinic.settle()
    trend = ok(await course.http.get(f"{course.episode}/$alliance-trend"))
    (series,) = all_of(trend, "series")
    assert [point["session"] for point in series["point"]] == [1, 2]

"""Operations over several courses: ``$couple-summary``, ``$caseload``, ``$benchmark``."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.http.answers import ok, refused
from tests.support import therapy
from tests.support.asking import asked, asking
from tests.support.operations import all_of, told
from tests.support.staff import signed_in
from tests.support.therapy import pulse, wai

# -- $couple-summary


@pytest.fixture
async def couple(clinic):
    a = await therapy.begin(clinic, key="a", couple="Group/us", therapist_key="amal")
    b = await therapy.begin(clinic, key="b", couple="Group/us", therapist_key="amal")
    await a.put(
        {
            "resourceType": "Group",
            "id": "us",
            "type": "person",
            "actual": True,
            "member": [{"entity": {"reference": each.patient}} for each in (a, b)],
        }
    )
    return a, b


async def test_both_partners_session_by_session(clinic, couple):
    a, b = couple
    await a.sessions("asc-pulse", [pulse(16), pulse(16), pulse(15)])
    await b.sessions("asc-pulse", [pulse(12), None, pulse(18)])
    therapist = await signed_in(clinic, "therapist", a.therapist)
    answer = ok(await therapist.get("Group/us/$couple-summary?scale=total"))
    assert all_of(answer, "session") == [
        {"session": 1, "a": 80, "b": 60, "gap": 20, "min": 60},
        {"session": 2, "a": 80},
        {"session": 3, "a": 75, "b": 90, "gap": 15, "min": 75},
    ]
    assert all_of(answer, "instrument") == ["asc-pulse"]
    assert all_of(answer, "validated") == [False]
    assert ok(await therapist.get("Group/us/$couple-summary")) == answer


async def test_partners_meet_in_a_shared_encounter_else_on_the_same_day(clinic, couple):
    a, b = couple
    await a.sessions("asc-pulse", [pulse(16), pulse(14)])
    alone = b.sitting(1, start=b.start(1) + timedelta(days=1))
    joint = a.sitting(2) | {
        "episodeOfCare": [{"reference": a.episode}, {"reference": b.episode}],
    }
    answers = b.response("asc-pulse", pulse(12), 2)
    answers["encounter"] = {"reference": f"Encounter/{joint['id']}"}
    await b.put(alone, joint, b.response("asc-pulse", pulse(18), 1), answers)
    await b.settle()
    therapist = await signed_in(clinic, "therapist", a.therapist)
    answer = ok(await therapist.get("Group/us/$couple-summary"))
    assert all_of(answer, "session") == [
        {"session": 1, "a": 80},
        {"session": 2, "b": 90},
        {"session": 3, "a": 70, "b": 60, "gap": 10, "min": 60},
    ]


async def test_what_a_therapist_owes_a_view_of_is_not_in_the_pair(clinic, couple):
    a, b = couple
    await a.sessions("asc-pulse", [pulse(16), pulse(14)])
    await b.sessions("asc-pulse", [pulse(12), pulse(10)])
    own = {"owner": {"reference": a.therapist}}
    task = await asked(a, "asc-therapist", session=2, **own)
    await clinic.settle()
    therapist = await signed_in(clinic, "therapist", a.therapist)
    first = {"session": 1, "a": 80, "b": 60, "gap": 20, "min": 60}
    for scale in ("", "?scale=total"):
        answer = ok(await therapist.get(f"Group/us/$couple-summary{scale}"))
        assert all_of(answer, "session") == [first, {"session": 2, "b": 50}]
    stored = ok(await a.http.get(f"Task/{task}"))
    ok(await a.http.put(f"Task/{task}", json={**stored, "status": "completed"}))
    answer = ok(await therapist.get("Group/us/$couple-summary"))
    both = {"session": 2, "a": 70, "b": 50, "gap": 20, "min": 50}
    assert all_of(answer, "session") == [first, both]


async def test_of_a_shared_session_that_is_owed_neither_is_told(clinic, couple):
    a, b = couple
    await a.sessions("asc-pulse", [pulse(16), pulse(14)])
    await b.sessions("asc-pulse", [pulse(12)])
    joint = a.sitting(2) | {
        "episodeOfCare": [{"reference": a.episode}, {"reference": b.episode}],
    }
    answers = b.response("asc-pulse", pulse(10), 2)
    answers["encounter"] = {"reference": f"Encounter/{joint['id']}"}
    await b.put(joint, answers)
    await asked(a, "asc-therapist", session=2, owner={"reference": a.therapist})
    await clinic.settle()
    therapist = await signed_in(clinic, "therapist", a.therapist)
    answer = ok(await therapist.get("Group/us/$couple-summary"))
    first = {"session": 1, "a": 80, "b": 60, "gap": 20, "min": 60}
    assert all_of(answer, "session") == [first, {"session": 2}]


async def test_a_partner_never_sees_the_pair(clinic, couple):
    a, _ = couple
    for role, actor in (("client", a.patient), ("clinical_lead", "Practitioner/the-lead")):
        http = await signed_in(clinic, role, actor)
        refused(await http.get("Group/us/$couple-summary"), 403, "forbidden")
    refused(await a.http.get("Group/us/$couple-summary"), 403, "forbidden")


async def test_a_therapist_of_others_does_not_find_the_couple(clinic, couple):
    other = await therapy.begin(clinic)
    stranger = await signed_in(clinic, "therapist", other.therapist)
    refused(await stranger.get("Group/us/$couple-summary"), 404, "not-found")


# -- $caseload


async def test_those_come_first_in_whom_something_waits_for_a_word(clinic):
    names = {"therapist_key": "amal"}
    steady = await therapy.begin(clinic, key="steady", **names)
    older = await therapy.begin(clinic, key="older", **names)
    newer = await therapy.begin(clinic, key="newer", **names)
    await steady.sessions("wai-sr", [wai(50), None, wai(50), wai(50)])
    await older.sessions("wai-sr", [wai(50), wai(50), wai(40)])
    await newer.sessions("wai-sr", [wai(50), wai(50), wai(50), wai(44)])
    therapist = await signed_in(clinic, "therapist", "Practitioner/amal")
    answer = ok(await therapist.get("Practitioner/amal/$caseload"))
    clients = all_of(answer, "client")
    assert [each["patient"] for each in clients] == [newer.patient, older.patient, steady.patient]
    first, _, last = clients
    assert (first["unresolved"], first["rule"]) == (2, "trailing-baseline")
    assert first["raised"].startswith("2026-01-26")
    assert (last["sessions"], last["answered"], last["completion"]) == (4, 3, 0.75)
    assert "alert" not in last
    figures = {name: value for name, value in told(answer) if name != "client"}
    assert figures == {"completion": pytest.approx(10 / 11), "overdue": 0}


async def test_a_resolved_alert_no_longer_waits(clinic):
    course = await therapy.begin(clinic, therapist_key="amal")
    await course.sessions("wai-sr", [wai(50), wai(50), wai(44)])
    (alert,) = await course.alerts()
    therapist = await signed_in(clinic, "therapist", "Practitioner/amal")
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "status", "valueCode": "dismissed"},
            {"name": "note", "valueString": "Discussed, nothing to it."},
        ],
    }
    ok(await therapist.post(f"DetectedIssue/{alert['id']}/$resolve", json=body))
    (client,) = all_of(ok(await therapist.get("Practitioner/amal/$caseload")), "client")
    assert client["unresolved"] == 0


async def test_forms_past_their_date_are_counted(clinic):
    course = await therapy.begin(clinic, therapist_key="amal")
    task = asking(course.patient)
    for key, status, end in (
        ("late", "requested", "2026-01-09"),
        ("done", "completed", "2026-01-09"),
        ("early", "requested", "2099-01-01"),
    ):
        period = {"restriction": {"period": {"end": end}}}
        await course.put(task | {"id": key, "status": status} | period)
    therapist = await signed_in(clinic, "therapist", "Practitioner/amal")
    answer = ok(await therapist.get("Practitioner/amal/$caseload"))
    (client,) = all_of(answer, "client")
    assert client["overdue"] == 1
    assert all_of(answer, "overdue") == [1]


async def test_a_caseload_holds_what_the_caller_may_see(clinic):
    mine = await therapy.begin(clinic, therapist_key="amal")
    await therapy.begin(clinic, therapist_key="chidi")
    amal = await signed_in(clinic, "therapist", "Practitioner/amal")
    assert told(ok(await amal.get("Practitioner/chidi/$caseload"))) == [("overdue", 0)]
    lead = await signed_in(clinic, "clinical_lead", "Practitioner/the-lead")
    assert len(all_of(ok(await lead.get("Practitioner/chidi/$caseload")), "client")) == 1
    client = await signed_in(clinic, "client", mine.patient)
    refused(await client.get("Practitioner/amal/$caseload"), 403, "forbidden")
    refused(await amal.get("Practitioner/nobody/$caseload"), 404, "not-found")


# -- $benchmark


@pytest.fixture
async def organization(clinic):
    tree = {"resourceType": "Organization", "id": "harbour", "name": "Harbour"}
    ok_or_made = await clinic.http.put("Organization/harbour", json=tree)
    assert ok_or_made.status_code in (200, 201)
    return "Organization/harbour"


async def clients(clinic, organization, *totals):
    for total in totals:
        course = await therapy.begin(clinic, organization=organization)
        await course.sessions("wai-sr", [wai(total), wai(total + 2)])


async def figures(http, organization, scale="total"):
    answer = ok(await http.get(f"{organization}/$benchmark", params={"scale": scale}))
    return all_of(answer, "cell")


async def test_figures_of_five_clients_and_none_of_four(clinic, organization):
    await clients(clinic, organization, 40, 42, 44, 46)
    assert await figures(clinic.http, organization) == [
        {"instrument": "wai-sr", "scale": "total", "suppressed": True}
    ]
    await clients(clinic, organization, 48)
    (cell,) = await figures(clinic.http, organization)
    assert (cell["n"], cell["mean"]) == (5, 45)
    assert cell["sd"] == pytest.approx(3.1622776602)


async def test_a_sixth_client_cannot_be_told_from_the_difference(clinic, organization):
    await clients(clinic, organization, 40, 42, 44, 46, 48)
    before = await figures(clinic.http, organization)
    await clients(clinic, organization, 20)
    assert await figures(clinic.http, organization) == before
    await clients(clinic, organization, 30, 31, 32, 33)
    (cell,) = await figures(clinic.http, organization)
    assert cell["n"] == 10


async def test_an_instrument_that_is_not_validated_says_so(clinic, organization):
    course = await therapy.begin(clinic, organization=organization)
    await course.sessions("asc-pulse", [pulse(15)])
    (cell,) = await figures(clinic.http, organization)
    assert cell == {
        "instrument": "asc-pulse", "scale": "total", "validated": False, "suppressed": True
    }  # fmt: skip


SCALES_OF_WAI = ("bond", "goal", "task", "total")


async def test_scales_that_add_up_tell_no_more_than_each_of_them(clinic, organization):
    """What the sixth client adds to bond, goal and task would be told by the total before."""
    await clients(clinic, organization, 40, 42, 44, 46, 48)
    assert (await figures(clinic.http, organization, "total"))[0]["n"] == 5
    await clients(clinic, organization, 20)
    told = [(await figures(clinic.http, organization, each))[0] for each in SCALES_OF_WAI]
    assert [each["n"] for each in told] == [5] * 4
    bond, goal, task, total = (each["mean"] for each in told)
    assert bond + goal + task == pytest.approx(total)


async def test_a_form_with_gaps_counts_in_no_scale(clinic, organization):
    """One client in one scale only would be the difference between it and the others."""
    await clients(clinic, organization, 40, 42, 44, 46, 48)
    course = await therapy.begin(clinic, organization=organization)
    bond = dict.fromkeys(("3", "5", "7", "9"), 5)
    await course.sessions("wai-sr", [bond])
    told = [(await figures(clinic.http, organization, each))[0] for each in SCALES_OF_WAI]
    assert [each["n"] for each in told] == [5] * 4


async def test_everybody_gets_the_same_figures(clinic, organization):
    await clients(clinic, organization, 40, 42, 44, 46, 48)
    of_all = await figures(clinic.http, organization)
    for role in ("therapist", "clinical_lead", "researcher"):
        http = await signed_in(clinic, role, f"Practitioner/a-{role.replace('_', '-')}")
        assert await figures(http, organization) == of_all


async def test_figures_are_not_for_clients(clinic, organization):
    course = await therapy.begin(clinic, organization=organization)
    client = await signed_in(clinic, "client", course.patient)
    refused(await client.get(f"{organization}/$benchmark"), 403, "forbidden")
    refused(await clinic.http.get("Organization/nowhere/$benchmark"), 404, "not-found")

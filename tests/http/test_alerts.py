"""Scores become alerts: raised once, told with what the rule saw, and kept up to date."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support import therapy
from tests.support.therapy import evaluation, extension, pulse, rule, session, srs, status, wai

# The worked series C; a V episode at 6, repaired at 8.
SERIES = [50, 51, 50, 52, 51, 45, 47, 51, 52, 52]


@pytest.fixture
async def course(clinic):
    return await therapy.begin(clinic)


def told(issues):
    return [(session(each), rule(each), status(each)) for each in issues if each["status"] != VOID]


VOID = "entered-in-error"


async def test_a_drop_is_noticed_and_its_repair_too(course):
    await course.sessions("wai-sr", [wai(total) for total in SERIES])
    issues = await course.alerts()
    assert told(issues) == [
        (6, "trailing-baseline", "repaired"),
        (6, "v-episode", "repaired"),
    ]
    baseline, episode = issues
    assert (baseline["status"], episode["status"]) == ("final", "final")
    assert evaluation(baseline)["repairedAt"] == 8
    assert evaluation(baseline)["limit"] == 47.8
    assert evaluation(episode)["pre"] == 51
    assert evaluation(episode)["nadir"] == 45
    assert evaluation(episode)["repairedAt"] == 8
    assert episode["mitigation"][0]["action"]["coding"][0]["code"] == "repaired"
    version = extension(episode, "rule-version")["valueCanonical"]
    assert version == f"{therapy.OURS}/Library/wai-sr-ruptures|1.0.0"
    assert episode["patient"] == {"reference": course.patient}
    assert len(baseline["evidence"][0]["detail"]) == 6
    (implicated,) = episode["implicated"]
    score = (await course.http.get(implicated["reference"])).json()
    assert score["valueQuantity"]["value"] == 45
    assert score["encounter"]["reference"].endswith("-6")


async def test_an_alert_says_with_which_parameters_it_was_raised(course):
    await course.sessions("wai-sr", [wai(total) for total in SERIES[:6]])
    (baseline,) = [each for each in await course.alerts() if rule(each) == "trailing-baseline"]
    given = {
        part["extension"][0]["valueCode"]: next(
            value for key, value in part["extension"][1].items() if key.startswith("value")
        )
        for part in extension(baseline, "rule-evaluation")["extension"]
        if part["url"] == "parameter"
    }
    assert (given["k"], given["floor"], given["minPrior"]) == (1, 3, 3)


async def test_text_to_people_is_an_invitation(course):
    await course.sessions("wai-sr", [wai(total) for total in SERIES[:6]])
    for issue in await course.alerts():
        assert "invitation to talk" in issue["detail"]
        assert "severity" not in issue


async def test_one_session_after_another_gives_the_same_as_all_at_once(clinic, course):
    for total in SERIES:
        await course.sessions("wai-sr", [wai(total)])
    whole = await therapy.begin(clinic)
    await whole.sessions("wai-sr", [wai(total) for total in SERIES])
    slowly, at_once = await course.alerts(), await whole.alerts()
    assert told(slowly) == told(at_once)
    assert [evaluation(each)["limit"] for each in slowly] == [
        evaluation(each)["limit"] for each in at_once
    ]


async def test_a_later_session_changes_no_flag_but_its_repair(course):
    await course.sessions("wai-sr", [wai(total) for total in SERIES[:6]])
    before = {each["id"]: each for each in await course.alerts()}
    assert {status(each) for each in before.values()} == {"open"}
    await course.sessions("wai-sr", [wai(47)])
    assert {each["id"]: each["meta"]["versionId"] for each in await course.alerts()} == {
        id: each["meta"]["versionId"] for id, each in before.items()
    }
    await course.sessions("wai-sr", [wai(51)])
    after = {each["id"]: each for each in await course.alerts()}
    assert after.keys() == before.keys()
    changed = {
        rule(each): status(each)
        for id, each in after.items()
        if each["meta"]["versionId"] != before[id]["meta"]["versionId"]
    }
    assert changed == {"trailing-baseline": "repaired", "v-episode": "repaired"}


async def test_a_drop_that_does_not_come_back_is_unrepaired(course):
    await course.sessions("wai-sr", [wai(t) for t in (50, 51, 50, 52, 45, 46, 45, 46)])
    assert (5, "v-episode", "unrepaired") in told(await course.alerts())


async def test_each_rule_has_its_own_way_back(course):
    await course.sessions("srs", [srs(total) for total in ("37.0", "35.5", "36.2", "36.9", "36.9")])
    assert told(await course.alerts()) == [
        (2, "below-cutoff", "repaired"),  # at the cut-off again in the next session
        (2, "step-drop", "open"),  # still below where it fell from
    ]
    border, level = await course.alerts()
    assert evaluation(border)["repairedAt"] == 3
    assert "mitigation" not in level


async def test_a_backdated_session_renumbers_and_a_vanished_alert_is_an_error_never_gone(course):
    await course.sessions("wai-sr", [wai(t) for t in (50, 50, 46)])
    (alert,) = await course.alerts()
    assert (session(alert), rule(alert)) == (3, "v-episode")
    late = course.sitting(9, start=course.start(2) + timedelta(days=2), name=f"late-{course.key}")
    answers = course.response("wai-sr", wai(47), 9)
    answers["encounter"] = {"reference": f"Encounter/{late['id']}"}
    await course.put(late, answers)
    await course.settle()
    (same,) = await course.alerts()
    assert same["id"] == alert["id"]
    assert same["status"] == VOID
    found = await course.http.get("Provenance", params={"target": f"DetectedIssue/{alert['id']}"})
    (entry,) = found.json()["entry"]
    assert entry["resource"]["agent"][0]["who"]["display"] == "Rapport"


async def test_a_backdated_session_moves_the_number_of_an_alert_that_stays(course):
    await course.sessions("wai-sr", [wai(t) for t in (50, 50, 40)])
    (alert,) = await course.alerts()
    early = course.sitting(9, start=course.start(1) - timedelta(days=7), name=f"early-{course.key}")
    answers = course.response("wai-sr", wai(50), 9)
    answers["encounter"] = {"reference": f"Encounter/{early['id']}"}
    await course.put(early, answers)
    await course.settle()
    issues = [each for each in await course.alerts() if rule(each) == "v-episode"]
    assert [(each["id"], session(each)) for each in issues] == [(alert["id"], 4)]


async def test_an_amended_answer_takes_an_alert_back(course):
    await course.sessions("wai-sr", [wai(t) for t in (50, 50, 45)])
    (alert,) = await course.alerts()
    amended = course.response("wai-sr", wai(50), 3, status="amended")
    await course.put(amended)
    await course.settle()
    (same,) = await course.alerts()
    assert (same["id"], same["status"]) == (alert["id"], VOID)


async def test_mistaken_answers_raise_nothing(course):
    await course.sessions("wai-sr", [wai(t) for t in (50, 50, 45)])
    await course.put(course.response("wai-sr", wai(45), 3, status="entered-in-error"))
    await course.settle()
    assert told(await course.alerts()) == []


async def test_cancelled_sessions_do_not_count(course):
    await course.sessions("wai-sr", [wai(t) for t in (50, 50, 45)])
    await course.put(course.sitting(2) | {"status": "cancelled"})
    await course.settle()
    (alert,) = await course.alerts()
    assert session(alert) == 2


async def test_an_answer_without_encounter_joins_the_session_of_its_day(course):
    await course.sessions("wai-sr", [wai(50), wai(50), None])
    loose = course.response("wai-sr", wai(45), 3)
    del loose["encounter"]
    await course.put(loose)
    await course.settle()
    assert told(await course.alerts()) == [(3, "v-episode", "open")]


@pytest.mark.parametrize(
    "start, authored, sessions",
    [
        ("2026-01-19T18:00:00-05:00", "2026-01-20T00:30:00Z", [3]),
        ("2026-01-20T02:00:00+04:00", "2026-01-19T22:50:00Z", [3]),
        ("2026-01-19T18:00:00-05:00", "2026-01-20T05:00:00Z", []),
        ("2026-01-20T09:00:00-05:00", "2026-01-20T02:00:00Z", []),
        ("2026-01-19T18:00:00-05:00", "2026-01-19", [3]),
    ],
)
async def test_the_day_is_that_of_the_place_where_the_session_was(
    course, start, authored, sessions
):
    await course.sessions("wai-sr", [wai(50), wai(50)])
    loose = course.response("wai-sr", wai(45), 3) | {"authored": authored}
    del loose["encounter"]
    sitting = course.sitting(3)
    sitting["period"]["start"] = start
    await course.put(sitting, loose)
    await course.settle()
    assert [session(each) for each in await course.alerts()] == sessions


async def test_an_answer_on_a_day_without_session_has_no_number(course):
    await course.sessions("wai-sr", [wai(50), wai(50)])
    loose = course.response("wai-sr", wai(45), 3)
    del loose["encounter"]
    await course.put(loose)
    await course.settle()
    assert told(await course.alerts()) == []


async def test_scores_to_the_tenth_are_compared_exactly(course):
    await course.sessions("srs", [srs("38.0"), srs("37.1"), srs("36.1"), srs("36.0"), srs("35.9")])
    assert told(await course.alerts()) == [
        (3, "step-drop", "open"),
        (5, "below-cutoff", "open"),
    ]


async def test_several_rules_speak_of_one_session(course):
    await course.sessions("asc-pulse", [pulse(s) for s in (15, 15, 16, 17, 10, 14, 17)])
    assert told(await course.alerts()) == [
        (5, "trailing-baseline", "repaired"),
        (5, "v-episode", "repaired"),
    ]


async def test_the_gap_between_client_and_therapist_is_watched(course):
    await course.sessions("asc-client", [therapy.asc(3)] * 4)
    level = [therapy.asc(3), therapy.asc(3), therapy.asc(3), therapy.asc(2)]
    await course.answer("asc-therapist", level)
    (gap,) = [each for each in await course.alerts() if rule(each) == "congruence-gap"]
    assert session(gap) == 4
    assert evaluation(gap)["against"] == "asc-therapist"
    assert len(gap["implicated"]) == 2
    assert evaluation(gap)["limit"] == 15


async def test_doing_it_again_changes_nothing(course, application):
    await course.sessions("wai-sr", [wai(total) for total in SERIES])
    before = [(each["id"], each["meta"]["versionId"]) for each in await course.alerts()]
    encounter = (await course.http.get(f"Encounter/s-{course.key}-1")).json()
    encounter["language"] = "en"
    await course.put(encounter)
    await course.settle()
    assert [(each["id"], each["meta"]["versionId"]) for each in await course.alerts()] == before


async def test_alerts_are_in_the_audit_log(clinic, course):
    await course.sessions("wai-sr", [wai(t) for t in (50, 50, 45)])
    (alert,) = await course.alerts()
    log = await clinic.as_client("system/AuditEvent.rs", role="auditor")
    found = await log.get("AuditEvent", params={"entity": f"DetectedIssue/{alert['id']}"})
    events = [entry["resource"] for entry in found.json().get("entry", ())]
    assert any(event["action"] == "C" for event in events)

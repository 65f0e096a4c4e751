"""Operations on a course: ``$score``, ``$alliance-trend``, ``$congruence``, ``$resolve``."""

from __future__ import annotations

import pytest
from fhir.resources.R4B.observation import Observation

from tests.http.answers import ok, refused, resources
from tests.support import therapy
from tests.support.operations import all_of, parameters, told
from tests.support.staff import signed_in
from tests.support.therapy import asc, pulse, srs, wai

A8 = {
    "B1": 4, "B2": 3, "B3": 4, "G1": 3, "G2": 3, "G3": 2, "T1": 3, "T2": 2, "T3": 4,
    "E1": 3, "E2": 4, "S1": 3, "S2": 2, "S3": 4, "D1": 4, "D2": 3, "O1": 2, "O2": 1,
    "V1": 3, "V2": 0, "P1": 2, "P2": 3,
}  # fmt: skip
VALUES = {
    "bond": 91.6667, "goal": 66.6667, "task": 75, "empathy": 87.5, "safety": 75,
    "boundaries": 87.5, "openness": 37.5, "vulnerability": 87.5, "past": 62.5,
    "core": 77.7778, "climate": 72.9167, "overall": 74.537,
}  # fmt: skip


@pytest.fixture
async def course(clinic):
    return await therapy.begin(clinic)


def values(bundle):
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "collection")
    return {
        each["code"]["coding"][0]["code"]: round(each["valueQuantity"]["value"], 4)
        if "valueQuantity" in each
        else None
        for each in (entry["resource"] for entry in bundle["entry"])
    }


# -- $score


async def test_answers_are_scored_and_nothing_is_stored(course):
    response = course.response("asc-client", A8, None)
    del response["id"]
    for body in (parameters(response=response), response):
        answer = ok(await course.http.post("QuestionnaireResponse/$score", json=body))
        assert values(answer) == VALUES
        for score in resources(answer):  # of answers that have no id yet
            assert score["derivedFrom"] == [{"type": "QuestionnaireResponse"}]
            Observation.model_validate(score)
    stored = ok(await course.http.get("Observation", params={"subject": course.patient}))
    assert stored["total"] == 0


async def test_a_stored_response_scores_as_it_was_scored(course):
    await course.sessions("asc-client", [A8])
    path = f"QuestionnaireResponse/r-asc-client-{course.key}-1/$score"
    answer = ok(await course.http.get(path))
    assert values(answer) == VALUES
    stored = ok(await course.http.get("Observation", params={"subject": course.patient}))
    ids = {entry["resource"]["id"] for entry in stored["entry"]}
    assert {entry["resource"]["id"] for entry in answer["entry"]} == ids


async def test_too_few_answers_have_no_score(course):
    response = course.response("asc-client", {k: v for k, v in A8.items() if k[0] != "G"}, None)
    found = values(ok(await course.http.post("QuestionnaireResponse/$score", json=response)))
    assert (found["goal"], found["core"], found["overall"]) == (None, None, None)
    assert found["climate"] == 72.9167


async def test_answers_that_do_not_fit_are_refused_with_every_problem(course):
    response = course.response("asc-client", A8, None)
    response["item"][0]["linkId"] = "Z9"
    response["item"][1]["answer"][0]["valueCoding"]["code"] = "9"
    issues = refused(
        await course.http.post("QuestionnaireResponse/$score", json=parameters(response=response)),
        422,
    )
    assert len(issues) >= 2


async def test_scoring_needs_answers_to_a_form_that_is_scored(course):
    refused(await course.http.post("QuestionnaireResponse/$score"), 422, "required")
    unknown = course.response("asc-client", A8, None, questionnaire="http://example.org/other")
    refused(await course.http.post("QuestionnaireResponse/$score", json=unknown), 422, "not-found")
    refused(await course.http.get("QuestionnaireResponse/nobody/$score"), 404, "not-found")


# -- $alliance-trend


async def test_the_trend_tells_series_alerts_and_gaps(course):
    await course.sessions("asc-pulse", [pulse(s) for s in (15, 15, 16, 17, 10)])
    await course.sessions("asc-pulse", [None, pulse(17)])
    answer = ok(await course.http.get(f"{course.episode}/$alliance-trend"))
    (series,) = all_of(answer, "series")
    assert (series["instrument"], series["rater"], series["scale"]) == (
        "asc-pulse",
        "client",
        "total",
    )
    assert series["validated"] is False
    points = series["point"]
    assert [(each["session"], each["value"]) for each in points] == [
        (1, 75), (2, 75), (3, 80), (4, 85), (5, 50), (7, 85),
    ]  # fmt: skip
    assert points[0]["date"].startswith("2026-01-05T17:55:00")
    score = ok(await course.http.get(points[0]["observation"]))
    assert score["valueQuantity"]["value"] == 75
    assert all_of(answer, "missing") == [{"session": 6}]
    alerts = all_of(answer, "alert")
    assert [(each["rule"], each["session"], each["status"]) for each in alerts] == [
        ("trailing-baseline", 5, "repaired"),
        ("v-episode", 5, "repaired"),
    ]
    assert alerts[0]["version"] == f"{therapy.OURS}/Library/asc-pulse-ruptures|1.0.0"
    issue = ok(await course.http.get(alerts[0]["issue"]))
    assert issue["resourceType"] == "DetectedIssue"


async def test_the_trend_tells_what_was_asked_for(course):
    await course.sessions("asc-client", [asc(3), asc(2)])
    await course.answer("asc-therapist", [asc(2)])
    path = f"{course.episode}/$alliance-trend"
    everything = all_of(ok(await course.http.get(path)), "series")
    assert len(everything) == 24
    one_scale = ok(await course.http.get(path, params={"scale": "core", "rater": "therapist"}))
    (series,) = all_of(one_scale, "series")
    assert series["instrument"] == "asc-therapist"
    assert [point["value"] for point in series["point"]] == [50]
    assert all_of(one_scale, "missing") == [{"session": 2}]
    posted = ok(await course.http.post(path, json=parameters(instrument="asc-client")))
    assert {each["instrument"] for each in all_of(posted, "series")} == {"asc-client"}
    form = f"{therapy.OURS}/Questionnaire/asc-client"
    for named in (form, f"{form}|1.0.0"):
        assert ok(await course.http.get(path, params={"instrument": named})) == posted
    canonical = [{"name": "instrument", "valueCanonical": form}]
    body = {"resourceType": "Parameters", "parameter": canonical}
    assert ok(await course.http.post(path, json=body)) == posted
    nothing = ok(await course.http.get(path, params={"instrument": "srs"}))
    assert told(nothing) == [("missing", {"session": 1}), ("missing", {"session": 2})]


async def test_values_keep_their_precision(course):
    await course.sessions("asc-client", [A8])
    answer = ok(await course.http.get(f"{course.episode}/$alliance-trend?scale=core"))
    (series,) = all_of(answer, "series")
    assert series["point"][0]["value"] == pytest.approx(77.7777777778, abs=1e-9)


async def test_an_incomplete_score_is_a_point_without_a_value(course):
    answers = {key: value for key, value in srs("38").items() if key != "goals"}
    await course.sessions("srs", [answers])
    answer = ok(await course.http.get(f"{course.episode}/$alliance-trend"))
    (series,) = all_of(answer, "series")
    assert "value" not in series["point"][0]
    assert all_of(answer, "missing") == [{"session": 1}]


async def test_a_wrong_rater_and_an_unknown_course_are_refused(course):
    path = f"{course.episode}/$alliance-trend"
    refused(await course.http.get(path, params={"rater": "aunt"}), 422, "code-invalid")
    refused(await course.http.get("EpisodeOfCare/nobody/$alliance-trend"), 404, "not-found")
    refused(await course.http.get("EpisodeOfCare/$alliance-trend"), 404)


async def test_a_client_sees_the_own_series_and_neither_alerts_nor_the_therapists_view(
    clinic, course
):
    await course.sessions("asc-client", [asc(3), asc(3), asc(1)])
    await course.answer("asc-therapist", [asc(3)] * 3)
    client = await signed_in(clinic, "client", course.patient)
    answer = ok(await client.get(f"{course.episode}/$alliance-trend"))
    assert {each["rater"] for each in all_of(answer, "series")} == {"client"}
    assert all_of(answer, "alert") == []
    agreement = ok(await client.get(f"{course.episode}/$congruence"))
    assert told(agreement) == []


async def test_a_course_of_somebody_elses_client_is_not_there(clinic, course):
    other = await therapy.begin(clinic)
    therapist = await signed_in(clinic, "therapist", other.therapist)
    ok(await therapist.get(f"{other.episode}/$alliance-trend"))
    for operation in ("$alliance-trend", "$congruence"):
        refused(await therapist.get(f"{course.episode}/{operation}"), 404, "not-found")


# -- $congruence


async def test_how_far_client_and_therapist_agree(course):
    await course.sessions("asc-client", [asc(2), asc(3), asc(3), asc(4)])
    await course.answer("asc-therapist", [asc(2), asc(2), asc(2), asc(3)])
    found = ok(await course.http.get(f"{course.episode}/$congruence?scale=core"))
    assert all_of(found, "pair") == [
        {"session": 1, "client": 50, "therapist": 50},
        {"session": 2, "client": 75, "therapist": 50},
        {"session": 3, "client": 75, "therapist": 50},
        {"session": 4, "client": 100, "therapist": 75},
    ]
    figures = {name: value for name, value in told(found) if name != "pair"}
    assert figures["validated"] is False
    assert figures["bias"] == -18.75
    assert figures["meanAbsoluteGap"] == 18.75
    assert figures["slope"] == 0.5
    assert figures["correlation"] == pytest.approx(0.81649658, abs=1e-8)


async def test_one_pair_has_a_distance_and_no_slope(course):
    await course.sessions("asc-client", [asc(2)])
    await course.answer("asc-therapist", [asc(3)])
    found = dict(told(ok(await course.http.get(f"{course.episode}/$congruence"))))
    assert (found["bias"], found["meanAbsoluteGap"]) == (25, 25)
    assert "slope" not in found and "correlation" not in found


# -- $resolve


@pytest.fixture
async def alert(course):
    await course.sessions("wai-sr", [wai(total) for total in (50, 50, 45)])
    (found,) = await course.alerts()
    return found


@pytest.fixture
async def therapist(clinic, course, alert):
    return await signed_in(clinic, "therapist", course.therapist)


def resolve(http, alert, **given):
    return http.post(f"DetectedIssue/{alert['id']}/$resolve", json=parameters(**given))


async def test_the_work_on_an_alert_is_kept_with_who_did_it(course, alert, therapist):
    ok(await resolve(therapist, alert, status="acknowledged"))
    answer = await resolve(therapist, alert, status="addressed")
    tree = ok(answer)
    assert (therapy.status(tree), tree["status"]) == ("addressed", "preliminary")
    assert answer.headers["ETag"] == f'W/"{tree["meta"]["versionId"]}"'
    assert [step["author"]["reference"] for step in tree["mitigation"]] == [course.therapist] * 2
    assert tree["id"] == alert["id"]


async def test_a_repair_after_the_work_is_still_noticed(course, alert, therapist):
    ok(await resolve(therapist, alert, status="addressed", note="Talked about the pace."))
    await course.sessions("wai-sr", [wai(50)])
    (after,) = await course.alerts()
    assert (therapy.status(after), after["status"]) == ("repaired", "final")
    codes = [step["action"]["coding"][0]["code"] for step in after["mitigation"]]
    assert codes == ["addressed", "repaired"]


async def test_a_dismissed_alert_stays_dismissed(course, alert, therapist):
    (issue,) = refused(await resolve(therapist, alert, status="dismissed"), 422, "required")
    assert issue["expression"] == ["Parameters.parameter.where(name='note')"]
    tree = ok(await resolve(therapist, alert, status="dismissed", note="A cold that week."))
    assert (therapy.status(tree), tree["status"]) == ("dismissed", "final")
    assert tree["mitigation"][0]["action"]["text"] == "A cold that week."
    await course.sessions("wai-sr", [wai(50)])
    (after,) = await course.alerts()
    assert therapy.status(after) == "dismissed"
    assert after["meta"]["versionId"] != "" and len(after["mitigation"]) >= 1
    refused(await resolve(therapist, alert, status="addressed"), 422, "business-rule")


async def test_work_goes_forward_only(alert, therapist):
    ok(await resolve(therapist, alert, status="addressed"))
    refused(await resolve(therapist, alert, status="acknowledged"), 422, "business-rule")
    refused(await resolve(therapist, alert, status="open"), 422, "code-invalid")
    refused(await resolve(therapist, alert), 422, "required")


async def test_only_who_treats_and_oversees_resolves(clinic, course, alert):
    refused(await resolve(course.http, alert, status="acknowledged"), 403)
    client = await signed_in(clinic, "client", course.patient)
    refused(await resolve(client, alert, status="acknowledged"), 403)
    other = await therapy.begin(clinic)
    stranger = await signed_in(clinic, "therapist", other.therapist)
    refused(await resolve(stranger, alert, status="acknowledged"), 404)
    lead = await signed_in(clinic, "clinical_lead", "Practitioner/some-lead")
    ok(await resolve(lead, alert, status="acknowledged"))
    refused(await lead.get(f"DetectedIssue/{alert['id']}/$resolve"), 405)

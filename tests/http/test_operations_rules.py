"""``$detect-ruptures`` and ``$reliable-change``: the worked cases, over HTTP."""

from __future__ import annotations

import pytest

from tests.http.answers import ok, refused
from tests.support.operations import all_of, one, parameters, told

SERIES = [50, 51, 50, 52, 51, 45, 47, 51, 52, 52]


@pytest.fixture
def detect(ehr):
    async def run(rule, values, **settings):
        series = [("missing", True) if each is None else ("value", each) for each in values]
        body = parameters(("rule", rule), *series, *settings.items())
        return ok(await ehr.post("EpisodeOfCare/$detect-ruptures", json=body))

    return run


@pytest.fixture
def change(ehr):
    async def run(**given):
        return one(ok(await ehr.post("Observation/$reliable-change", json=parameters(**given))))

    return run


@pytest.mark.parametrize(
    "settings, flags",
    [
        ({"k": 1}, [(6, 49.9633), (7, 47.3501)]),
        ({"k": 1, "floor": 3}, [(6, 47.8)]),
        ({"k": 2, "floor": 3}, [(6, 47.8)]),
    ],
)
async def test_the_trailing_baseline(detect, settings, flags):
    answer = await detect("trailing-baseline", SERIES, **settings)
    found = [(flag["session"], round(flag["limit"], 4)) for flag in all_of(answer, "flag")]
    assert found == flags
    assert all_of(answer, "evaluable") == [4, 5, 6, 7, 8, 9, 10]


async def test_a_v_episode(detect):
    answer = await detect("v-episode", SERIES, drop=4, tolerance=1, window=3, reference="previous")
    (flag,) = all_of(answer, "flag")
    assert flag == {
        "session": 6,
        "limit": 47,
        "status": "repaired",
        "pre": 51,
        "nadir": 45,
        "repairedAt": 8,
    }


async def test_a_tenth_is_a_tenth(detect):
    answer = await detect("step-drop", [32.3, 31.3], drop=1.0)
    assert [flag["session"] for flag in all_of(answer, "flag")] == [2]


@pytest.mark.parametrize("inclusive, flags", [(False, [3]), (True, [2, 3])])
async def test_the_disputed_border_is_a_parameter(detect, inclusive, flags):
    values = [37.0, 36.0, 35.8]
    answer = await detect("below-cutoff", values, cutoff=36, inclusive=inclusive)
    assert [flag["session"] for flag in all_of(answer, "flag")] == flags


async def test_a_missing_session_is_no_drop_and_cannot_be_judged(detect):
    answer = await detect("step-drop", [38.0, None, 36.5], drop=1)
    assert all_of(answer, "evaluable") == [3]
    assert [flag["session"] for flag in all_of(answer, "flag")] == [3]


async def test_no_values_are_no_flags(detect):
    assert told(await detect("step-drop", [], drop=1)) == []


async def test_a_query_will_do(ehr):
    values = "&".join(f"value={each}" for each in SERIES)
    path = f"EpisodeOfCare/$detect-ruptures?rule=trailing-baseline&floor=3&{values}"
    assert [flag["session"] for flag in all_of(ok(await ehr.get(path)), "flag")] == [6]


async def test_every_wrong_input_is_told_at_once(ehr):
    body = parameters(("rule", "stiles"), ("value", "high"), ("k", 1), ("k", 2), ("sigma", 3))
    issues = refused(await ehr.post("EpisodeOfCare/$detect-ruptures", json=body), 422)
    assert [(issue["code"], issue["expression"]) for issue in issues] == [
        ("code-invalid", ["Parameters.parameter[0].value"]),
        ("value", ["Parameters.parameter[1]"]),
        ("duplicate", ["Parameters.parameter[3].value"]),
        ("not-supported", ["Parameters.parameter[4]"]),
    ]
    assert "stiles" not in str(issues)


async def test_a_rule_asks_for_what_it_needs(ehr):
    issues = refused(
        await ehr.post(
            "EpisodeOfCare/$detect-ruptures", json=parameters(rule="v-episode", window=0)
        ),
        422,
    )
    assert {(issue["code"], issue["expression"][0]) for issue in issues} == {
        ("required", "Parameters.parameter.where(name='drop')"),
        ("value", "Parameters.parameter.where(name='window')"),
    }


async def test_without_a_rule_there_is_nothing_to_run(ehr):
    (issue,) = refused(await ehr.get("EpisodeOfCare/$detect-ruptures"), 422, "required")
    assert issue["expression"] == ["Parameters.parameter.where(name='rule')"]


async def test_what_cannot_be_read_is_another_matter(ehr):
    path = "EpisodeOfCare/$detect-ruptures?rule=step-drop&drop=much"
    refused(await ehr.get(path), 400, "value")
    refused(await ehr.post("EpisodeOfCare/$detect-ruptures", content=b"{"), 400)
    refused(await ehr.post("EpisodeOfCare/$detect-ruptures", json={"resourceType": "Patient"}), 400)


async def test_the_textbook_case_of_reliable_change(change):
    found = await change(
        pre=32.5, post=47.5, sd=7.5, reliability=0.80, direction="higher",
        meanDysfunctional=40, sdDysfunctional=7.5, meanFunctional=60, sdFunctional=7.5,
    )  # fmt: skip
    rounded = {k: round(v, 4) for k, v in found.items() if k != "class"}
    assert rounded == {
        "sem": 3.3541, "sdiff": 4.7434, "rc": 3.1623, "criterion": 9.2971,
        "cutA": 55, "cutB": 45, "cutC": 50,
    }  # fmt: skip
    assert found["class"] == "reliable-improvement"


async def test_lower_is_better_for_symptoms(change):
    found = await change(pre=17, post=9, sd=6, reliability=0.84, direction="lower")
    assert round(found["sdiff"], 4) == 3.3941
    assert round(found["rc"], 4) == -2.3570
    assert round(found["criterion"], 4) == 6.6525
    assert found["class"] == "reliable-improvement"
    assert "cutC" not in found


@pytest.mark.parametrize(
    "pre, post, criterion, cutoff, inclusive, verdict",
    [
        (18, 26, 5, 25, False, "recovered"),
        (18, 26, 5.61, 25, False, "recovered"),
        (18, 26, 9.15, 24.52, False, "no-reliable-change"),
        (26, 20, 5, 25, False, "reliable-deterioration"),
        (27, 33, 5, 25, False, "reliable-improvement"),
        (20, 25, 5, 25, True, "recovered"),
        (20, 25, 5, 25, False, "no-reliable-change"),
    ],
)
async def test_norm_sets_decide(change, pre, post, criterion, cutoff, inclusive, verdict):
    found = await change(
        pre=pre, post=post, direction="higher", criterion=criterion, cutoff=cutoff,
        inclusive=inclusive,
    )  # fmt: skip
    assert found["class"] == verdict


async def test_every_gap_in_the_inputs_is_told(ehr):
    body = parameters(pre=1, post=2, direction="up", meanFunctional=3)
    issues = refused(await ehr.post("Observation/$reliable-change", json=body), 422)
    assert [issue["code"] for issue in issues] == ["code-invalid"]
    body = parameters(pre=1, post=2, direction="higher", meanFunctional=3, sd=-1, reliability=0.5)
    issues = refused(await ehr.post("Observation/$reliable-change", json=body), 422)
    assert {issue["expression"][0] for issue in issues} == {
        "Parameters.parameter.where(name='sdFunctional')",
        "Parameters.parameter.where(name='sd')",
    }


async def test_an_input_that_the_operation_has_not_is_named(ehr):
    asked = await ehr.get("EpisodeOfCare/$detect-ruptures?rule=self-report&windw=3")
    body = parameters(rule="self-report", windw=3)
    posted = await ehr.post("EpisodeOfCare/$detect-ruptures", json=body)
    for answer in (asked, posted):
        [issue] = refused(answer, 422, "not-supported")
        assert issue["diagnostics"] == "the operation has no input windw"

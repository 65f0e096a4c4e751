"""Operations of the standard. https://hl7.org/fhir/R4/operations.html"""

from __future__ import annotations

import pytest

from app.fhir.registry import REGISTRY
from tests.http.answers import made, ok, refused, resources
from tests.http.resources import (
    BASE,
    PULSE,
    encounter,
    episode,
    observation,
    patient,
    pulse,
)


def parameters(**given):
    """Parameters: a resource where the value is one, else a code."""
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": name, "resource": value}
            if isinstance(value, dict)
            else {"name": name, "valueCode": value}
            for name, value in given.items()
        ],
    }


def told(answer):
    """Severity and place of each issue."""
    body = ok(answer)
    assert body["resourceType"] == "OperationOutcome"
    return [(one["severity"], *one.get("expression", [])) for one in body["issue"]]


# -- $validate -----------------------------------------------------------------------------------


async def test_validate_tells_what_a_write_would_say(ehr):
    wrong = patient(gender="f", birthDate="someday")
    places = {("error", "Patient.gender"), ("error", "Patient.birthDate")}
    assert places <= set(told(await ehr.post("Patient/$validate", json=wrong)))
    assert places <= set(told(await ehr.post("Patient/$validate", json=parameters(resource=wrong))))
    fine = told(await ehr.post("Patient/$validate", json=patient()))
    assert {severity for severity, *_ in fine} <= {"information", "warning"}
    assert ok(await ehr.get("Patient?family=Costa&gender=f"))["total"] == 0


async def test_validate_asks_the_rules_of_the_type(ehr):
    answers = pulse(3, 3, 3, 3, 9, subject="Patient/1")
    told_ = told(await ehr.post("QuestionnaireResponse/$validate", json=answers))
    assert any(severity == "error" for severity, *_ in told_)
    assert any("item" in place for _, *places in told_ for place in places)
    ended = episode("Patient/1", status="finished")
    assert any(
        severity == "error"
        for severity, *_ in told(await ehr.post("EpisodeOfCare/$validate", json=ended))
    )


async def test_validate_stores_nothing(clinic):
    ehr = clinic.http
    for mode in ("create", "update", "profile", None):
        given = {"resource": patient("Never")} | ({"mode": mode} if mode else {})
        ok(await ehr.post("Patient/$validate", json=parameters(**given)))
    assert ok(await ehr.get("Patient"))["total"] == 0
    await clinic.settle()


async def test_validate_of_an_instance(ehr):
    where = made(await ehr.post("EpisodeOfCare", json=episode("Patient/1")))
    id = where.partition("/")[2]
    # what is stored
    assert ("error",) not in [one[:1] for one in told(await ehr.post(f"{where}/$validate"))]
    # what would follow it: a step that there is not
    planned = episode("Patient/1", status="planned", id=id)
    for body in (
        planned,
        parameters(resource=planned),
        parameters(resource=planned, mode="update"),
    ):
        assert any(
            one[0] == "error" for one in told(await ehr.post(f"{where}/$validate", json=body))
        )
    other = told(await ehr.post(f"{where}/$validate", json=episode("Patient/1", id="other")))
    assert ("error", "EpisodeOfCare.id") in other
    assert told(await ehr.post(f"{where}/$validate?mode=delete")) == [("information",)]
    refused(
        await ehr.post(f"{where}/$validate", json=parameters(resource=planned, mode="create")), 422
    )
    refused(await ehr.post("EpisodeOfCare/none/$validate", json=planned), 404)
    await ehr.delete(where)
    refused(await ehr.post(f"{where}/$validate", json=planned), 410)


async def test_validate_of_another_type_is_an_issue(ehr):
    told_ = told(await ehr.post("Patient/$validate", json={"resourceType": "Group"}))
    assert told_ == [("error", "resourceType")]


async def test_validate_says_which_profile_it_does_not_know(ehr):
    known = "http://hl7.org/fhir/StructureDefinition/Patient"
    for profile, error in ((known, False), ("https://example.org/StructureDefinition/x", True)):
        answer = await ehr.post(f"Patient/$validate?profile={profile}", json=patient())
        assert any(one[0] == "error" for one in told(answer)) is error


@pytest.mark.parametrize(
    "body, status",
    [
        (b"", 422),
        (b"{", 400),
        (b"[]", 400),
        (b'{"resourceType":"Parameters"}', 422),
        (b'{"resourceType":"Parameters","parameter":5}', 422),
        (b'{"resourceType":"Parameters","parameter":[5]}', 422),
        (b'{"resourceType":"Parameters","parameter":[{"name":"resource","valueCode":"x"}]}', 422),
        (b'{"resourceType":"Parameters","parameter":[{"name":"resource","resource":5}]}', 422),
        (b'{"resourceType":"Parameters","parameter":[{"name":"mode","valueCode":"x"}]}', 422),
        (b'{"resourceType":"Parameters","parameter":[{"name":"nothing","valueCode":"x"}]}', 422),
    ],
)
async def test_validate_needs_something_to_look_at(ehr, body, status):
    refused(await ehr.post("Patient/$validate", content=body), status)


@pytest.mark.parametrize("name", [n for n, e in REGISTRY.items() if e.store == "resource"])
async def test_validate_is_there_for_every_type(ehr, name):
    told_ = told(await ehr.post(f"{name}/$validate", json={"resourceType": name, "x": 1}))
    assert ("error", f"{name}.x") in told_


async def test_validate_needs_the_right_to_write(clinic):
    reader = await clinic.as_client("system/*.rs")
    refused(await reader.post("Patient/$validate", json=patient()), 403, "forbidden")


# -- $everything ---------------------------------------------------------------------------------


async def full_record(ehr):
    """A patient with a doctor and a few records; the addresses of all."""
    doctor = made(
        await ehr.post("Practitioner", json={"resourceType": "Practitioner", "active": True})
    )
    person = made(
        await ehr.post("Patient", json=patient(generalPractitioner=[{"reference": doctor}]))
    )
    course = made(await ehr.post("EpisodeOfCare", json=episode(person)))
    early, late = [
        made(await ehr.post("Encounter", json=encounter(person, period={"start": day, "end": day})))
        for day in ("2026-01-10", "2026-06-10")
    ]
    score = made(
        await ehr.post("Observation", json=observation(person, effectiveDateTime="2026-06-10"))
    )
    undated = made(await ehr.post("Observation", json=observation(person)))
    other = made(await ehr.post("Patient", json=patient("Other")))
    await ehr.post("Observation", json=observation(other))
    return doctor, person, course, early, late, score, undated


def found(bundle):
    return {one["fullUrl"].removeprefix(f"{BASE}/") for one in bundle["entry"]}


async def test_an_input_of_everything_that_cannot_be_read_is_named_as_it_was_given(ehr):
    person = made(await ehr.post("Patient", json=patient()))
    [issue] = refused(await ehr.get(f"{person}/$everything?_since=lately"), 400, "value")
    assert issue["diagnostics"].startswith("_since ")


async def test_everything_of_a_patient(ehr):
    doctor, person, *rest = await full_record(ehr)
    body = ok(await ehr.get(f"{person}/$everything"))
    assert body["type"] == "searchset"
    assert found(body) == {doctor, person, *rest}
    modes = {one["fullUrl"]: one["search"]["mode"] for one in body["entry"]}
    assert modes[f"{BASE}/{doctor}"] == "include"
    assert body["total"] == 1 + len(rest)
    posted = await ehr.post(f"{person}/$everything", json={"resourceType": "Parameters"})
    assert found(ok(posted)) == found(body)
    assert found(ok(await ehr.post(f"{person}/$everything", content=b""))) == found(body)


async def test_everything_of_some_types_or_dates(ehr):
    doctor, person, course, early, late, score, undated = await full_record(ehr)

    async def of(query, **given):
        if given:
            values = [{"name": name, **value} for name, value in given.items()]
            body = {"resourceType": "Parameters", "parameter": values}
            return found(ok(await ehr.post(f"{person}/$everything", json=body)))
        return found(ok(await ehr.get(f"{person}/$everything?{query}"))) - {doctor}

    assert await of("_type=Encounter,Patient") >= {person, early, late}
    assert score not in await of("_type=Encounter")
    spring = {course, person, undated}
    assert await of("start=2026-03") == spring | {late, score}
    assert await of("end=2026-03") == (spring - {course}) | {early}
    assert await of("start=2026-06-10&end=2026-06-10") >= {late, score}
    assert early not in await of("start=2026-06-10&end=2026-06-10")
    assert late in await of("", start={"valueDate": "2026-03"})
    assert early not in await of("", start={"valueDate": "2026-03"})
    assert await of("_since=2020-01-01T00:00:00Z") >= {person, course, early, late, score}
    assert "entry" not in ok(await ehr.get(f"{person}/$everything?_since=2100-01-01T00:00:00Z"))


async def test_everything_comes_in_pages(ehr):
    _, person, *rest = await full_record(ehr)
    address, seen = f"{person}/$everything?_count=2&start=2020", []
    while address:
        body = ok(await ehr.get(address))
        matches = [one for one in body["entry"] if one["search"]["mode"] == "match"]
        seen += [one["fullUrl"].removeprefix(f"{BASE}/") for one in matches]
        following = [one["url"] for one in body["link"] if one["relation"] == "next"]
        address = following[0] if following else ""
        if address:
            assert address.startswith(f"{BASE}/{person}/$everything?")
            assert len(matches) == 2
    assert sorted(seen) == sorted({person, *rest})


@pytest.mark.parametrize(
    "query, status",
    [("start=never", 400), ("_since=x", 400), ("_type=Nothing", 400), ("_count=x", 400),
     ("start=2026&start=2025", 422), ("nothing=1", 422)],
)  # fmt: skip
async def test_everything_takes_only_what_it_knows(ehr, query, status):
    person = made(await ehr.post("Patient", json=patient()))
    refused(await ehr.get(f"{person}/$everything?{query}"), status)


async def test_everything_is_what_the_caller_sees(clinic):
    _, person, course, *_ = await full_record(clinic.http)
    narrow = await clinic.as_client("system/Patient.rs system/EpisodeOfCare.rs")
    assert found(ok(await narrow.get(f"{person}/$everything"))) == {person, course}
    other = await clinic.as_client("system/Observation.rs")
    refused(await other.get(f"{person}/$everything"), 403, "forbidden")
    await clinic.http.delete(person)
    refused(await clinic.http.get(f"{person}/$everything"), 410, "deleted")
    refused(await clinic.http.get("Patient/none/$everything"), 404, "not-found")


async def test_everything_names_whose_record_was_read(clinic):
    _, person, *_ = await full_record(clinic.http)
    ok(await clinic.http.get(f"{person}/$everything"))
    auditor = await clinic.as_client("system/AuditEvent.rs", role="auditor")
    params = {"subtype": "operation", "patient": person}
    assert ok(await auditor.get("AuditEvent", params=params))["total"] == 1


# -- compartments --------------------------------------------------------------------------------


async def test_a_compartment_is_searched(clinic):
    ehr = clinic.http
    doctor, person, course, early, late, score, undated = await full_record(ehr)
    assert found(ok(await ehr.get(f"{person}/Observation"))) == {score, undated}
    assert found(ok(await ehr.get(f"{person}/Observation?date=2026-06"))) == {score}
    assert found(ok(await ehr.get(f"{person}/Encounter?_sort=-date&_count=1"))) == {late}
    assert found(ok(await ehr.get(f"{person}/*"))) == {
        person, course, early, late, score, undated,
    }  # fmt: skip
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for address in (f"{person}/Observation/_search", f"{person}/_search?_type=Observation"):
        posted = await ehr.post(address, content="_count=5", headers=form)
        assert found(ok(posted)) == {score, undated}
    assert found(ok(await ehr.get(f"{doctor}/Patient"))) == {person}
    assert ok(await ehr.get(f"{person}/Observation?subject=Patient/none"))["total"] == 0
    refused(await ehr.get(f"{person}/Practitioner"), 404)
    refused(await ehr.get(f"{score}/Patient"), 404)
    refused(await ehr.post(f"{person}/Observation", json=observation(person)), 405)
    refused(await ehr.get("Patient/none/Observation"), 404)


async def test_a_response_is_in_the_compartment_of_subject_and_author(ehr):
    one, other = [made(await ehr.post("Patient", json=patient())) for _ in range(2)]
    where = made(
        await ehr.post(
            "QuestionnaireResponse",
            json={
                "resourceType": "QuestionnaireResponse",
                "status": "in-progress",
                "questionnaire": PULSE,
                "subject": {"reference": one},
                "author": {"reference": other},
            },
        )
    )
    for person in (one, other):
        assert found(ok(await ehr.get(f"{person}/QuestionnaireResponse"))) == {where}
    # The focus of an observation makes nobody its owner.
    await ehr.post("Observation", json=observation(one, focus=[{"reference": other}]))
    assert ok(await ehr.get(f"{other}/Observation"))["total"] == 0
    assert len(resources(ok(await ehr.get(f"{one}/Observation")))) == 1

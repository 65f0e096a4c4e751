"""What is hidden is byte for byte what does not exist: no request tells two worlds apart.

Clock, ids, nonces and row numbers are alike in both. ``RAPPORT_TWIN_REQUESTS`` asks more often.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.twins import MRN, Twins, about, twins

REQUESTS = int(os.environ.get("RAPPORT_TWIN_REQUESTS", "300"))
CALLERS = ["therapist", "client", "stranger"]
NAMES = ["anna", "carla", "berta", "dora", "nobody"]
KINDS = ["Patient", "EpisodeOfCare", "Encounter", "Observation", "Goal", "Flag", "Communication"]
MORE = [*KINDS, "CareTeam", "Practitioner", "Task", "QuestionnaireResponse", "AuditEvent", "Group"]
OF = {
    "Patient": [""],
    "EpisodeOfCare": ["e-"],
    "Encounter": ["v-"],
    "Observation": ["o0-", "o1-", "o3-", "secret-"],
    "Goal": ["g-"],
    "Flag": ["f-"],
    "Communication": ["c-"],
    "CareTeam": ["t-"],
}

name = st.sampled_from(NAMES)
patient = name.map(lambda one: f"Patient/{one}")
person = st.sampled_from(["tess", "theo", "nobody"]).map(lambda one: f"Practitioner/{one}")


@st.composite
def reference(draw: Any) -> str:
    kind = draw(st.sampled_from(sorted(OF)))
    return f"{kind}/{draw(st.sampled_from(OF[kind]))}{draw(name)}"


RESULT = st.sampled_from(
    [
        "_count=1", "_count=2", "_count=3", "_count=0", "_total=accurate", "_total=none",
        "_total=estimate", "_summary=count", "_summary=true", "_sort=_lastUpdated", "_sort=-_id",
        "_sort=_id", "_elements=id", "_include=*", "_include:iterate=*", "_revinclude=*",
        "_sort=-date", "_sort=patient", "_sort=code", "_contained=true", "_format=json",
    ]
)  # fmt: skip


@st.composite
def criterion(draw: Any, kind: str) -> str:
    """One parameter, with the values of both who is seen and who is not."""
    common = [
        lambda: f"_id={draw(reference()).partition('/')[2]}",
        lambda: "_lastUpdated=gt2020",
        lambda: "_security=V",
        lambda: f"_id:not={draw(name)}",
    ]
    of_patient = [
        lambda: f"patient={draw(patient)}",
        lambda: f"patient={draw(patient)},{draw(patient)}",
        lambda: f"patient:Patient.name={draw(name)}",
        lambda: f"patient:Patient.general-practitioner={draw(person)}",
        lambda: f"patient:identifier={MRN}|{draw(name)}",
        lambda: f"patient:missing={draw(st.sampled_from(['true', 'false']))}",
        lambda: f"patient:Patient._has:Observation:patient:performer={draw(person)}",
    ]
    own = {
        "Patient": [
            lambda: f"name={draw(name)}",
            lambda: f"identifier={MRN}|{draw(name)}",
            lambda: f"general-practitioner={draw(person)}",
            lambda: f"general-practitioner.name={draw(st.sampled_from(['tess', 'theo']))}",
            lambda: f"_has:EpisodeOfCare:patient:care-manager={draw(person)}",
            lambda: f"_has:Observation:patient:value-quantity=gt{draw(st.integers(0, 9))}",
            lambda: f"_has:Observation:patient:_id=o0-{draw(name)}",
            lambda: f"_has:Observation:patient:_security={draw(st.sampled_from(['V', 'N']))}",
            lambda: "birthdate=1990",
        ],
        "Observation": [
            *of_patient,
            lambda: f"date=ge2026-01-0{draw(st.integers(1, 4))}",
            lambda: f"performer={draw(person)}",
            lambda: f"encounter=Encounter/v-{draw(name)}",
            lambda: "code:text=score",
            lambda: f"subject:Patient.family={draw(name)}",
        ],
        "EpisodeOfCare": [
            *of_patient,
            lambda: f"care-manager={draw(person)}",
            lambda: f"_has:Encounter:episode-of-care:patient={draw(patient)}",
        ],
        "Practitioner": [
            lambda: f"_has:EpisodeOfCare:care-manager:patient={draw(patient)}",
            lambda: f"_has:Patient:general-practitioner:name={draw(name)}",
            lambda: f"_has:Observation:performer:patient.name={draw(name)}",
            lambda: "name=theo",
        ],
        "AuditEvent": [
            lambda: f"patient={draw(patient)}",
            lambda: f"entity={draw(reference())}",
            lambda: f"agent={draw(person)}",
        ],
        "CareTeam": [*of_patient, lambda: f"participant={draw(person)}"],
    }.get(kind, of_patient if kind in KINDS else [])
    return str(draw(st.sampled_from([*own, *common]))())


@st.composite
def question(draw: Any) -> tuple[str, str]:
    """A type and a query string."""
    kind = draw(st.sampled_from(MORE))
    asked = draw(st.lists(criterion(kind), max_size=3))
    asked += draw(st.lists(RESULT, max_size=3))
    if draw(st.booleans()):
        include = {
            "Patient": "_revinclude=Observation:patient",
            "Practitioner": "_revinclude=EpisodeOfCare:care-manager",
        }.get(kind, f"_include={kind}:patient")
        asked.append(include)
    return kind, "&".join(asked)


@st.composite
def look(draw: Any) -> dict[str, Any]:
    kind, query = draw(question())
    where = draw(reference())
    path = draw(
        st.sampled_from(
            [
                *[f"{kind}?{query}"] * 6,
                f"?_type={kind},Patient&{query}",
                f"{draw(patient)}/{kind}?{query}",
                where,
                f"{where}/_history",
                f"{where}/_history/{draw(st.integers(1, 3))}",
                f"{kind}/_history?_count={draw(st.integers(1, 5))}",
                f"_history?_count={draw(st.integers(1, 5))}",
                f"{draw(patient)}/$everything?_count={draw(st.integers(1, 9))}",
            ]
        )
    )
    return {"method": draw(st.sampled_from(["GET", "GET", "GET", "HEAD"])), "url": path}


@st.composite
def written(draw: Any) -> dict[str, Any]:
    """A resource of somebody's record, about somebody."""
    resources = about(draw(name), draw(st.sampled_from(["tess", "theo", "nobody"])))
    return dict(draw(st.sampled_from(resources)))


@st.composite
def change(draw: Any) -> dict[str, Any]:
    resource = draw(written())
    kind = resource["resourceType"]
    query = draw(criterion(kind))
    version = draw(st.sampled_from([{}, {"If-Match": 'W/"1"'}, {"If-Match": 'W/"2"'}]))
    plain = {key: value for key, value in resource.items() if key != "id"}
    operations = [{"op": "add", "path": "/language", "value": draw(st.sampled_from(["en", "fr"]))}]
    patching = {"Content-Type": "application/json-patch+json"}
    where = draw(reference())
    at, found = f"{kind}/{resource['id']}", f"{kind}?{query}"
    method, address, body, headers = draw(
        st.sampled_from(
            [
                ("PUT", at, resource, version),
                ("PUT", found, plain, {}),
                ("POST", kind, plain, {}),
                ("POST", kind, plain, {"If-None-Exist": query}),
                ("PATCH", where, operations, patching | version),
                ("PATCH", found, operations, patching),
                ("DELETE", where, None, version),
                ("DELETE", found, None, {}),
                ("POST", f"{kind}/$validate", plain, {}),
            ]
        )
    )
    request = {"method": method, "url": address, "headers": headers}
    return request if body is None else request | {"json": body}


@st.composite
def bundle(draw: Any) -> dict[str, Any]:
    entries = []
    for one in draw(st.lists(st.one_of(look(), change()), min_size=1, max_size=4)):
        headers = one.get("headers", {})
        asked = {"method": one["method"].replace("HEAD", "GET"), "url": one["url"]}
        asked |= {"ifMatch": headers["If-Match"]} if "If-Match" in headers else {}
        asked |= {"ifNoneExist": headers["If-None-Exist"]} if "If-None-Exist" in headers else {}
        entry = {"request": asked}
        if isinstance(one.get("json"), dict):
            entry["resource"] = one["json"]
        entries.append(entry)
    kind = draw(st.sampled_from(["batch", "transaction"]))
    content = {"resourceType": "Bundle", "type": kind, "entry": entries}
    return {"method": "POST", "url": "", "json": content}


ASKED = st.tuples(
    st.sampled_from(CALLERS), st.one_of(look(), look(), look(), change(), change(), bundle())
)


@pytest_asyncio.fixture(scope="module")
async def worlds(databases, tmp_path_factory):
    async with twins(databases, "sqlite", tmp_path_factory.mktemp("twins")) as made:
        yield made


@pytest.fixture(scope="module")
def tally():
    """How often which status came; what was asked must have been told and refused."""
    counted: Counter[int] = Counter()
    yield counted
    print(f"{counted.total()} requests, answers alike: {sorted(counted.items())}")
    assert {200, 201, 403, 404} <= counted.keys()


async def compared(worlds: Twins, caller: str, number: int, request: dict[str, Any]):
    """The answer, which must be that of both."""
    path = quote(request["url"], safe="/?&=:$|,*._-+%")
    request = {
        **request,
        "url": f"/fhir/{path}".rstrip("/") if "?" not in path else f"/fhir/{path}",
    }
    told = []
    for twin in (worlds.without, worlds.with_hidden):
        answer = await twin.ask(caller, number, **request)
        headers = [pair for pair in answer.headers.multi_items() if pair[0] != "date"]
        told.append((answer, answer.status_code, headers, answer.content))
    one, other = told
    assert one[1:] == other[1:], f"{caller} tells the worlds apart by {request}"
    assert one[1] < 500, one[3]
    return one[0]


async def test_what_is_hidden_is_there(worlds):
    """Whoever may see it does, and in one world only; so the question below is one."""
    for path in ("Patient/berta", "Observation/o0-berta", "CareTeam/t-berta"):
        for twin, status in ((worlds.without, 404), (worlds.with_hidden, 200)):
            for caller in ("ehr", "third"):
                answer = await twin.ask(caller, 1, method="GET", url=f"/fhir/{path}")
                assert answer.status_code == status, (caller, path)


@settings(
    max_examples=REQUESTS,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(asked=ASKED)
async def test_no_request_tells_the_worlds_apart(worlds, tally, asked):
    caller, request = asked
    for _ in range(3):  # and where the answer leads
        answer = await compared(worlds, caller, 1000 + tally.total(), request)
        tally[answer.status_code] += 1
        following = re.search(rb'"relation":"next","url":"([^"]+)"', answer.content)
        if following is None:
            break
        address = urlsplit(following[1].decode())
        where = f"{address.path.removeprefix('/fhir/')}?{address.query}"
        request = {"method": "GET", "url": where}

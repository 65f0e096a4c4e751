"""Headers that every answer has, and those of some."""

from __future__ import annotations

import re

import pytest

from tests.http.answers import comparable, made, refused
from tests.http.resources import BASE, bundle, patient

ADDRESSES = [
    ("GET", "Patient"), ("GET", "Patient/1"), ("HEAD", "Patient/1"), ("GET", "Nothing"),
    ("GET", "Patient/1/_history"), ("GET", "_history"), ("GET", ""), ("POST", ""),
    ("POST", "Patient"), ("PUT", "Patient/1"), ("PATCH", "Patient/1"), ("DELETE", "Patient/1"),
    ("DELETE", "AuditEvent/1"), ("POST", "metadata"), ("POST", "Patient/_search"),
    ("GET", "Patient?_format=xml"), ("GET", "Patient?_summary=x"), ("GET", "Patient/$nothing"),
    ("POST", "Patient/1/$validate"), ("GET", "a/b/c/d"), ("GET", "Patient/%00"),
]  # fmt: skip


async def test_without_a_token_everything_is_answered_alike(client, ehr):
    """Neither what is stored nor what is served can be told apart."""
    where = made(await ehr.post("Patient", json=patient()))
    answers = []
    for method, address in [*ADDRESSES, ("GET", where)]:
        for headers in ({}, {"Accept": "application/fhir+xml"}, {"Content-Type": "text/plain"}):
            answer = await client.request(
                method,
                f"{BASE}/{address}",
                headers=headers,
                content=b"{" if "P" in method else None,
            )
            if method != "HEAD":
                refused(answer, 401, "login")
                answers.append(comparable(answer))
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert all(answer == answers[0] for answer in answers)


async def test_a_token_that_does_not_open_it_is_told_so_in_the_header_too(clinic):
    """RFC 6750 section 3."""
    reader = await clinic.as_client("system/Patient.rs", name="Reader")
    for method, address in (("GET", "Observation"), ("POST", "Patient"), ("DELETE", "Patient/a")):
        answer = await reader.request(method, address, json=patient() if method == "POST" else None)
        refused(answer, 403, "forbidden")
        challenge = answer.headers["WWW-Authenticate"]
        assert challenge == 'Bearer realm="rapport", error="insufficient_scope"'


@pytest.mark.parametrize(
    "token", [b"x", b"a.b.c", b"", b"eyJhbGciOiJub25lIn0.e30.", b"\xc3\xa9", b"a b"]
)
async def test_a_bad_token_is_none(client, token):
    answer = await client.get(f"{BASE}/Patient", headers={"Authorization": b"Bearer " + token})
    refused(answer, 401)
    assert "Bearer" in answer.headers["WWW-Authenticate"]
    basic = await client.get(f"{BASE}/Patient", headers={"Authorization": "Basic YTpi"})
    refused(basic, 401)


async def test_the_request_s_id_comes_back(ehr, client):
    for given in ("a", "0b4a4d4e-5d3f-4b60-9a77-0a8f9d1f2a3b", "A-b.c_d~e", "x" * 64):
        for http, address in ((ehr, "Patient/none"), (client, f"{BASE}/Patient")):
            answer = await http.get(address, headers={"X-Request-Id": given})
            assert answer.headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", [None, "", "x" * 65, "a b", "a\tb", "<script>", "a;b", "a/b"])
async def test_an_id_that_is_none_is_replaced(ehr, given):
    headers = {} if given is None else {"X-Request-Id": given}
    one, other = [
        (await ehr.get("Patient/none", headers=headers)).headers["X-Request-Id"] for _ in range(2)
    ]
    assert re.fullmatch(r"[0-9a-f-]{36}", one)
    assert one != other


async def test_the_log_tells_the_request_by_its_id(clinic):
    id = "request-of-this-test"
    where = made(await clinic.http.post("Patient", json=patient(), headers={"X-Request-Id": id}))
    auditor = await clinic.as_client("system/AuditEvent.rs", role="auditor")
    events = (await auditor.get("AuditEvent", params={"subtype": "create"})).json()["entry"]
    (event,) = [one["resource"] for one in events if where in str(one["resource"]["entity"])]
    assert id in str(event["entity"])


async def test_every_answer_keeps_to_itself(ehr, client):
    for http, address in (
        (ehr, "Patient"), (ehr, "Patient/none"), (client, f"{BASE}/Patient"),
        (client, f"{BASE}/metadata"), (client, "/nothing"), (client, f"{BASE}/" + "x" * 20_000),
    ):  # fmt: skip
        headers = (await http.get(address)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "no-store" in headers["Cache-Control"]
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Strict-Transport-Security"].startswith("max-age=31536000")
        assert "Server" not in headers


@pytest.mark.parametrize(
    "method, address, allowed",
    [
        ("DELETE", "AuditEvent/1", {"GET"}),
        ("POST", "AuditEvent", {"GET"}),
        ("PUT", "StructureDefinition/1", {"GET"}),
        ("DELETE", "Patient/1/_history", {"GET"}),
        ("POST", "Patient/1", {"GET", "PUT", "PATCH", "DELETE"}),
        ("PUT", "_history", {"GET"}),
        ("GET", "_search", {"POST"}),
        ("PUT", "", {"GET", "POST"}),
        ("POST", "metadata", {"GET"}),
        ("GET", "Patient/$validate", {"POST"}),
        ("DELETE", "Patient/$validate", {"GET", "POST"}),
    ],
)
async def test_a_method_that_is_not_allowed_is_told_which_are(ehr, method, address, allowed):
    answer = await ehr.request(method, address)
    refused(answer, 405, "not-supported")
    assert set(answer.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT", "PROPFIND", "LINK"])
async def test_other_methods_are_none(ehr, method):
    answer = await ehr.request(method, "Patient/1")
    assert answer.status_code in (400, 401, 405), answer.text
    assert "Patient" not in answer.text


async def test_a_method_in_a_header_is_no_method(ehr):
    where = made(await ehr.post("Patient", json=patient()))
    for name in ("X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"):
        await ehr.get(where, headers={name: "DELETE"})
        await ehr.post("Patient/_search", headers={name: "DELETE"})
    assert (await ehr.get(where)).status_code == 200


async def test_links_are_of_the_public_address(ehr):
    """Whatever port or forwarded host the request names."""
    answer = await ehr.post(
        "Patient",
        json=patient("Hosted"),
        headers={"Host": "rapport.test:8443", "X-Forwarded-Host": "evil.example.org"},
    )
    assert answer.headers["Location"].startswith(f"{BASE}/Patient/")
    found = await ehr.get("Patient?family=Hosted&_count=1", headers={"Host": "RAPPORT.test:1"})
    assert "evil" not in found.text
    assert ":1/" not in found.text
    assert found.json()["entry"][0]["fullUrl"].startswith(f"{BASE}/Patient/")


async def test_the_base_answers_without_redirect(ehr):
    for address in (BASE, f"{BASE}/"):
        assert (await ehr.post(address, json=bundle("batch"))).status_code == 200
        assert (await ehr.get(f"{address}?_type=Patient&_count=0")).status_code == 200


async def test_a_date_of_change_is_a_date(ehr):
    answer = await ehr.post("Patient", json=patient())
    assert re.fullmatch(
        r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT",
        answer.headers["Last-Modified"],
    )

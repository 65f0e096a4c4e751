"""Bundles carry stored text untouched and nothing that R4 forbids."""

from __future__ import annotations

import pytest

from app.fhir import json
from app.fhir.bundles import Entry, Request, Response, bundle
from app.fhir.outcome import operation_outcome

STORED = b'{ "resourceType":"Patient" , "id":"1","multipleBirthInteger":1.50 }'


def test_a_searchset_carries_stored_bytes() -> None:
    text = bundle(
        "searchset",
        [Entry(STORED, full_url="https://x/fhir/Patient/1", search="match")],
        id="b",
        timestamp="2026-11-25T20:00:00.000Z",
        total=1,
        links={"self": "https://x/fhir/Patient", "next": "https://x/fhir/Patient?_cursor=a"},
    )
    assert STORED in text
    tree = json.parse_resource(text)
    tree["entry"][0].pop("resource")
    assert tree == {
        "resourceType": "Bundle",
        "id": "b",
        "type": "searchset",
        "timestamp": "2026-11-25T20:00:00.000Z",
        "total": 1,
        "link": [
            {"relation": "self", "url": "https://x/fhir/Patient"},
            {"relation": "next", "url": "https://x/fhir/Patient?_cursor=a"},
        ],
        "entry": [{"fullUrl": "https://x/fhir/Patient/1", "search": {"mode": "match"}}],
    }


def test_an_empty_searchset_has_a_total_and_no_empty_array() -> None:
    assert bundle("searchset", total=0) == b'{"resourceType":"Bundle","type":"searchset","total":0}'


def test_a_history_names_request_and_response_of_a_delete() -> None:
    entry = Entry(
        full_url="https://x/fhir/Patient/1",
        request=Request("DELETE", "Patient/1"),
        response=Response("204 No Content", etag='W/"3"', last_modified="2026-01-01T00:00:00.000Z"),
    )
    assert json.parse_resource(bundle("history", [entry], total=1))["entry"] == [
        {
            "fullUrl": "https://x/fhir/Patient/1",
            "request": {"method": "DELETE", "url": "Patient/1"},
            "response": {
                "status": "204 No Content",
                "etag": 'W/"3"',
                "lastModified": "2026-01-01T00:00:00.000Z",
            },
        }
    ]


def test_a_transaction_response() -> None:
    response = Response("201 Created", location="Patient/1/_history/1", outcome=operation_outcome())
    tree = json.parse_resource(bundle("transaction-response", [Entry(response=response)]))
    assert tree["entry"][0]["response"] == {
        "status": "201 Created",
        "location": "Patient/1/_history/1",
        "outcome": operation_outcome(),
    }
    assert "total" not in tree


def labelled(*codes: str, **more: object) -> bytes:
    """A resource as it is stored, with these security labels."""
    systems = dict.fromkeys("ULMNRV", "v3-Confidentiality")
    security = [
        {"system": f"http://terminology.hl7.org/CodeSystem/{systems.get(code, 'v3-ActCode')}"}
        | more
        | {"code": code}
        for code in codes
    ]
    return json.dumps({"resourceType": "Basic", "id": "1", "meta": {"security": security}})


def marked(*stored: bytes) -> list[str]:
    tree = json.parse_resource(bundle("searchset", [Entry(each) for each in stored]))
    return [each["code"] for each in tree.get("meta", {}).get("security", ())]


def test_e4_a_bundle_is_labelled_as_high_as_what_is_in_it() -> None:
    entries = [labelled("N"), labelled("R", "SEX", "BH"), labelled("V", "PSYTHPN")]
    assert marked(*entries) == ["V", "BH", "PSYTHPN", "SEX"]
    masked = labelled("R", "MASK", "NODSCLCD", "SEX")
    assert marked(labelled("N"), masked) == ["R", "SEX"]
    assert marked(STORED) == []


@pytest.mark.parametrize("more", [{"display": "a ] b"}, {"extension": [{"url": "x"}]}])
def test_a_label_is_read_whatever_a_client_wrote_about_it(more: dict[str, object]) -> None:
    assert marked(labelled("N"), labelled("V", "SDV", **more)) == ["V", "SDV"]


def test_a_class_that_shares_the_system_is_no_label() -> None:
    act = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
    stored = json.dumps({"resourceType": "Encounter", "class": act})
    assert marked(stored, labelled("N", "AMB")) == ["N"]

"""An audit record becomes an R4 AuditEvent in the shapes of BALP, and commits to it."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from hypothesis import given
from hypothesis import strategies as st

from app.fhir.audit.event import SALT_EXTENSION, canonical, commitment, render
from app.fhir.audit.record import AuditRecord, event_id, event_key, leaf
from tests.support.audit_records import a_record, a_system_record, every_kind

BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
DCM = "http://dicom.nema.org/resources/ontology/DCM"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"


def agent(event: dict[str, Any], code: str) -> dict[str, Any]:
    [found] = [each for each in event["agent"] if each["type"]["coding"][0]["code"] == code]
    return found


def entities(event: dict[str, Any], code: str) -> list[dict[str, Any]]:
    return [each for each in event["entity"] if each["type"]["code"] == code]


@pytest.mark.parametrize("record", every_kind(), ids=lambda r: f"{r.event}-{r.role}")
def test_every_kind_is_a_valid_audit_event(record: AuditRecord):
    AuditEvent.model_validate(render(record))


@pytest.mark.parametrize("record", every_kind(), ids=lambda r: f"{r.event}-{r.role}")
def test_what_no_model_checks_holds(record: AuditRecord):
    event = render(record)
    assert any(each["requestor"] for each in event["agent"]) or event["subtype"][0]["system"]
    for each in event.get("entity", []):
        assert not ("name" in each and "query" in each), "sev-1"
    text = json.dumps(event)
    assert '""' not in text
    assert "[]" not in text
    assert "{}" not in text
    assert "null" not in text


# What BALP fixes: profile, action, and the types of the client's, server's and user's agent.
SHAPES = [
    ("read", "Read", "R", "110152", "110153", "IRCP"),
    ("vread", "Read", "R", "110152", "110153", "IRCP"),
    ("create", "Create", "C", "110153", "110152", "AUT"),
    ("update", "Update", "U", "110153", "110152", "AUT"),
    ("patch", "Update", "U", "110153", "110152", "AUT"),
    ("delete", "Delete", "D", "110150", "custodian", "AUT"),
    ("search-type", "Query", "E", "110153", "110152", "IRCP"),
    ("search-system", "Query", "E", "110153", "110152", "IRCP"),
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape[0])
@pytest.mark.parametrize("patient", [None, "p1"])
def test_rest_events_have_the_shape_of_their_profile(shape, patient):
    event, profile, action, client, server, user = shape
    query = "GET /fhir/Observation?x=y" if profile == "Query" else None
    entity = None if query else "Observation/o1"
    rendered = render(a_record(event=event, patient=patient, query=query, entity=entity))
    assert rendered["meta"]["profile"][0] == f"{BALP}{'Patient' if patient else ''}{profile}"
    assert rendered["action"] == action
    assert rendered["outcome"] == "0"
    assert rendered["type"]["code"] == "rest"
    assert rendered["subtype"] == [
        {"system": "http://hl7.org/fhir/restful-interaction", "code": event, "display": event}
    ]
    for code in (client, server):
        machine = agent(rendered, code)
        assert machine["who"]
        assert machine["network"]["address"]
        assert machine["network"]["type"] == ("2" if code == client else "5")
        assert not machine["requestor"]
    person = agent(rendered, user)
    assert person["requestor"]
    assert person["who"]["reference"] == "Practitioner/pr1"
    assert person["name"] == "Thea Rapist"
    assert person["purposeOfUse"][0]["coding"][0]["code"] == "TREAT"
    assert "network" not in person
    [data] = entities(rendered, "2")
    assert data["role"]["code"] == ("24" if query else "4")
    assert [each["what"]["reference"] for each in entities(rendered, "1")] == (
        [f"Patient/{patient}"] if patient else []
    )
    [transaction] = entities(rendered, "XrequestId")
    assert transaction["what"]["identifier"]["value"] == "request-1"


def test_write_names_the_version_it_made():
    [data] = entities(render(a_record(event="update")), "2")
    assert data["what"]["reference"] == "Observation/o1/_history/3"


def test_query_is_the_raw_request_and_nothing_else():
    raw = "GET /fhir/Patient?name=Ann%20é&_count=5"
    [query] = entities(render(a_record(event="search-type", query=raw, entity=None)), "2")
    assert base64.b64decode(query["query"]).decode() == raw
    assert not {"what", "name", "detail", "description"} & query.keys()


def test_delete_keeps_the_token_out_of_the_agents_that_its_profile_closes():
    event = render(a_record(event="delete"))
    assert event["meta"]["profile"][1] == f"{BALP}OAUTHaccessTokenUse.Minimal"
    assert "policy" not in agent(event, "110150")
    assert "policy" not in agent(event, "AUT")
    assert agent(event, "UserOauthAgent")["policy"] == ["urn:ietf:params:oauth:jti:jti-1"]


@pytest.mark.parametrize("event", ["read", "search-type", "create", "update"])
def test_application_and_person_are_known_by_their_token(event):
    query = "GET /fhir/Observation" if event == "search-type" else None
    rendered = render(a_record(event=event, query=query))
    assert f"{BALP}OAUTHaccessTokenUse.Comprehensive" in rendered["meta"]["profile"]
    assert agent(rendered, "110150")["who"]["identifier"]["value"] == "dashboard"
    person = rendered["agent"][-1]
    assert person["who"]["identifier"] == {"system": "https://rapport.test", "value": "user-1"}
    assert person["policy"] == ["urn:ietf:params:oauth:jti:jti-1"]


def test_system_acts_for_itself():
    rendered = render(a_system_record())
    assert [each["requestor"] for each in rendered["agent"]] == [False, False, True]
    assert rendered["agent"][0]["who"]["reference"] == "Organization/org1"
    application = agent(rendered, "110150")
    assert application["requestor"]
    assert application["policy"] == ["urn:ietf:params:oauth:jti:jti-1"]
    assert application["purposeOfUse"][0]["coding"][0]["code"] == "TREAT"


@pytest.mark.parametrize("outcome", ["4", "8", "12"])
def test_failure_claims_no_profile_and_says_why(outcome):
    rendered = render(a_record(outcome=outcome, reason="forbidden"))
    assert "profile" not in rendered["meta"]
    assert rendered["outcomeDesc"] == "not permitted"
    [why] = entities(rendered, "OperationOutcome")
    assert why["detail"] == [{"type": "code", "valueString": "forbidden"}]


def test_consent_decision_has_only_what_its_profile_allows():
    [record] = [each for each in every_kind() if each.event == "consent-decision" and each.name]
    rendered = render(record)
    assert rendered["meta"]["profile"] == [f"{BALP}AuthZconsent"]
    assert [each["type"]["code"] for each in rendered["entity"]] == [
        "1",
        "Consent",
        "UserOauthAgent",
    ]
    assert agent(rendered, "PROV")["who"] == {"reference": "Organization/org1"}
    assert "network" not in agent(rendered, "authserver")
    assert agent(rendered, "IRCP")["requestor"]


def test_access_under_a_consent_names_it_and_its_rule():
    rendered = render(
        a_record(
            basis="consent",
            consent="Consent/c1",
            consent_version=2,
            provision="Consent.provision.provision[1]",
        )
    )
    [consent] = entities(rendered, "Consent")
    assert consent["what"]["reference"] == "Consent/c1/_history/2"
    assert {each["type"]: each["valueString"] for each in consent["detail"]} == {
        "decision": "permit",
        "basis": "consent",
        "provision": "Consent.provision.provision[1]",
    }


def test_salt_comes_with_the_event_and_is_not_part_of_what_it_opens():
    record = a_record()
    event = render(record)
    [extension] = event.pop("extension")
    assert extension["url"] == SALT_EXTENSION
    salt = base64.b64decode(extension["valueBase64Binary"])
    # Any JSON library makes the canonical bytes: names sorted, no white space, UTF-8.
    text = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert text.encode() == canonical(record)
    assert hashlib.sha256(salt + text.encode()).digest() == commitment(record)


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


@given(texts, texts, texts)
def test_canonical_text_is_the_same_in_another_json(name, role, query):
    record = a_record(name=name, role=role, event="search-type", query=query)
    event = render(record)
    del event["extension"]
    text = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert text.encode() == canonical(record)


def test_leaf_tells_when_and_nothing_of_whom():
    record = a_record()
    text = leaf(record.recorded, record.aid, commitment(record))
    assert json.loads(text).keys() == {"commitment", "id", "recorded"}
    assert json.loads(text)["id"] == render(record)["id"]
    assert json.loads(text)["recorded"] == render(record)["recorded"]
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")).encode()


@given(st.integers(0, 10**13 - 2), st.integers(0, 2**63 - 1))
def test_id_holds_its_key_and_sorts_by_it(millis, aid):
    id = event_id(millis * 1000, aid)
    assert event_key(id) == (millis * 1000, aid)
    assert event_id(millis * 1000 + 1000, 0) > id


@given(st.text(max_size=40))
def test_what_is_no_id_has_no_key(text):
    key = event_key(text)
    assert key is None or event_id(*key) == text


FIRST_FORM = json.loads(Path(__file__).with_name("audit_form_1.json").read_text())


# The tree commits to these bytes. If this fails, records already in a log no longer open: make
# a new form beside the first instead of changing it.
@pytest.mark.parametrize("name", FIRST_FORM)
def test_first_form_never_changes(name):
    [record] = [each for each in every_kind() if f"{each.event} by {each.client}" == name]
    text = canonical(replace(record, aid=1))
    assert hashlib.sha256(text).hexdigest() == FIRST_FORM[name], text.decode()

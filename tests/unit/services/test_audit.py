"""Facts become records: one for each patient, nothing that could forge a line."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import AppError, Category
from app.fhir.audit import codes
from app.fhir.audit.event import render
from app.fhir.audit.kinds import KINDS
from app.search.found import Member, Whose
from app.security.ports import EventName, SecurityEvent
from app.security.principal import Principal
from app.security.scopes import Scopes
from app.services.audit import HOME, AuditTrail, Grounds, RequestFacts

NOW = 1_800_000_000_000_000


class Still:
    def now(self) -> int:
        return NOW


class Counting:
    def __init__(self) -> None:
        self.count = 0

    def new_id(self) -> str:
        raise AssertionError("an event's id is made of its key")

    def random(self, size: int) -> bytes:
        self.count += 1
        return (self.count << 48).to_bytes(8, "big") * (size // 8)


@pytest.fixture
def trail() -> AuditTrail:
    return AuditTrail(clock=Still(), ids=Counting(), site="https://rapport.test/fhir")


def person(**changes: Any) -> Principal:
    given: dict[str, Any] = {
        "tenant": 1,
        "tenant_slug": "clinic",
        "client_id": "dashboard",
        "subject": "user-1",
        "actor": "Practitioner/pr1",
        "role": "therapist",
        "scopes": Scopes(()),
        "patient": None,
        "purpose": "TREAT",
        "token_id": "jti-1",
        "issuer": "https://rapport.test",
        "name": "Thea",
    }
    return Principal(**(given | changes))


FACTS = RequestFacts("r1", "192.0.2.7", "GET", "/fhir/Observation?subject=Patient/p1")


def test_search_makes_one_record_for_each_patient_found(trail):
    records = trail.success("search-type", person(), FACTS, whose=Whose(("p1", "p2")))
    assert [each.patient for each in records] == ["p1", "p2"]
    assert len({each.id for each in records}) == len({each.salt for each in records}) == 2
    assert {each.request for each in records} == {"r1"}
    assert {each.query for each in records} == {"GET /fhir/Observation?subject=Patient/p1"}


def test_search_that_found_a_couples_names_it_to_each_but_not_to_who_is_named_alone(trail):
    found = Whose(("p1",), (Member("p1", "Group/g1"), Member("p2", "Group/g1")))
    records = trail.success("search-type", person(), FACTS, whose=found)
    assert [(each.patient, each.entity) for each in records] == [("p1", None), ("p2", "Group/g1")]
    [_, couple] = [render(each) for each in records]
    [named] = [each["what"] for each in couple["entity"] if each.get("role") == codes.DATA]
    assert named == {"reference": "Group/g1"}
    assert couple["meta"]["profile"][0].endswith("PatientQuery")


def test_what_a_client_looked_at_is_not_told_to_their_partner(trail):
    pair = Whose((), (Member("p1", "Group/g1"), Member("p2", "Group/g1")))
    caller = person(actor="Patient/p1", role="client")
    [record] = trail.success("read", caller, FACTS, entity="Goal/x", version=1, whose=pair)
    assert (record.patient, record.entity) == ("p1", "Goal/x")


def test_search_that_found_nobody_is_recorded_too(trail):
    [record] = trail.success("search-type", person(), FACTS)
    assert record.patient is None
    assert record.query


def test_form_of_a_posted_search_is_part_of_the_query(trail):
    facts = RequestFacts("r1", None, "POST", "/fhir/Observation/_search", "code=x%7Cy")
    [record] = trail.success("search-type", person(), facts)
    assert record.query == "POST /fhir/Observation/_search\n\ncode=x%7Cy"


def test_read_names_what_was_read_and_why_it_was_allowed(trail):
    grounds = Grounds(
        "consent", consent="Consent/c1", consent_version=4, provision="Consent.provision"
    )
    [record] = trail.success(
        "read", person(), FACTS, entity="Goal/g1", version=2, whose=Whose(("p1",)), grounds=grounds
    )
    assert (record.entity, record.entity_version, record.query) == ("Goal/g1", 2, None)
    assert (record.decision, record.basis, record.consent) == ("permit", "consent", "Consent/c1")
    assert "Consent.provision" in str(render(record))


@pytest.mark.parametrize(
    "category, outcome",
    [
        (Category.FORBIDDEN, "8"),
        (Category.NOT_FOUND, "4"),
        (Category.INVALID, "4"),
        (Category.FAULT, "12"),
        (Category.UNAVAILABLE, "12"),
    ],
)
def test_failure_keeps_its_weight_and_its_code(trail, category, outcome):
    error = AppError.of(category, "some-code", "diagnostics stay out")
    [record] = trail.failure("read", person(), FACTS, error=error, entity="Patient/p9")
    assert (record.outcome, record.reason) == (outcome, "some-code")
    assert (record.entity, record.patient) == ("Patient/p9", "p9")
    assert "diagnostics" not in str(render(record))


@pytest.mark.parametrize("entity", ["Patient/../x", "Patient/a b", "<script>/1", "Patient/", None])
def test_what_is_no_reference_stays_in_the_query(trail, entity):
    error = AppError.of(Category.NOT_FOUND, "not-found", "")
    [record] = trail.failure("read", person(), FACTS, error=error, entity=entity)
    assert record.entity is None
    assert record.query == "GET /fhir/Observation?subject=Patient/p1"


def test_nobody_knows_whose_an_unauthenticated_request_is(trail):
    record = trail.unauthenticated(address="192.0.2.66", reason="expired", count=12)
    assert (record.tenant, record.query, record.entity) == (HOME, None, None)
    assert '"count":"12"' in str(record.detail)


@pytest.mark.parametrize("name", EventName)
@pytest.mark.parametrize("outcome", ["success", "refused"])
def test_every_event_at_the_door_has_a_kind(trail, name, outcome):
    event = SecurityEvent(name, NOW, outcome, tenant=1, client_id="c", subject="s", reason="why")
    record = trail.security(event)
    assert record.event in KINDS
    assert record.outcome == ("0" if outcome == "success" else "8")
    assert render(record)["recorded"] == "2027-01-15T08:00:00.000Z"


@given(
    st.text(min_size=1).filter(
        lambda text: not text.isprintable() or any(c in text for c in "\r\n\x1b\u2028")
    )
)
def test_no_text_of_a_caller_forges_a_line(text):
    trail = AuditTrail(clock=Still(), ids=Counting(), site="https://rapport.test/fhir")
    facts = RequestFacts(text, text, "GET", text)
    for record in (
        *trail.success("search-type", person(name=text), facts),
        *trail.success("read", person(), facts, entity="Patient/p1"),
        trail.internal("alert", tenant=1, name=text, detail={"rule": text}),
    ):
        shown = render(record)
        for each in strings(shown):
            assert each.isprintable()
        for entity in shown.get("entity", []):
            assert base64.b64decode(entity.get("query", "")).decode().isprintable()


def strings(node: Any):
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from strings(value)

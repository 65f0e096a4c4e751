"""The example Consents of IHE PCF decide as the guide says they do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.consent import Data, Outcome, Policy, Request, decide, members, read
from app.fhir.primitives import date_range
from tests.support.consents import consent
from tests.support.pcf import EXAMPLES, FOOBAR, PRIVILEGED, RESEARCHER

BASE = "https://rapport.test/fhir"
NOW = date_range("2022-07-01T12:00:00Z")[0]
PERMIT, DENY, SILENT = Outcome.PERMIT, Outcome.DENY, Outcome.SILENT


def policy(name: str) -> Policy:
    found = read(consent("patient", EXAMPLES[name]), id=name, version=1, base=BASE)
    assert isinstance(found, Policy), found
    return found


def asks(who: str = "Practitioner/clerk", purpose: str = "TREAT", now: int = NOW) -> Request:
    mine = [
        each.owner for each in members(PRIVILEGED, id="privileged", base=BASE) if each.member == who
    ]
    return Request(who, frozenset(mine), "r", purpose, now)


WEIGHT = Data(
    "Observation/weight",
    rank=3,
    refers=frozenset({"Encounter/encounter", "Patient/patient"}),
    authors=frozenset({"Practitioner/author"}),
    period=date_range("2004-12-25T23:50:50-05:00"),
    is_dated=True,
)
ALCOHOL = replace(
    WEIGHT,
    reference="Observation/alcohol",
    rank=4,
    sensitivities=frozenset({"ETHUD"}),
    period=date_range("2022-06-13"),
)
ENCOUNTER = Data("Encounter/encounter", rank=3, refers=frozenset({"Patient/patient"}))
PSY = replace(WEIGHT, reference="Observation/psy", rank=4, sensitivities=frozenset({"PSY"}))
SDV = replace(WEIGHT, reference="Observation/sdv", rank=4, sensitivities=frozenset({"SDV"}))
ELSEWHERE = replace(WEIGHT, reference="Observation/elsewhere", refers=frozenset())
BY_PRACTITIONER = replace(WEIGHT, authors=frozenset({"Practitioner/privileged"}))
CLERK, PRACTITIONER = asks(), asks("Practitioner/privileged")
RESEARCH = asks(purpose="HRESCH")


@pytest.mark.parametrize(
    "name, expected",
    [
        (
            "basic-treat",
            [
                (CLERK, WEIGHT, PERMIT),
                (asks(purpose="HPAYMT"), WEIGHT, PERMIT),
                (asks(purpose="HOPERAT"), ALCOHOL, PERMIT),
                (RESEARCH, WEIGHT, SILENT),
            ],
        ),
        ("basic-ink", [(CLERK, WEIGHT, PERMIT), (RESEARCH, WEIGHT, SILENT)]),
        ("basic-treat-infant", [(CLERK, WEIGHT, PERMIT), (RESEARCH, WEIGHT, SILENT)]),
        (
            "basic-reject",
            [(CLERK, WEIGHT, DENY), (PRACTITIONER, ALCOHOL, DENY), (RESEARCH, WEIGHT, SILENT)],
        ),
        ("basic-research", [(RESEARCH, WEIGHT, PERMIT), (CLERK, WEIGHT, SILENT)]),
        (
            "expired-treat",
            [
                (CLERK, WEIGHT, PERMIT),
                (asks(now=date_range("2022-12-31")[1] - 1), WEIGHT, PERMIT),
                (asks(now=date_range("2022-12-31")[1]), WEIGHT, SILENT),
            ],
        ),
        (
            "intermediate-authoredby",
            [(CLERK, BY_PRACTITIONER, PERMIT), (CLERK, WEIGHT, DENY)],
        ),
        (
            "intermediate-not-authoredby",
            [(CLERK, BY_PRACTITIONER, DENY), (CLERK, WEIGHT, PERMIT)],
        ),
        (
            "intermediate-data",
            [
                (CLERK, WEIGHT, PERMIT),
                (CLERK, ENCOUNTER, PERMIT),
                (CLERK, ALCOHOL, PERMIT),
                (CLERK, ELSEWHERE, DENY),
            ],
        ),
        ("intermediate-not-data", [(CLERK, ALCOHOL, DENY), (CLERK, WEIGHT, PERMIT)]),
        (
            "intermediate-encounter",
            [(CLERK, WEIGHT, PERMIT), (CLERK, ENCOUNTER, PERMIT), (CLERK, ELSEWHERE, DENY)],
        ),
        (
            "intermediate-not-encounter",
            [(CLERK, WEIGHT, DENY), (CLERK, ENCOUNTER, DENY), (CLERK, ELSEWHERE, PERMIT)],
        ),
        ("intermediate-timeframe", [(CLERK, ALCOHOL, PERMIT), (CLERK, WEIGHT, DENY)]),
        ("intermediate-not-timeframe", [(CLERK, ALCOHOL, DENY), (CLERK, WEIGHT, PERMIT)]),
        (
            "intermediate-purpose",
            [
                (
                    asks(RESEARCHER, FOOBAR),
                    WEIGHT,
                    PERMIT,
                ),
                (asks(RESEARCHER), WEIGHT, SILENT),
                (asks(purpose=FOOBAR), WEIGHT, SILENT),
            ],
        ),
        (
            "dissent-break-glass",
            [
                (CLERK, WEIGHT, DENY),
                (PRACTITIONER, WEIGHT, DENY),
                (replace(PRACTITIONER, broken_glass=True), WEIGHT, PERMIT),
                (asks("Practitioner/privileged", "BTG"), ALCOHOL, PERMIT),
                (replace(CLERK, broken_glass=True), WEIGHT, DENY),
            ],
        ),
        (
            "advanced-normal",
            [(CLERK, WEIGHT, PERMIT), (CLERK, ALCOHOL, DENY), (CLERK, PSY, DENY)],
        ),
        ("advanced-normal-restricted", [(CLERK, WEIGHT, PERMIT), (CLERK, ALCOHOL, PERMIT)]),
        (
            "advanced-normal-not-restricted",
            [(CLERK, WEIGHT, PERMIT), (CLERK, ALCOHOL, DENY)],
        ),
        (
            "advanced-normal-focused-restricted",
            [
                (CLERK, WEIGHT, PERMIT),
                (CLERK, ALCOHOL, DENY),
                (PRACTITIONER, ALCOHOL, PERMIT),
                (replace(PRACTITIONER, purpose="HRESCH"), ALCOHOL, SILENT),
            ],
        ),
        (
            "advanced-normal-focused-psy",
            [
                (CLERK, WEIGHT, PERMIT),
                (CLERK, PSY, DENY),
                (PRACTITIONER, PSY, PERMIT),
                (PRACTITIONER, SDV, DENY),
            ],
        ),
        (
            "advanced-normal-focused-psy-or-sdv",
            [
                (CLERK, WEIGHT, PERMIT),
                (CLERK, SDV, DENY),
                (PRACTITIONER, PSY, PERMIT),
                (PRACTITIONER, SDV, PERMIT),
                (PRACTITIONER, ALCOHOL, DENY),
            ],
        ),
        (
            "advanced-normal-break-glass-restricted",
            [
                (CLERK, WEIGHT, PERMIT),
                (PRACTITIONER, ALCOHOL, DENY),
                (replace(PRACTITIONER, broken_glass=True), ALCOHOL, PERMIT),
                (replace(CLERK, broken_glass=True), ALCOHOL, DENY),
            ],
        ),
    ],
)
def test_decides_as_the_guide_says(
    name: str, expected: list[tuple[Request, Data, Outcome]]
) -> None:
    for request, resource, outcome in expected:
        assert decide([policy(name)], request, resource).outcome == outcome, (request, resource)


def test_no_example_is_left_out() -> None:
    (mark,) = test_decides_as_the_guide_says.pytestmark  # type: ignore[attr-defined]
    assert [name for name, _ in mark.args[1]] == list(EXAMPLES)

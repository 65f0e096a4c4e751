"""Reading a Consent, weighing its rules, and several Consents together."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.consent import (
    Data,
    Outcome,
    Policy,
    Request,
    Uncomputable,
    decide,
    members,
    read,
)
from app.fhir.primitives import date_range

BASE = "https://rapport.test/fhir"
SENSITIVITY = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
NOW = date_range("2026-01-02")[0]
REQUEST = Request("Practitioner/t", frozenset({"CareTeam/team"}), "r", "TREAT", NOW)
SCORE = Data("Observation/o", 4, codes=frozenset({"http://s|bond"}), is_dated=True)
NOTE = Data("DocumentReference/n", 5, frozenset({"PSYTHPN"}))


def consent(provision: Any, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Consent",
        "status": "active",
        "patient": {"reference": "Patient/p"},
        "provision": provision,
        **more,
    }


def policy(provision: Any, id: str = "c") -> Policy:
    found = read(consent(provision), id=id, version=1, base=BASE)
    assert isinstance(found, Policy), found
    return found


def actor(reference: str) -> dict[str, Any]:
    return {"role": {"coding": [{"code": "IRCP"}]}, "reference": {"reference": reference}}


def label(*codes: str) -> list[dict[str, str]]:
    return [
        {"system": CONFIDENTIALITY if len(code) == 1 else SENSITIVITY, "code": code}
        for code in codes
    ]


def purpose(code: str) -> list[dict[str, str]]:
    return [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": code}]


@pytest.mark.parametrize(
    "tree, where",
    [
        (consent({}), "Consent.provision.type"),
        (consent(None), "Consent.provision"),
        ({"resourceType": "Consent", "provision": {"type": "deny"}}, "Consent.patient"),
        (
            consent({"type": "permit", "provision": [{"actor": []}]}),
            "Consent.provision.provision[0].type",
        ),
        (
            consent(
                {
                    "type": "permit",
                    "provision": [{"type": "deny", "provision": [{"type": "permit"}]}],
                }
            ),
            "Consent.provision.provision[0]",
        ),
        (consent({"type": "deny", "modifierExtension": []}), "Consent.provision.modifierExtension"),
        (consent({"type": "deny", "extension": []}), "Consent.provision.extension"),
        (
            consent({"type": "permit", "action": [{"coding": [{"code": "gaze"}]}]}),
            "Consent.provision.action",
        ),
        (
            consent({"type": "permit", "securityLabel": [{"code": "R"}]}),
            "Consent.provision.securityLabel",
        ),
        (
            consent({"type": "permit", "actor": [actor("https://elsewhere.example/Patient/p")]}),
            "Consent.provision.actor.reference",
        ),
        (
            consent({"type": "permit", "code": [{"text": "everything"}]}),
            "Consent.provision.code",
        ),
        (consent({"type": "deny"}, modifierExtension=[{}]), "Consent.modifierExtension"),
    ],
)
def test_what_cannot_be_computed_says_where(tree: dict[str, Any], where: str) -> None:
    found = read(tree, id="c", version=1, base=BASE)
    assert isinstance(found, Uncomputable)
    assert found.expression == where


def test_the_most_specific_exception_wins() -> None:
    decided = policy(
        {
            "type": "permit",
            "provision": [
                {"type": "deny", "class": [{"code": "Observation"}]},
                {
                    "type": "permit",
                    "class": [{"code": "Observation"}],
                    "actor": [actor("Practitioner/t")],
                },
            ],
        }
    )
    result = decide([decided], REQUEST, SCORE)
    assert result.outcome == Outcome.PERMIT
    assert result.rule
    assert result.rule.path == "provision.provision[1]"


def test_one_person_is_more_specific_than_a_team() -> None:
    def with_types(team: str, person: str) -> Policy:
        return policy(
            {
                "type": "permit",
                "provision": [
                    {"type": team, "actor": [actor("CareTeam/team")]},
                    {"type": person, "actor": [actor("Practitioner/t")]},
                ],
            }
        )

    assert decide([with_types("deny", "permit")], REQUEST, SCORE).outcome == Outcome.PERMIT
    assert decide([with_types("permit", "deny")], REQUEST, SCORE).outcome == Outcome.DENY


def test_of_two_equal_exceptions_the_denial_wins() -> None:
    exceptions = [
        {"type": "permit", "class": [{"code": "Observation"}]},
        {"type": "deny", "code": [{"coding": [{"system": "http://s", "code": "bond"}]}]},
    ]
    for order in (exceptions, exceptions[::-1]):
        decided = policy({"type": "permit", "provision": order})
        assert decide([decided], REQUEST, SCORE).outcome == Outcome.DENY


def test_a_denial_in_one_consent_beats_a_permit_in_another() -> None:
    permits, denies = policy({"type": "permit"}, "a"), policy({"type": "deny"}, "b")
    for order in ([permits, denies], [denies, permits]):
        result = decide(order, REQUEST, SCORE)
        assert result.outcome == Outcome.DENY
        assert result.policy
        assert result.policy.consent == "b"


def test_what_one_consent_leaves_out_another_may_permit() -> None:
    scores = policy({"type": "permit", "class": [{"code": "Observation"}]}, "a")
    goals = policy({"type": "permit", "class": [{"code": "Goal"}]}, "b")
    assert decide([goals], REQUEST, SCORE).outcome == Outcome.DENY
    assert decide([goals, scores], REQUEST, SCORE).outcome == Outcome.PERMIT


def test_an_exception_reaches_no_further_than_its_rule() -> None:
    decided = policy(
        {
            "type": "permit",
            "actor": [actor("Organization/elsewhere")],
            "provision": [{"type": "deny", "securityLabel": label("R")}],
        }
    )
    assert decide([decided], REQUEST, SCORE).outcome == Outcome.SILENT


@pytest.mark.parametrize(
    "nested, opens",
    [
        ({"securityLabel": label("PSYTHPN"), "purpose": purpose("TREAT")}, True),
        ({"securityLabel": label("PSYTHPN")}, False),
        ({"securityLabel": label("V", "SDV"), "purpose": purpose("TREAT")}, False),
        (
            {
                "securityLabel": label("PSYTHPN"),
                "purpose": purpose("TREAT"),
                "actor": [actor("CareTeam/team")],
            },
            False,
        ),
        (
            {
                "securityLabel": label("PSYTHPN"),
                "purpose": purpose("TREAT"),
                "actor": [actor("Practitioner/other")],
            },
            False,
        ),
    ],
)
def test_a_note_opens_to_a_named_person_only(nested: dict[str, Any], opens: bool) -> None:
    exception = {"type": "permit", "actor": [actor("Practitioner/t")], **nested}
    root = {"type": "deny", "provision": [exception]}
    assert (decide([policy(root)], REQUEST, NOTE).outcome == Outcome.PERMIT) is opens


def test_a_root_never_opens_a_note() -> None:
    root = {
        "type": "permit",
        "actor": [actor("Practitioner/t")],
        "purpose": purpose("TREAT"),
        "securityLabel": label("PSYTHPN"),
    }
    assert decide([policy(root)], REQUEST, NOTE).outcome != Outcome.PERMIT


def test_periods_end_with_their_last_moment() -> None:
    decided = policy({"type": "permit", "period": {"start": "2026-01-02", "end": "2026-01-02"}})
    low, high = date_range("2026-01-02")
    at = {
        now: decide([decided], Request("Practitioner/t", frozenset(), "r", "TREAT", now), SCORE)
        for now in (low - 1, low, high - 1, high)
    }
    assert [at[now].outcome for now in sorted(at)] == [
        Outcome.SILENT,
        Outcome.PERMIT,
        Outcome.PERMIT,
        Outcome.SILENT,
    ]


def test_undated_data_of_a_dated_type_are_hidden_by_a_time_frame() -> None:
    frame = {"start": "2020", "end": "2021"}
    assert (
        decide([policy({"type": "permit", "dataPeriod": frame})], REQUEST, SCORE).outcome
        == Outcome.DENY
    )
    denies = policy({"type": "permit", "provision": [{"type": "deny", "dataPeriod": frame}]})
    assert decide([denies], REQUEST, SCORE).outcome == Outcome.DENY


def test_members_leave_with_their_period_and_their_team() -> None:
    team = {
        "resourceType": "CareTeam",
        "status": "active",
        "period": {"start": "2026-01-01"},
        "participant": [
            {"member": {"reference": "Practitioner/t"}, "period": {"end": "2026-01-31"}},
            {"member": {"reference": "Practitioner/u"}, "period": {"start": "2025"}},
        ],
    }
    found = {each.member: (each.since, each.until) for each in members(team, id="team", base=BASE)}
    assert found["Practitioner/t"] == (date_range("2026-01-01")[0], date_range("2026-01-31")[1])
    assert found["Practitioner/u"][0] == date_range("2026-01-01")[0]
    assert members({**team, "status": "inactive"}, id="team", base=BASE) == ()

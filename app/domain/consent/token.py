"""What the Consents of a patient come to for one caller, as IHE PCF puts it with a token.

``extensions.ihe_pcf`` of ITI-71 and ITI-102: the Consents that speak to the caller, and what is
left for whoever serves the data to enforce. https://profiles.ihe.net/ITI/PCF/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from app.core.clock import format_instant
from app.domain.consent.decision import Request, governs
from app.domain.consent.policy import FOREVER, RANKS, Policy, Rule

_SYSTEMS: Final = "http://terminology.hl7.org/CodeSystem"
_LETTERS: Final = {rank: code for code, rank in RANKS.items()}


def speaking(policies: Iterable[Policy], request: Request) -> Sequence[Policy]:
    """Those with a rule that speaks to the caller now."""
    return [each for each in policies if any(governs(rule, request) for rule in each.rules)]


def residual(policies: Iterable[Policy], request: Request) -> Sequence[Mapping[str, Any]]:
    """The rules that bind the caller, where they speak of some of the data or make exceptions."""
    return [
        _entry(rule)
        for policy in policies
        for rule in policy.rules
        if governs(rule, request) and (rule.is_partial or rule.weight or not rule.permit)
    ]


def _entry(rule: Rule) -> Mapping[str, Any]:
    entry: dict[str, Any] = {"type": "permit" if rule.permit else "forbid"}
    if rule.labels is not None:
        rank, sensitivities = rule.labels.rank, sorted(rule.labels.sensitivities)
        codes = [("v3-Confidentiality", _LETTERS[rank])] if rank is not None else []
        codes += [("v3-ActCode", code) for code in sensitivities]
        entry["securityLabel"] = [
            {"system": f"{_SYSTEMS}/{system}", "code": code} for system, code in codes
        ]
    if rule.data_period is not None:
        start, end = rule.data_period
        entry["dataPeriod"] = {
            **({"start": format_instant(start)} if start > FOREVER[0] else {}),
            **({"end": format_instant(end - 1)} if end < FOREVER[1] else {}),
        }
    if rule.data:
        entry["data"] = [
            {"meaning": meaning, "reference": {"reference": reference}}
            for meaning, reference in sorted(rule.data)
        ]
    return entry

"""Invariants of the people, the care, and the records of both."""

from __future__ import annotations

from collections.abc import Mapping

from app.fhir.invariants.rule import (
    Rule,
    at_most_one,
    chosen,
    each,
    exists,
    has_code,
    needs,
    not_later,
    some,
)
from app.fhir.json import Tree
from app.fhir.references import parse

_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
_VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/condition-category"
_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"


def _entered_in_error(condition: Tree) -> bool:
    codes = ("entered-in-error",)
    return has_code(condition, "verificationStatus", system=_VERIFICATION, codes=codes)


def _problem_has_status(condition: Tree) -> bool:
    return (
        exists(condition, "clinicalStatus")
        or _entered_in_error(condition)
        or not has_code(condition, "category", system=_CATEGORY, codes=("problem-list-item",))
    )


def _abated(condition: Tree) -> bool:
    codes = ("resolved", "remission", "inactive")
    return chosen(condition, "abatement") is None or has_code(
        condition, "clinicalStatus", system=_CLINICAL, codes=codes
    )


def _patient_for(scope: str) -> Rule:
    # The published expressions look for the system 'something'; the text names the scope.
    return lambda consent: (
        exists(consent, "patient") or not has_code(consent, "scope", system=_SCOPE, codes=(scope,))
    )


def _member_is_practitioner(participant: Tree) -> bool:
    if not exists(participant, "onBehalfOf"):
        return True
    member = participant.get("member", {})
    # Resolving is another's task; the type that the reference names can be judged here.
    named = parse(member.get("reference", "")).type or member.get("type", "Practitioner")
    return str(named).rpartition("/")[2] == "Practitioner"


def _component_repeats_value(observation: Tree) -> bool:
    if chosen(observation, "value") is None:
        return True
    own = {_coded(coding) for coding in each(observation, "code", "coding")}
    return not any(_coded(c) in own for c in each(observation, "component", "code", "coding"))


def _coded(coding: Tree) -> tuple[str | None, str | None]:
    return coding.get("system"), coding.get("code")


def _modified_after_authored(task: Tree) -> bool:
    authored, modified = task.get("authoredOn"), task.get("lastModified")
    return authored is None or modified is None or not_later(authored, modified)


def _not_at_home(contact: Tree) -> bool:
    return contact.get("use") != "home"


RULES: Mapping[str, Rule] = {
    "con-1": some("summary", "assessment"),
    "con-2": some("code", "detail"),
    "con-3": _problem_has_status,
    "con-4": _abated,
    "con-5": lambda node: not (_entered_in_error(node) and exists(node, "clinicalStatus")),
    "cpl-3": at_most_one("detail", "reference"),
    "ctm-1": _member_is_practitioner,
    "gol-1": lambda target: chosen(target, "detail") is None or exists(target, "measure"),
    "grp-1": lambda group: not exists(group, "member") or group.get("actual") is True,
    "Task.inv-1": _modified_after_authored,
    "obs-3": some("low", "high", "text"),
    "obs-6": lambda node: not exists(node, "dataAbsentReason") or chosen(node, "value") is None,
    "obs-7": _component_repeats_value,
    "org-1": some("identifier", "name"),
    "org-2": _not_at_home,
    "org-3": _not_at_home,
    "pat-1": some("name", "telecom", "address", "organization"),
    "ppc-1": some("policy", "policyRule"),
    "ppc-2": _patient_for("patient-privacy"),
    "ppc-3": _patient_for("research"),
    "ppc-4": _patient_for("adr"),
    "ppc-5": _patient_for("treatment"),
    "prr-1": needs("orderDetail", "code"),
    "sev-1": at_most_one("name", "query"),
}

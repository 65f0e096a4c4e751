"""Invariants of the R4 types that are not stored, but may be contained or sent in a Bundle."""

from __future__ import annotations

import re
from collections.abc import Mapping

from app.fhir.invariants.rule import (
    UCUM,
    Rule,
    at_most_one,
    chosen,
    distinct,
    each,
    exactly_one,
    exists,
    for_kind,
    has_code,
    magnitude,
    needs,
    never,
    not_later,
    some,
)
from app.fhir.json import JSON, Tree

_MAXIMUM = re.compile(r"\*|0*[1-9][0-9]*").fullmatch
_ALLERGY = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
_ASSERTIONS = (
    "contentType", "expression", "headerField", "minimumId", "navigationLinks", "path",
    "requestMethod", "resource", "responseCode", "response", "validateProfileId",
)  # fmt: skip


def _allergy_error(node: Tree) -> bool:
    return has_code(node, "verificationStatus", system=_ALLERGY, codes=("entered-in-error",))


def _percent(node: JSON) -> bool:
    ends = (*each(node, "low"), *each(node, "high"))
    return all(end.get("code") == "%" and end.get("system") == UCUM for end in ends)


def _at_most_hundred(prediction: Tree) -> bool:
    value = magnitude(prediction, "probabilityDecimal")
    return value is None or value <= 100


def _single_assertion(node: Tree) -> bool:
    return exists(node, "extension") or sum(exists(node, name) for name in _ASSERTIONS) <= 1


def _operation(node: Tree) -> bool:
    named = sum(exists(node, name) for name in ("targetId", "url", "params"))
    broad = ("capabilities", "search", "transaction", "history")
    return exists(node, "sourceId") or named == 1 or node.get("type", {}).get("code") in broad


def _comparison(node: Tree) -> bool:
    # Published with xor over "empty", which asks for an expression exactly where there is an id.
    how = exists(node, "compareToSourceExpression") or exists(node, "compareToSourcePath")
    return exists(node, "compareToSourceId") == how


def _handed_over(node: Tree) -> bool:
    prepared, handed = node.get("whenPrepared"), node.get("whenHandedOver")
    return prepared is None or handed is None or not_later(prepared, handed)


def _appointment_times(node: Tree) -> bool:
    both = exists(node, "start") and exists(node, "end")
    return both or node.get("status") in ("proposed", "cancelled", "waitlist")


def _entries(name: str, mode: str) -> Rule:
    return lambda node: (
        node.get("mode") == mode or not any(exists(entry, name) for entry in each(node, "entry"))
    )


RULES: Mapping[str, Rule] = {
    "ait-1": lambda node: _allergy_error(node) or exists(node, "clinicalStatus"),
    "ait-2": lambda node: not (_allergy_error(node) and exists(node, "clinicalStatus")),
    "app-1": some("type", "actor"),
    "app-2": lambda node: exists(node, "start") == exists(node, "end"),
    "app-3": _appointment_times,
    "app-4": lambda node: (
        not exists(node, "cancelationReason") or node.get("status") in ("no-show", "cancelled")
    ),
    "apr-1": some("participantType", "actor"),
    "ces-1": exactly_one("category", "productOrService"),
    "tcp-1": lambda node: (
        len(node.get("version", ())) <= 1
        or all(exists(version, "code") for version in each(node, "version"))
    ),
    "tcp-2": some("description", "software", "implementation"),
    "tcp-3": for_kind("instance", needed=("implementation",)),
    "tcp-4": for_kind("capability", needed=("software",), barred=("implementation",)),
    "tcp-5": for_kind("requirements", barred=("implementation", "software")),
    "mea-1": lambda measure: all(
        any(exists(s, name) for name in ("code", "description", "criteria"))
        != exists(s, "component")
        for s in each(measure, "group", "stratifier")
    ),
    "mrp-1": lambda report: report.get("type") != "data-collection" or not exists(report, "group"),
    "mrp-2": lambda report: all(
        exists(stratum, "value") != exists(stratum, "component")
        for stratum in each(report, "group", "stratifier", "stratum")
    ),
    "cmd-1": lambda target: (
        exists(target, "comment") or target.get("equivalence") not in ("narrower", "inexact")
    ),
    "cmd-2": lambda node: node.get("mode") != "fixed" or exists(node, "code"),
    "cmd-3": lambda node: node.get("mode") != "other-map" or exists(node, "url"),
    "md-1": lambda focus: _MAXIMUM(focus.get("max", "*")) is not None,
    "nsd-1": lambda node: (
        node.get("kind") != "root" or "uuid" not in each(node, "uniqueId", "type")
    ),
    "nsd-2": lambda node: distinct(
        unique.get("type") for unique in each(node, "uniqueId") if unique.get("preferred") is True
    ),
    "smp-1": needs("element", "context"),
    "smp-2": needs("context", "contextType"),
    "ig-1": lambda definition: (
        set(each(definition, "resource", "groupingId")) <= set(each(definition, "grouping", "id"))
    ),
    "ig-2": lambda guide: (
        set(each(guide, "definition", "resource", "fhirVersion")) <= set(each(guide, "fhirVersion"))
    ),
    "rqg-1": lambda action: exists(action, "resource") != exists(action, "action"),
    "lnk-1": lambda linkage: len(linkage.get("item", ())) > 1,
    "cmp-1": some("text", "entry", "section"),
    "cmp-2": at_most_one("emptyReason", "entry"),
    "fhs-1": lambda node: chosen(node, "age") is None or chosen(node, "born") is None,
    "fhs-2": lambda node: chosen(node, "age") is not None or not exists(node, "estimatedAge"),
    "imm-1": some("documentType", "reference"),
    "imr-1": some("vaccineCode", "targetDisease"),
    "ipn-1": some("identifier", "name"),
    "lst-1": at_most_one("emptyReason", "entry"),
    "lst-2": _entries("deleted", "changes"),
    "lst-3": _entries("date", "working"),
    "mad-1": lambda node: exists(node, "dose") or chosen(node, "rate") is not None,
    "mdd-1": _handed_over,
    "msq-3": lambda node: node.get("coordinateSystem", 0) in (0, 1),
    "msq-5": lambda node: exists(node, "chromosome") == exists(node, "genomeBuild"),
    "msq-6": exactly_one(
        "genomeBuild", "referenceSeqId", "referenceSeqPointer", "referenceSeqString"
    ),
    "nor-1": some("oralDiet", "supplement", "enteralFormula"),
    "ras-1": _percent,
    "ras-2": _at_most_hundred,
    "TestReport.inv-1": exactly_one("operation", "assert"),
    "TestReport.inv-2": exactly_one("operation", "assert"),
    "tst-1": exactly_one("operation", "assert"),
    "tst-2": exactly_one("operation", "assert"),
    "tst-3": at_most_one("expression", "headerField", "path"),
    "tst-4": lambda node: any(map(some("required", "validated"), each(node, "capability"))),
    "tst-5": _single_assertion,
    "tst-6": _single_assertion,
    "tst-7": _operation,
    "tst-8": _operation,
    "tst-9": _operation,
    "tst-10": _comparison,
    "tst-11": _comparison,
    "tst-12": never("direction", ("request",), "response", "responseCode"),
    "tst-13": never("direction", ("request",), "response", "responseCode"),
}

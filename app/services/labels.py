"""Security labels as indexed columns: how confidential a version is and what it touches.

Confidentiality is a rank in the order of v3-Confidentiality (U L M N R V), sensitivity a set
of v3-ActCode codes as bits. A client's own label can raise the default, never lower it.
https://hl7.org/fhir/R4/security-labels.html
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from app.fhir import json
from app.fhir.json import Tree

RANKS = {"U": 0, "L": 1, "M": 2, "N": 3, "R": 4, "V": 5}
_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_UNKNOWN_SENSITIVITY = 1 << 62


@cache
def _rules() -> Any:
    return json.parse(resources.files("app.definitions").joinpath("labels.json").read_bytes())


@cache
def _default_rank(type_name: str) -> int:
    for code, types in _rules()["confidentiality"].items():
        if type_name in types:
            return RANKS[code]
    return RANKS["R"]


@cache
def _bits() -> dict[str, int]:
    return {code: 1 << place for place, code in enumerate(_rules()["sensitivity"])}


def of(tree: Tree, type_name: str) -> tuple[int, int]:
    """The rank and the sensitivity bits of a resource."""
    rank, bits = _default_rank(type_name), 0
    for coding in (tree.get("meta") or {}).get("security") or ():
        code = coding.get("code", "")
        if coding.get("system") == _CONFIDENTIALITY:
            rank = max(rank, RANKS.get(code, RANKS["V"]))
        elif coding.get("system") == _ACT:
            bits |= _bits().get(code, _UNKNOWN_SENSITIVITY)
    return rank, bits


def data_class(tree: Tree, type_name: str) -> str | None:
    """What kind of data it is within its type: its questionnaire, its code, its document type."""
    if type_name == "QuestionnaireResponse":
        canonical = tree.get("questionnaire")
        return canonical.partition("|")[0] if canonical else None
    concept = tree.get({"Observation": "code", "DocumentReference": "type"}.get(type_name, ""))
    for coding in (concept or {}).get("coding") or ():
        if coding.get("code"):
            return f"{coding.get('system', '')}|{coding['code']}"
    return None

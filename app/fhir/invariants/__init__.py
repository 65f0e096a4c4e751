"""Every invariant that R4 publishes, as a function.

``rule`` finds the function of a constraint. The functions of the shared keys ele-1 and ext-1,
and of those that look at a whole resource with what it contains (dom-2 to dom-6, ref-1, txt-1,
txt-2), live where the tree is walked, in ``app.fhir.validation``.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.fhir.invariants import (
    clinical,
    conformance,
    datatypes,
    others,
    questionnaires,
    structures,
    wire,
)
from app.fhir.invariants.rule import Rule

WALKED = frozenset(("dom-2", "dom-3", "dom-4", "dom-5", "dom-6", "ref-1", "txt-1", "txt-2"))
ON_RESOURCE = frozenset(("sdf-8", "sdf-8a"))  # published on a part of the resource

RULES: Mapping[str, Rule] = {
    **datatypes.RULES,
    **questionnaires.RULES,
    **clinical.RULES,
    **wire.RULES,
    **conformance.RULES,
    **structures.RULES,
    **others.RULES,
}


def rule(type_name: str, key: str) -> Rule:
    """The function of a constraint; some keys mean another thing in each type."""
    if key.endswith("-0"):
        return conformance.computable_name
    return RULES.get(f"{type_name}.{key}") or RULES[key]

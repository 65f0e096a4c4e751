"""How long it takes to see whether a response is right: R4 and its questionnaire."""

from __future__ import annotations

import time
from statistics import median

from app.domain.questionnaire import check, compile_questionnaire
from app.fhir import json, validation
from bench import records


def milliseconds(items: int, *, repeats: int = 200) -> float:
    """The median for a response of so many items, from its octets on."""
    form = compile_questionnaire(records.questionnaire(items, "form"))
    response = records.response(0, 0, items=items, form=f"{records.BASE}/Questionnaire/form|1.0.0")
    text = records.text(response)
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        tree = json.parse_resource(text)
        issues = [*validation.check(tree, "QuestionnaireResponse"), *check(form, tree)]
        taken.append(time.perf_counter() - began)
        if issues:
            raise RuntimeError(f"not valid: {issues[0]}")
    return 1000 * median(taken)

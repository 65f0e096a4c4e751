"""Answers checked against the questionnaire version they name.

https://hl7.org/fhir/R4/questionnaire.html and questionnaireresponse.html, with the extensions of
https://hl7.org/fhir/uv/sdc/ that limit an answer. A Questionnaire is compiled once; a check then
reads the response once, reports every problem with its place, and never the answer itself.

What is not computed is named by a warning ``not-supported``, never passed in silence:
``enableWhenExpression`` and other SDC expressions, limits that an expression computes, membership
in a value set that neither the questionnaire contains nor the caller knows, and constraints whose
FHIRPath is beyond the subset of ``app.fhir.paths``.
"""

from __future__ import annotations

from app.domain.questionnaire.answers import answers_of
from app.domain.questionnaire.checking import check
from app.domain.questionnaire.compilation import compile_questionnaire
from app.domain.questionnaire.definition import CompiledQuestionnaire, Item, Terminology

__all__ = [
    "CompiledQuestionnaire",
    "Item",
    "Terminology",
    "answers_of",
    "check",
    "compile_questionnaire",
]

"""A client's scores as their own page shows them: the scales of each answer together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from app.domain.measure import for_people
from app.fhir import json
from app.fhir.json import Tree
from app.services.courses import SCALES
from app.services.displays import display, instrument
from app.services.scoring import NOT_VALIDATED

_LEAST = 12  # scores, where there are as many


@dataclass(frozen=True, slots=True)
class Result:
    """What one answer scored. ``scores`` are scale and value, in the language of the page."""

    day: str
    form: str
    is_validated: bool
    scores: Sequence[tuple[str, str]]


def form(questionnaire: str, language: str) -> str:
    """The title of the form that a canonical names."""
    return instrument(questionnaire.partition("|")[0].rpartition("/")[2], language)


def results(scores: Iterable[Tree], answers: Iterable[Tree], language: str) -> Iterator[Result]:
    """The newest scores, those without a value left out; ``answers`` tell the forms."""
    forms = {
        f"QuestionnaireResponse/{each['id']}": each.get("questionnaire", "") for each in answers
    }
    by_answer: dict[tuple[str, str], list[tuple[str, str]]] = {}
    unproven = set()
    for each in scores:
        scale, value = _scale(each), _value(each)
        if scale is None or value is None:
            continue
        source = next((of.get("reference", "") for of in each.get("derivedFrom", ())), "")
        answer = (each.get("effectiveDateTime", "")[:10], source)
        told = (display("alliance-scale", scale, language), value)
        by_answer.setdefault(answer, []).append(told)
        if any(note.get("text") == NOT_VALIDATED for note in each.get("note", ())):
            unproven.add(answer)
    count = 0
    for answer, found in by_answer.items():
        if count >= _LEAST:
            return
        count += len(found)
        day, source = answer
        named = form(forms.get(source, ""), language)
        yield Result(day=day, form=named, is_validated=answer not in unproven, scores=found)


def _scale(score: Tree) -> str | None:
    codings = (score.get("code") or {}).get("coding", ())
    return next((each["code"] for each in codings if each.get("system") == SCALES), None)


def _value(score: Tree) -> str | None:
    value = (score.get("valueQuantity") or {}).get("value", score.get("valueInteger"))
    return None if value is None else str(for_people(json.to_decimal(value)))

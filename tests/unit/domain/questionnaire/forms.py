"""Questionnaires and responses in few words."""

from __future__ import annotations

import json

from app.domain.questionnaire import check, compile_questionnaire
from app.fhir.json import parse_resource

STANDARD = "http://hl7.org/fhir/StructureDefinition/"
SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"
ROOT = "QuestionnaireResponse"


def exact(tree):
    """As it comes over the wire: numbers keep their own text."""
    return parse_resource(json.dumps(tree).encode())


def form(*items, **more):
    tree = {"resourceType": "Questionnaire", "url": "https://x.example/Questionnaire/f"}
    return compile_questionnaire(exact(tree | {"status": "active", "item": list(items)} | more))


def item(link_id, type_="string", *items, **more):
    return {"linkId": link_id, "type": type_} | ({"item": list(items)} if items else {}) | more


def limit(name, **value):
    return {"url": name if "/" in name else STANDARD + name, **value}


def coding(code, system="s"):
    return {"system": system, "code": code}


def options(*codes):
    return [{"valueCoding": coding(code)} for code in codes]


def response(*items, status="completed", **more):
    return exact({"resourceType": ROOT, "status": status, "item": list(items)} | more)


def given_item(link_id, *answers, **more):
    """An item with answers; each is a ``(key, value)`` pair, or a whole answer."""
    made = [answer if isinstance(answer, dict) else {answer[0]: answer[1]} for answer in answers]
    return {"linkId": link_id} | ({"answer": made} if made else {}) | more


def text(link_id, value="yes"):
    return given_item(link_id, ("valueString", value))


def found(questionnaire, *items, **more):
    return problems(check(questionnaire, response(*items, **more)))


def problems(issues):
    return [(issue.code, issue.expression.removeprefix(ROOT)) for issue in issues]


def when(question, operator="=", **answer):
    return {"question": question, "operator": operator} | answer


# An answer of each type that is right for it.
RIGHT = {
    "boolean": ("valueBoolean", True),
    "decimal": ("valueDecimal", 1.5),
    "integer": ("valueInteger", 3),
    "date": ("valueDate", "2026-01"),
    "dateTime": ("valueDateTime", "2026-01-01T10:00:00Z"),
    "time": ("valueTime", "10:00:00"),
    "string": ("valueString", "x"),
    "text": ("valueString", "x"),
    "url": ("valueUri", "https://x.example"),
    "choice": ("valueCoding", coding("a")),
    "open-choice": ("valueCoding", coding("a")),
    "attachment": ("valueAttachment", {"contentType": "image/png"}),
    "reference": ("valueReference", {"reference": "Patient/1"}),
    "quantity": ("valueQuantity", {"value": 3, "code": "kg"}),
}

"""Answers as Observations: https://hl7.org/fhir/uv/sdc/extraction.html#observation-based-extraction.

An item with a code whose ``observationExtract`` is true, or that inherits it, is one Observation
for each answer. Nothing is stored: the Bundle is a transaction for whoever asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from app.fhir.json import Tree
from app.services.courses import extension
from app.services.derived import derived_id

_SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition"
_EXTRACT = f"{_SDC}/sdc-questionnaire-observationExtract"
_CATEGORY = f"{_SDC}/sdc-questionnaire-observation-extract-category"

# The value[x] of an Observation for each kind of answer; what is not here has none.
_VALUES: Mapping[str, str] = {
    "valueBoolean": "valueBoolean",
    "valueInteger": "valueInteger",
    "valueDate": "valueDateTime",
    "valueDateTime": "valueDateTime",
    "valueTime": "valueTime",
    "valueString": "valueString",
    "valueUri": "valueString",
    "valueQuantity": "valueQuantity",
}


def extracted(questionnaire: Tree, response: Tree) -> Tree:
    """A transaction that would store the Observations in a response."""
    items = {item["linkId"]: (item, marked) for item, marked in _marked(questionnaire)}
    entries = [
        {
            "fullUrl": f"urn:uuid:{derived_id('extract', str(number), response.get('id', ''))}",
            "resource": observation,
            "request": {"method": "POST", "url": "Observation"},
        }
        for number, observation in enumerate(_observations(items, response, response))
    ]
    bundle: Tree = {"resourceType": "Bundle", "type": "transaction"}
    return {**bundle, "entry": entries} if entries else bundle


def is_extractable(questionnaire: Tree) -> bool:
    """Whether anything in it asks to be extracted."""
    return any(marked for _, marked in _marked(questionnaire))


def _marked(node: Tree, *, above: bool = False) -> Iterator[tuple[Tree, bool]]:
    """Every item with whether it is to be extracted."""
    above = extension(node, _EXTRACT).get("valueBoolean", above)
    for item in node.get("item", ()):
        marked = extension(item, _EXTRACT).get("valueBoolean", above)
        yield item, marked and bool(item.get("code"))
        yield from _marked(item, above=marked)


def _observations(
    items: Mapping[str, tuple[Tree, bool]], node: Tree, response: Tree
) -> Iterator[Tree]:
    for given in node.get("item", ()):
        item, marked = items.get(given.get("linkId", ""), ({}, False))
        for answer in given.get("answer", ()):
            value = _value(answer)
            if marked and value:
                yield _observation(item, value, response)
            yield from _observations(items, answer, response)
        yield from _observations(items, given, response)


def _value(answer: Tree) -> Tree:
    for key, value in answer.items():
        if key == "valueCoding":
            return {"valueCodeableConcept": {"coding": [value]}}
        if key == "valueDecimal":
            return {"valueQuantity": {"value": value}}
        if key in _VALUES:
            return {_VALUES[key]: value}
    return {}


def _observation(item: Tree, value: Tree, response: Tree) -> Tree:
    category = extension(item, _CATEGORY).get("valueCodeableConcept") or {
        "coding": [
            {
                "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                "code": "survey",
            }
        ]
    }
    tree: Tree = {
        "resourceType": "Observation",
        "status": "final",
        "category": [category],
        "code": {"coding": item["code"]},
        "subject": response.get("subject"),
        "encounter": response.get("encounter"),
        "effectiveDateTime": response.get("authored"),
        "performer": [response["author"]] if "author" in response else None,
        **value,
        "derivedFrom": [{"reference": f"QuestionnaireResponse/{response['id']}"}]
        if "id" in response
        else None,
    }
    return {name: each for name, each in tree.items() if each is not None}

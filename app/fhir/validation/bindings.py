"""Bindings that must be kept: required ones, and maximal value sets.

https://hl7.org/fhir/R4/terminologies.html#required. A ``code`` must be in the value set; of a
CodeableConcept one coding must be. Lists come from the definitions, grammars are rules here.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.fhir import definitions
from app.fhir.definitions import Element
from app.fhir.json import Tree
from app.fhir.primitives import Predicate, is_language, is_mime_type

_BASE = "http://hl7.org/fhir/ValueSet/"
_GRAMMARS: Mapping[str, Predicate] = {
    _BASE + "mimetypes": is_mime_type,
    "http://www.rfc-editor.org/bcp/bcp13.txt": is_mime_type,
    _BASE + "all-languages": is_language,
}
_LANGUAGES = "urn:ietf:bcp:47"
# Statements and scripts about FHIR may say json for application/fhir+json.
_ABOUT_FHIR = ("CapabilityStatement", "TestScript")
_SHORT_FORMATS = frozenset(("json", "xml", "ttl"))


def code_test(type_name: str, element: Element) -> Predicate | None:
    """The test of a bound ``code``, or ``None`` where any code will do."""
    url = _url(element)
    if url is None:
        return None
    systems = definitions.value_set(url)
    if systems is not None:
        codes = frozenset().union(*systems.values())
        return lambda value: value.__class__ is str and value in codes
    grammar = _GRAMMARS.get(url)
    if grammar is is_mime_type and type_name in _ABOUT_FHIR:
        return lambda value: is_mime_type(value) or value in _SHORT_FORMATS
    return grammar


def concept_test(element: Element) -> Predicate | None:
    """The test of a bound CodeableConcept, or ``None`` where any concept will do."""
    url = _url(element)
    if url is None:
        return None
    systems = definitions.value_set(url)
    if systems is not None:
        found = systems  # narrowed for the closure

        def in_list(coding: Tree) -> bool:
            return coding.get("code") in found.get(coding.get("system", ""), ())

        return lambda concept: _some(concept, in_list)
    if _GRAMMARS.get(url) is is_language:
        return lambda concept: "coding" not in concept or _some(concept, _is_language)
    return None


def value_set_of(element: Element) -> str:
    """The canonical of the value set, for words about it."""
    return element.binding[1] if element.binding else ""


def _url(element: Element) -> str | None:
    if element.binding is None or element.binding[0] not in ("required", "maximum"):
        return None
    return element.binding[1]


def _is_language(coding: Tree) -> bool:
    return coding.get("system") == _LANGUAGES and is_language(coding.get("code"))


def _some(concept: Tree, test: Predicate) -> bool:
    codings = concept.get("coding", ())
    # An extension may say why there is no code.
    return any(test(coding) for coding in codings) or (not codings and "extension" in concept)

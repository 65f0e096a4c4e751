"""What people call the codes of our own systems and instruments, in their language."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from app.fhir.json import Tree
from app.fhir.terminology import translated
from app.services import instruments
from app.services.courses import extension
from app.services.instruments import BASE

_TRANSLATION = "http://hl7.org/fhir/StructureDefinition/translation"


def display(system: str, code: str, language: str) -> str:
    """The display of a code of ``/CodeSystem/{system}``; the code itself where it has none."""
    concept = _concepts().get((f"{BASE}/CodeSystem/{system}", code), {})
    designations = concept.get("designation", ())
    return translated(concept.get("display"), designations, language) or code


def instrument(name: str, language: str) -> str:
    """The title of a shipped instrument; its name where it is a clinic's own."""
    questionnaire = _questionnaires().get(name, {})
    return text_of(questionnaire, "title", language) or name


def text_of(tree: Tree, element: str, language: str) -> str | None:
    """A text in a language, by the translation extension; else as it is."""
    text: str | None = tree.get(element)
    return translation(tree, element, language) or text


def translation(tree: Tree, element: str, language: str) -> str | None:
    """What the translation extension of a text says in a language, if it does."""
    for each in tree.get(f"_{element}", {}).get("extension", ()):
        if each.get("url") == _TRANSLATION:
            parts = {"extension": each.get("extension", ())}
            if extension(parts, "lang").get("valueCode", "").partition("-")[0] == language:
                content: str | None = extension(parts, "content").get("valueString")
                return content
    return None


@cache
def _concepts() -> Mapping[tuple[str, str], Tree]:
    return {
        (tree["url"], concept["code"]): concept
        for tree in instruments.shipped()
        if tree["resourceType"] == "CodeSystem"
        for concept in tree["concept"]
    }


@cache
def _questionnaires() -> Mapping[str, Tree]:
    return {
        tree["id"]: tree
        for tree in instruments.shipped()
        if tree["resourceType"] == "Questionnaire"
    }

"""The shipped instruments, and measurement definitions as Library resources.

A measurement definition (scoring key, norms, rupture rules, expected trajectory, safety rules) is
a JSON document with ``kind``, ``url`` and ``version``. It travels as the ``content.data`` of a
Library with the same url and version (https://hl7.org/fhir/R4/library.html), so a clinic adds its
own without code.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

from app.core.errors import AppError, Category
from app.fhir.json import Tree, parse_resource

BASE = "https://rapport.example.org"
KIND_SYSTEM = f"{BASE}/CodeSystem/definition-kind"
KINDS = frozenset(("scoring-key", "norms", "rupture-rules", "expected-trajectory", "safety-rules"))

# In the order in which one may refer to another.
_RESOURCES = ("CodeSystem", "ValueSet", "StructureDefinition", "SearchParameter", "Questionnaire")
_DOCUMENTS = ("scoring", "norms", "ruptures", "safety")


def shipped() -> Iterator[Tree]:
    """Every resource that comes with the server; each one new, so the caller may change it."""
    for folder in _RESOURCES:
        for file in _files(folder):
            yield parse_resource(file.read_bytes())
    for folder in _DOCUMENTS:
        for file in _files(folder):
            yield library(file.read_bytes())


def library(document: bytes) -> Tree:
    """The Library that carries a measurement definition, byte for byte."""
    definition = parse_resource(document)
    url = definition["url"]
    tree: Tree = {
        "resourceType": "Library",
        "id": url.rpartition("/")[2],
        "language": "en",
        "url": url,
        "version": definition["version"],
        "name": definition["name"],
        "title": definition["title"],
        "status": "active",
        "experimental": False,
        "type": {
            "coding": [
                {"system": KIND_SYSTEM, "code": definition["kind"]},
                {
                    "system": "http://terminology.hl7.org/CodeSystem/library-type",
                    "code": "logic-library",
                },
            ]
        },
        "publisher": "Rapport",
        "description": definition["description"],
        "copyright": definition["copyright"],
    }
    if "questionnaire" in definition:
        tree["relatedArtifact"] = [{"type": "depends-on", "resource": definition["questionnaire"]}]
    data = base64.b64encode(document).decode("ascii")
    tree["content"] = [{"contentType": "application/json", "data": data}]
    return tree


def definition_in(library: Tree) -> Tree:
    """The measurement definition that a Library carries.

    Raises ``unprocessable`` where it carries none, where its kind is unknown, or where its url or
    version is not the Library's own.
    """
    data = next(
        (
            content["data"]
            for content in library.get("content", ())
            if content.get("contentType") == "application/json" and "data" in content
        ),
        None,
    )
    if data is None:
        raise _refused("required", "no content of type application/json with data", "content")
    try:
        document = base64.b64decode(data)
    except (binascii.Error, ValueError):
        raise _refused("value", "data is not base64", "content.data") from None
    try:
        definition = parse_resource(document)
    except AppError as error:
        reasons = [issue.diagnostics for issue in error.issues]
        raise _refused("structure", "; ".join(reasons), "content.data") from None
    if definition.get("kind") not in KINDS:
        raise _refused("code-invalid", "kind is not a kind of measurement definition", "content")
    for member in ("url", "version"):
        if definition.get(member) != library.get(member):
            raise _refused("invariant", f"the definition has another {member}", member)
    return definition


def _files(folder: str) -> list[Traversable]:
    root = files("app.definitions") / "instruments" / folder
    return sorted(root.iterdir(), key=lambda file: file.name)


def _refused(code: str, diagnostics: str, place: str) -> AppError:
    return AppError.of(Category.UNPROCESSABLE, code, diagnostics, f"Library.{place}")

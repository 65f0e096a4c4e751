"""Invariants of StructureDefinition and ElementDefinition.

https://hl7.org/fhir/R4/structuredefinition.html#invs
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from app.fhir.invariants.rule import Rule, chosen, distinct, each, exists, needs, some
from app.fhir.json import Tree

_STEP = r"[^\s.,:;'\"/|?!@#$%&*()\[\]{}]{1,64}"
_PATH = re.compile(rf"{_STEP}(?:\.{_STEP}(?:\[x\])?(?::[^\s.]+)?)*").fullmatch
_SIMPLE_PATH = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:\.[a-z][A-Za-z0-9]*(?:\[x\])?)*").fullmatch
_SLICE = re.compile(r"[a-zA-Z0-9/\-_\[\]@]+").fullmatch
_NUMBER = re.compile("0*([0-9]{1,10})").fullmatch
_OWN_TYPE = re.compile(r"[a-zA-Z0-9.]+|http://hl7\.org/fhirpath/System\.[A-Z][A-Za-z]+").fullmatch
_CODED = ("code", "Coding", "CodeableConcept", "Quantity", "string", "uri")
_FIXED_CHOICES = ("defaultValue", "fixed", "pattern", "minValue", "maxValue")


# ElementDefinition


def _bounds(element: Tree) -> bool:
    most = _NUMBER(element.get("max", ""))
    return most is None or bool(element.get("min", 0) <= int(most[1]))


def _content_reference(element: Tree) -> bool:
    if not exists(element, "contentReference"):
        return True
    plain = ("type", "example", "maxLength", "binding")
    return not any(exists(element, name) for name in plain) and not any(
        chosen(element, name) for name in _FIXED_CHOICES
    )


def _one_type(choice: str) -> Rule:
    return lambda element: not chosen(element, choice) or len(element.get("type", ())) <= 1


def _bindable(element: Tree) -> bool:
    codes = list(each(element, "type", "code"))
    return not exists(element, "binding") or not codes or any(code in _CODED for code in codes)


def _value_set(binding: Tree) -> bool:
    return str(binding.get("valueSet", "http:")).startswith(("http:", "https", "urn:"))


def _for_references(name: str) -> Rule:
    return lambda type_: not exists(type_, name) or type_.get("code") in ("Reference", "canonical")


# StructureDefinition


def _elements(structure: Tree, *views: str) -> list[Any]:
    return [e for view in views for e in each(structure, view, "element")]


def _root(structure: Tree, view: str) -> Tree:
    return next(each(structure, view, "element"), {})


def _roots(view: Tree) -> list[Any]:
    return [e for e in each(view, "element") if "." not in e.get("path", ".")]


def _names_its_type(structure: Tree) -> bool:
    return (
        structure.get("kind") == "logical"
        or not exists(structure, "snapshot")
        or _root(structure, "snapshot").get("path") == structure.get("type")
    )


def _ids(*views: str) -> Rule:
    return lambda structure: all(exists(e, "id") for e in _elements(structure, *views))


def _distinct_ids(view: str) -> Rule:
    return lambda structure: (
        _ids(view)(structure) and distinct(each(structure, view, "element", "id"))
    )


def _untyped_root(structure: Tree) -> bool:
    root = _root(structure, "differential")
    return (
        structure.get("kind") == "logical"
        or "." in root.get("path", "")
        or not exists(root, "type")
    )


def _own_types(structure: Tree) -> bool:
    return not _is_hl7(structure) or all(
        _OWN_TYPE(code) for code in _types(structure, "snapshot", "differential")
    )


def _types(structure: Tree, *views: str) -> Iterator[str]:
    for element in _elements(structure, *views):
        yield from each(element, "type", "code")


def _is_hl7(structure: Tree) -> bool:
    return str(structure.get("url")).startswith("http://hl7.org/fhir/StructureDefinition")


def _no_defaults(*views: str) -> Rule:
    return lambda structure: (
        not any(chosen(e, "defaultValue") for e in _elements(structure, *views))
    )


def _bare_roots(structure: Tree) -> bool:
    return not any(
        exists(root, name)
        for view in each(structure, "snapshot")
        for root in _roots(view)
        for name in ("label", "code", "requirements")
    )


def _complete(view: Tree) -> bool:
    return all(
        exists(e, name) for e in each(view, "element") for name in ("definition", "min", "max")
    )


def _snapshot_paths(structure: Tree) -> bool:
    paths = list(each(structure, "snapshot", "element", "path"))
    if not paths:
        return True
    logical = structure.get("kind") == "logical"
    return (logical or paths[0] == structure.get("type")) and all(
        path.startswith(paths[0] + ".") for path in paths[1:]
    )


def _differential_paths(structure: Tree) -> bool:
    paths = list(each(structure, "differential", "element", "path"))
    if not paths:
        return True
    logical = structure.get("kind") == "logical"
    root = paths[0].partition(".")[0] + "."
    return (logical or paths[0].startswith(structure.get("type", ""))) and all(
        path.startswith(root) for path in paths[1:]
    )


RULES: Mapping[str, Rule] = {
    "eld-1": some("discriminator", "description"),
    "eld-2": _bounds,
    "eld-3": lambda most: most == "*" or _NUMBER(most) is not None,
    "eld-4": _for_references("aggregation"),
    "eld-5": _content_reference,
    "eld-6": _one_type("fixed"),
    "eld-7": _one_type("pattern"),
    "eld-8": lambda element: not (chosen(element, "pattern") and chosen(element, "fixed")),
    "eld-11": _bindable,
    "eld-12": _value_set,
    "eld-13": lambda element: distinct(each(element, "type", "code")),
    "eld-14": lambda element: distinct(each(element, "constraint", "key")),
    "eld-15": lambda e: not (chosen(e, "defaultValue") and exists(e, "meaningWhenMissing")),
    "eld-16": lambda e: "sliceName" not in e or _SLICE(e["sliceName"]) is not None,
    "eld-17": _for_references("targetProfile"),
    "eld-18": lambda e: e.get("isModifier") is not True or exists(e, "isModifierReason"),
    "eld-19": lambda e: "path" not in e or _PATH(e["path"]) is not None,
    "eld-20": lambda e: "path" not in e or _SIMPLE_PATH(e["path"]) is not None,
    "eld-21": some("expression"),
    "eld-22": needs("sliceIsConstraining", "sliceName"),
    "sdf-1": lambda structure: (
        structure.get("derivation") == "constraint"
        or distinct(each(structure, "snapshot", "element", "path"))
    ),
    "sdf-2": some("name", "uri"),
    "sdf-3": _complete,
    "sdf-4": lambda node: node.get("abstract") is True or exists(node, "baseDefinition"),
    "sdf-5": lambda node: (
        node.get("type") != "Extension"
        or node.get("derivation") == "specialization"
        or exists(node, "context")
    ),
    "sdf-6": some("snapshot", "differential"),
    "sdf-8b": lambda view: all(exists(e, "base") for e in each(view, "element")),
    "sdf-9": _bare_roots,
    "sdf-10": lambda element: all(
        exists(b, "valueSet") or exists(b, "description") for b in each(element, "binding")
    ),
    "sdf-11": _names_its_type,
    "sdf-14": _ids("snapshot", "differential"),
    "sdf-15": lambda node: (
        node.get("kind") == "logical" or not exists(_root(node, "snapshot"), "type")
    ),
    "sdf-15a": _untyped_root,
    "sdf-16": _distinct_ids("snapshot"),
    "sdf-17": _distinct_ids("differential"),
    "sdf-18": lambda node: not exists(node, "contextInvariant") or node.get("type") == "Extension",
    "sdf-19": _own_types,
    "sdf-20": lambda view: not any(exists(root, "slicing") for root in _roots(view)),
    "sdf-21": lambda node: (
        node.get("derivation") == "specialization" or _no_defaults("differential")(node)
    ),
    "sdf-22": lambda node: not _is_hl7(node) or _no_defaults("snapshot", "differential")(node),
    "sdf-23": lambda node: (
        not any(
            exists(root, "sliceName")
            for name in ("snapshot", "differential")
            for view in each(node, name)
            for root in _roots(view)
        )
    ),
    # These two stand on a view, but speak of the whole: judged on the resource.
    "sdf-8": _snapshot_paths,
    "sdf-8a": _differential_paths,
}

"""Invariants of definitions: terminology, capability statements, operations, parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from app.fhir.invariants.rule import (
    Rule,
    at_most_one,
    distinct,
    each,
    exists,
    for_kind,
    needs,
    some,
)
from app.fhir.json import Tree

_NAME = re.compile("[A-Z][A-Za-z0-9_]{0,254}").fullmatch


def computable_name(resource: Tree) -> bool:
    """A name that a program can use as an identifier (the rules that end in -0)."""
    return "name" not in resource or _NAME(resource["name"]) is not None


def _codes(node: Tree) -> Iterator[str]:
    for concept in node.get("concept", ()):
        if "code" in concept:
            yield concept["code"]
        yield from _codes(concept)


def _endpoints(statement: Tree) -> bool:
    return statement.get("kind") == "instance" or not any(each(statement, "messaging", "endpoint"))


def _documents(statement: Tree) -> bool:
    return distinct((d.get("profile"), d.get("mode")) for d in each(statement, "document"))


def _target_profile(parameter: Tree) -> bool:
    return not exists(parameter, "targetProfile") or parameter.get("type") in (
        "Reference",
        "canonical",
    )


RULES: Mapping[str, Rule] = {
    "cpb-1": some("rest", "messaging", "document"),
    "cpb-2": some("description", "software", "implementation"),
    "cpb-3": _endpoints,
    "cpb-7": _documents,
    "cpb-9": lambda rest: distinct(each(rest, "resource", "type")),
    "cpb-12": lambda resource: distinct(each(resource, "searchParam", "name")),
    "cpb-14": for_kind("instance", needed=("implementation",)),
    "cpb-15": for_kind("capability", needed=("software",), barred=("implementation",)),
    "cpb-16": for_kind("requirements", barred=("implementation", "software")),
    "csd-1": lambda code_system: distinct(_codes(code_system)),
    "opd-1": some("type", "part"),
    "opd-2": lambda node: not exists(node, "searchType") or node.get("type") == "string",
    "opd-3": _target_profile,
    "spd-1": needs("xpath", "xpathUsage"),
    "spd-2": lambda node: not exists(node, "chain") or node.get("type") == "reference",
    "vsd-1": some("valueSet", "system"),
    "vsd-2": lambda node: (
        exists(node, "system") or not (exists(node, "concept") or exists(node, "filter"))
    ),
    "vsd-3": at_most_one("concept", "filter"),
    "vsd-6": some("code", "display"),
    "vsd-9": lambda node: exists(node, "code") or node.get("abstract") is True,
    "vsd-10": needs("code", "system"),
}

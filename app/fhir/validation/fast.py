"""The quick verdict: ``True`` only where a resource certainly keeps every rule.

Most resources are right, so this pass builds no paths and no words: each shape becomes one
function over a table of tests. What is rare and legal (extensions beside a primitive, contained
resources, absolute references, element ids) it does not judge: it says ``False``, and the walk
in ``walk.py`` decides. A property test holds the two together.
"""

from __future__ import annotations

import re
from functools import cache

from app.fhir import definitions, narrative
from app.fhir.json import JSON
from app.fhir.primitives import Predicate, is_canonical
from app.fhir.validation.shapes import Check, Member, Shape, shape

_LINK = re.compile(
    r"([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}"
    r"|urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
).fullmatch


def certain(tree: JSON, type_name: str) -> bool:
    """Whether a tree is certainly a legal resource of the type."""
    try:
        return resource_test(type_name)(tree)
    except (KeyError, TypeError, AttributeError, ValueError):
        # An unknown member, or a rule that met a wrong type: the walk will say it in words.
        return False


def resource_test(type_name: str) -> Predicate:
    """The test of a resource of one type."""
    return _object(shape(type_name))


class _Tests(dict[str, Predicate]):
    """The test of each member of a shape, made when the member is first met."""

    def __init__(self, of: Shape) -> None:
        super().__init__()
        self.shape = of
        if of.is_resource:
            self["resourceType"] = frozenset((of.name,)).__contains__
            self["contained"] = _never

    def __missing__(self, key: str) -> Predicate:
        member = self.shape.members[key]
        test = _value(member)
        if member.checks:
            test = _and(test, member.checks)
        if member.many:
            test = _array(test)
        self[key] = test
        return test


@cache
def _object(of: Shape) -> Predicate:
    tests = _Tests(of)
    required = frozenset(names[0] for _, names in of.required if len(names) == 1)
    if of.is_resource:
        required |= {"resourceType"}
    required_choices = [names for _, names in of.required if len(names) > 1]
    choices = of.choices
    checks = _errors(of.checks)

    def test(node: JSON) -> bool:
        if node.__class__ is not dict or not node:
            return False
        for key, value in node.items():
            if not tests[key](value):
                return False
        if required and not required <= node.keys():
            return False
        for choice in choices:
            if len(choice.intersection(node)) > 1:
                return False
        for names in required_choices:
            if not any(name in node for name in names):
                return False
        return not checks or all(holds(node) for holds in checks)

    return test


def _value(member: Member) -> Predicate:
    if member.type.code == "xhtml":
        return lambda value: value.__class__ is str and not narrative.problems(value)
    if member.test is not None:
        if member.step == "id" and member.type.code == "string":
            return _never  # must be unique in the resource
        if member.type.code == "canonical":
            return lambda value: is_canonical(value) and value[0] != "#"
        return member.binding or member.test
    if member.is_resource:
        return _any_resource
    test = _object(member.shape())
    if member.type.code == "Reference":
        return _reference(test, frozenset(member.type.targets))
    return test if member.binding is None else _bound(test, member.binding)


def _reference(test: Predicate, targets: frozenset[str]) -> Predicate:
    known = targets or definitions.resource_types()

    def reference(node: JSON) -> bool:
        if not test(node) or "type" in node:
            return False
        match = _LINK(node["reference"])
        return match is not None and (match[1] is None or match[1] in known)

    return reference


def _any_resource(node: JSON) -> bool:
    return resource_test(node["resourceType"])(node)


def _array(test: Predicate) -> Predicate:
    def array(value: JSON) -> bool:
        return value.__class__ is list and bool(value) and all(map(test, value))

    return array


def _bound(test: Predicate, binding: Predicate) -> Predicate:
    return lambda value: test(value) and binding(value)


def _and(test: Predicate, checks: tuple[Check, ...]) -> Predicate:
    errors = _errors(checks)
    if len(errors) == 1:
        holds = errors[0]
        return lambda value: test(value) and holds(value)
    return lambda value: test(value) and all(holds(value) for holds in errors)


def _errors(checks: tuple[Check, ...]) -> list[Predicate]:
    return [check.holds for check in checks if check.constraint.severity == "error"]


def _never(_: JSON) -> bool:
    return False

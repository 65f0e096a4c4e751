"""The slow verdict: every problem of a resource, in words and with its FHIRPath.

Words name the rule and the place, never the value. A problem does not end the walk: what stands
beside it and below it is looked at too.
"""

from __future__ import annotations

import re

from app.core.errors import Issue, Severity
from app.fhir import definitions, narrative
from app.fhir.json import JSON, Tree
from app.fhir.primitives import Predicate
from app.fhir.validation.bindings import value_set_of
from app.fhir.validation.links import Whole, containment_problems, reference_problems
from app.fhir.validation.shapes import Check, Member, Shape, shape

MAX_ISSUES = 500

_PLAIN_NAME = re.compile("_?[A-Za-z][A-Za-z0-9]{0,63}").fullmatch
_POINTING = frozenset(("uri", "url", "canonical"))
_MALFORMED = (AttributeError, IndexError, KeyError, TypeError, ValueError)
_NO_NULL = "null may stand in an array of primitives only, in place of an extension"


class EnoughError(Exception):
    """More problems than anybody reads."""


class Walk:
    """One walk over one tree; ``issues`` holds what was found, in the order of the tree."""

    def __init__(
        self, *, warnings: bool = False, conditional: bool = False, entries: bool = True
    ) -> None:
        self.issues: list[Issue] = []
        self._warnings = warnings
        self._conditional = conditional
        self._entries = entries
        self._inside = False  # a contained resource

    def resource(self, tree: JSON, path: str, *, wanted: str | None = None) -> None:
        """Look at a resource of the ``wanted`` type, or of any type."""
        of = self._resource_shape(tree, path, wanted)
        if of is None:
            return
        if of.name == "Bundle" and tree.get("type") == "transaction":
            self._conditional = True
        whole = Whole.of(tree, conditional=self._conditional)
        self._object(tree, of, path, whole)
        if "contained" in of.members and isinstance(tree.get("contained"), list):
            for index, key, words in containment_problems(whole):
                self._add(
                    "invariant", _words(of, key) if key else words, f"{path}.contained[{index}]"
                )
        if self._warnings and "text" in of.members and "text" not in tree:
            self._add("invariant", _words(of, "dom-6"), path, severity=Severity.WARNING)

    def _resource_shape(self, tree: JSON, path: str, wanted: str | None) -> Shape | None:
        if not isinstance(tree, dict):
            self._add("structure", "must be an object", path)
            return None
        named = tree.get("resourceType")
        if not isinstance(named, str) or named not in definitions.resource_types():
            self._add("structure", "resourceType must name a resource type of R4", path)
            return None
        if wanted is not None and named != wanted:
            self._add("structure", f"must be a {wanted}", path)
            return None
        return shape(named)

    # --------------------------------------------------------------------------------- objects

    def _object(self, node: Tree, of: Shape, path: str, whole: Whole) -> None:
        for key, value in node.items():
            if key == "resourceType" and of.is_resource:
                continue
            member = of.member(key)
            if member is None:
                self._unknown(key, of, path)
                continue
            where = f"{path}.{member.step}"
            twin = node.get("_" + member.name) if member.extensible else None
            if value is None:
                self._add("structure", _NO_NULL, where)
            elif key == member.name:
                self._member(member, value, twin, where, whole)
            elif member.name not in node:
                self._member(member, None, twin, where, whole)
        self._presence(node, of, path)
        self._judge(node, of.checks, path)

    def _unknown(self, key: str, of: Shape, path: str) -> None:
        if _PLAIN_NAME(key):
            self._add("structure", f"{of.name} has no element {key}", f"{path}.{key}")
        else:
            self._add("structure", f"{of.name} has no such element", path)

    def _presence(self, node: Tree, of: Shape, path: str) -> None:
        for element, names in of.required:
            if not any(name in node or "_" + name in node for name in names):
                step = element.name.removesuffix("[x]")
                self._add("required", f"{of.name}.{element.name} is required", f"{path}.{step}")
        for choice in of.choices:
            found = choice.intersection(key.removeprefix("_") for key in node)
            if len(found) > 1:
                step = of.members[next(iter(found))].step
                words = "only one may be there of " + ", ".join(sorted(found))
                self._add("structure", words, f"{path}.{step}")

    # --------------------------------------------------------------------------------- members

    def _member(self, member: Member, value: JSON, twin: JSON, path: str, whole: Whole) -> None:
        sides = [side for side in (value, twin) if side is not None]
        if not all(isinstance(side, list) == member.many for side in sides):
            words = "must be an array" if member.many else "must not be an array"
            self._add("structure", words, path)
        elif [] in sides:
            self._add("structure", "an array must not be empty", path)
        elif not member.many:
            self._one(member, value, twin, path, whole)
        elif member.test is None:
            for index, item in enumerate(value):
                self._one(member, item, None, f"{path}[{index}]", whole)
        elif len(sides) == 2 and len(value) != len(twin):
            self._add("structure", "values and extensions must be arrays of one length", path)
        else:
            nothing = [None] * len(sides[0])
            for index, pair in enumerate(zip(value or nothing, twin or nothing, strict=True)):
                self._one(member, *pair, f"{path}[{index}]", whole)

    def _one(self, member: Member, value: JSON, twin: JSON, path: str, whole: Whole) -> None:
        if value is None and twin is None:
            self._add("structure", _NO_NULL, path)
        elif member.test is not None:
            if twin is not None:
                self._extended(twin, path, whole, has_value=value is not None)
            if value is not None:
                self._primitive(member, value, path, whole)
        elif member.is_resource:
            self._resource(member, value, path, whole)
        else:
            self._complex(member, value, path, whole)

    def _primitive(self, member: Member, value: JSON, path: str, whole: Whole) -> None:
        assert member.test is not None
        code = member.type.code
        if not member.test(value):
            self._add("value", f"not a valid {code}", path)
            return
        if member.binding is not None and not member.binding(value):
            self._add("code-invalid", f"not a code of {value_set_of(member.element)}", path)
        if code == "xhtml":
            for problem in narrative.problems(value):
                self._add("invariant", problem, path)
        elif code in _POINTING and value.startswith("#"):
            whole.fragments.add(value[1:])
            if code == "canonical" and value[1:] not in whole.contained:
                self._add("invariant", "nothing contained has this id", path)
        elif member.step == "id" and code == "string" and member.owner != "ElementDefinition":
            # (A differential repeats the ids of its snapshot.)
            if value in whole.ids:
                self._add("invariant", "another element of the resource has this id", path)
            whole.ids.add(value)
        self._judge(value, member.checks, path)

    def _extended(self, twin: JSON, path: str, whole: Whole, *, has_value: bool) -> None:
        if not isinstance(twin, dict):
            self._add("structure", "must be an object", path)
        elif not twin or not (has_value or twin.keys() - {"id"}):
            self._add("invariant", _words(shape("Element"), "ele-1"), path)
        else:
            self._object(twin, shape("Element"), path, whole)

    def _complex(self, member: Member, value: JSON, path: str, whole: Whole) -> None:
        if not isinstance(value, dict):
            self._add("structure", "must be an object", path)
            return
        if not value.keys() - {"id"}:
            self._add("invariant", _words(shape("Element"), "ele-1"), path)
        self._object(value, member.shape(), path, whole)
        if member.binding is not None and not self._keeps(member.binding, value):
            self._add("code-invalid", f"no code of {value_set_of(member.element)}", path)
        if member.type.code == "Reference":
            targets = member.type.targets
            for problem in reference_problems(value, targets, whole=whole, inside=self._inside):
                self._add("value", problem, path)
        self._judge(value, member.checks, path)

    def _resource(self, member: Member, value: JSON, path: str, whole: Whole) -> None:
        if member.step != "contained" and (self._entries or member.owner != "Bundle"):
            self.resource(value, path)
            return
        of = self._resource_shape(value, path, None)
        if of is not None and member.step == "contained":
            before, self._inside = self._inside, True
            self._object(value, of, path, whole)
            self._inside = before

    # ----------------------------------------------------------------------------------- rules

    def _judge(self, value: JSON, checks: tuple[Check, ...], path: str) -> None:
        for check in checks:
            severity = Severity(check.constraint.severity)
            if severity is Severity.WARNING and not self._warnings:
                continue
            if not self._keeps(check.holds, value):
                key, human = check.constraint.key, check.constraint.human
                words = f"{key}: {human}" if key else human
                self._add("invariant", words, path, severity=severity)

    def _keeps(self, holds: Predicate, value: JSON) -> bool:
        try:
            return holds(value)
        except _MALFORMED:
            # It met a value of a wrong type, which has an issue of its own by now. Had it none,
            # the rule could not be judged, and what cannot be judged does not pass.
            return bool(self.issues)

    def _add(
        self, code: str, words: str, path: str, *, severity: Severity = Severity.ERROR
    ) -> None:
        self.issues.append(Issue(code, words, path, severity))
        if len(self.issues) >= MAX_ISSUES:
            raise EnoughError


def _words(of: Shape, key: str) -> str:
    return f"{key}: {definitions.structure(of.name).constraints[key].human}"

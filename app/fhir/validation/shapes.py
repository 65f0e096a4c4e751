"""What an object may hold, member by member: the definitions, seen from JSON.

https://hl7.org/fhir/R4/json.html. A shape belongs to a data type, a resource, or an element with
children of its own; ``value[x]`` has become one member for each type it may take. Shapes are
built when first met, since types contain each other without end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from app.fhir import definitions, invariants
from app.fhir.definitions import Constraint, Element, Type
from app.fhir.invariants import texts
from app.fhir.invariants.rule import Rule
from app.fhir.json import JSON
from app.fhir.primitives import (
    PRIMITIVES,
    Predicate,
    is_absolute,
    is_code,
    is_element_id,
    is_uri,
)
from app.fhir.validation.bindings import code_test, concept_test

PART = "part"  # of an extension made of extensions: its url may be relative

_SHARED = Type("BackboneElement", (), "")  # of an element that shares another's content
_RESOURCES = ("Resource", "DomainResource")


@dataclass(frozen=True, slots=True)
class Check:
    """An invariant and the function that judges it."""

    constraint: Constraint
    holds: Rule


@dataclass(frozen=True, slots=True)
class Member:
    """A JSON property of a shape.

    ``name`` is the JSON name (``valueCoding``), ``step`` the FHIRPath step (``value``).
    ``test`` is the test of one value where the type is primitive, else ``None``; ``binding`` the
    test of a bound value or concept. ``extensible``: an underscored twin may stand beside it.
    """

    name: str
    step: str
    element: Element
    type: Type
    many: bool
    test: Predicate | None
    binding: Predicate | None
    extensible: bool
    checks: tuple[Check, ...]
    owner: str

    @property
    def is_resource(self) -> bool:
        """Whether any resource may stand here."""
        return self.type.code in _RESOURCES

    def shape(self) -> Shape:
        """The shape of what stands here, unless that is a primitive or any resource."""
        if self.element.content:
            type_name, _, path = self.element.content.partition(".")
            return shape(type_name, path)
        if self.type.code in ("BackboneElement", "Element"):
            return shape(self.owner, self.element.path)
        if self.owner == self.type.code == "Extension":
            return shape("Extension", profile=PART)
        return shape(self.type.code, profile=self.type.profile)


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """The members of an object, which of them it needs, which exclude each other.

    ``required`` names the ways in which each required element can be there; ``choices`` the
    members of each choice of which one may be there.
    """

    name: str
    is_resource: bool
    members: Mapping[str, Member]
    required: tuple[tuple[Element, tuple[str, ...]], ...]
    choices: tuple[frozenset[str], ...]
    checks: tuple[Check, ...]

    def member(self, key: str) -> Member | None:
        """The member that a JSON property belongs to, under its own or its underscored name."""
        member = self.members.get(key)
        if member is None and key.startswith("_"):
            member = self.members.get(key[1:])
            if member is not None and not member.extensible:
                member = None
        return member


@cache
def shape(type_name: str, path: str = "", profile: str = "") -> Shape:
    """The shape of a type, or of the element at ``path`` in it.

    The one profile that types ask for is SimpleQuantity, a Quantity without comparator; the
    parts of an extension are told by the name ``part``.
    """
    structure = definitions.structure(type_name)
    barred = ("comparator",) if profile == "SimpleQuantity" else ()
    children = [child for child in structure.children(path) if child.name not in barred]
    members: dict[str, Member] = {}
    required = []
    choices = []
    for child in children:
        own = [_member(type_name, child, type_) for type_ in child.types or (_SHARED,)]
        members.update({member.name: member for member in own})
        names = tuple(member.name for member in own)
        if child.min:
            required.append((child, names))
        if len(names) > 1:
            choices.append(frozenset(names))
    if type_name == "Extension" and profile != PART:
        members["url"] = replace(members["url"], test=_is_absolute_uri)
    return Shape(
        name=f"{type_name}.{path}" if path else type_name,
        is_resource=structure.kind == "resource" and not path,
        members=members,
        required=tuple(required),
        choices=tuple(choices),
        checks=_root_checks(type_name) if not path else (),
    )


def _member(type_name: str, element: Element, type_: Type) -> Member:
    step = element.name.removesuffix("[x]")
    name = step if step == element.name else step + type_.code[0].upper() + type_.code[1:]
    # Ids and the url of an extension are bare values without room for extensions.
    bare = step == "id" or (type_name == "Extension" and step == "url")
    test = PRIMITIVES.get(type_.code)
    binding = None
    if step == "id" and type_.code == "string":
        test = is_element_id
    elif test is is_code:
        binding = code_test(type_name, element)
    elif type_.code == "CodeableConcept":
        binding = concept_test(element)
    return Member(
        name=name,
        step=step,
        element=element,
        type=type_,
        many=element.max is None,
        test=test,
        binding=binding,
        extensible=test is not None and not bare and type_.code != "xhtml",
        checks=_element_checks(type_name, element),
        owner=type_name,
    )


def _is_absolute_uri(value: JSON) -> bool:
    return is_uri(value) and is_absolute(value)


def _element_checks(type_name: str, element: Element) -> tuple[Check, ...]:
    keys = list(element.constraints)
    source = type_name
    if element.content:
        # Shared content brings the invariants of the element that it comes from.
        source, _, path = element.content.partition(".")
        keys += definitions.structure(source).elements[path].constraints
    found = _checks(source, [key for key in keys if key not in invariants.ON_RESOURCE])
    return found + _text_checks(element.content or f"{type_name}.{element.path}")


def _root_checks(type_name: str) -> tuple[Check, ...]:
    structure = definitions.structure(type_name)
    moved = [key for key in structure.constraints if key in invariants.ON_RESOURCE]
    return _checks(type_name, [*structure.root_constraints, *moved]) + _text_checks(type_name)


def _checks(type_name: str, keys: list[str]) -> tuple[Check, ...]:
    constraints = definitions.structure(type_name).constraints
    return tuple(
        Check(constraints[key], invariants.rule(type_name, key))
        for key in dict.fromkeys(keys)
        if key not in invariants.WALKED and key != "ele-1"
    )


def _text_checks(path: str) -> tuple[Check, ...]:
    return tuple(
        Check(Constraint("", "error", words, ""), holds)
        for words, holds in texts.RULES.get(path, ())
    )

"""Search parameters and compartments as tables."""

from __future__ import annotations

import re
from typing import Any

from tools.fhir_package import STRUCTURE, Package, Tree

COMMON = ("_id", "_lastUpdated", "_tag", "_profile", "_security", "_source")
OWNERS = ("Patient", "Practitioner", "RelatedPerson", "Encounter", "Device")

# Where the published expression contradicts its own description, the description counts.
EXPRESSIONS = {
    "CapabilityStatement-fhirversion": "CapabilityStatement.fhirVersion",
}
COMPONENTS = {
    # The two expressions stand in each other's place.
    ("DocumentReference-relationship", "relatesto"): "target",
    ("DocumentReference-relationship", "relation"): "code",
    # The type is dateTime.
    ("Observation-code-value-date", "value-date"): "value.as(dateTime) | value.as(Period)",
    # Say which of value[x] a token can be.
    ("Group-characteristic-value", "value"): "value.as(CodeableConcept) | value.as(boolean)",
}


def search_parameters(package: Package) -> Tree:
    """For each resource type: code to [type, expression, targets, components, url]."""
    table: dict[str, dict[str, list[Any]]] = {
        name: {} for name, d in package.structures.items() if d["kind"] == "resource"
    }
    for definition in package.search_parameters.values():
        if "Resource" in definition["base"] and definition["code"] not in COMMON:
            continue
        for base in sorted(set(definition["base"]) & set(table)):
            expression = own_part(definition, base)
            if not expression:
                continue  # published without one: nothing says what it looks at
            table[base][definition["code"]] = [
                definition["type"],
                expression,
                targets(package, definition, expression),
                components(package, definition),
                definition["url"],
            ]
    return table


def own_part(definition: Tree, base: str) -> str:
    """The alternatives of the official union that begin at ``base``."""
    published = EXPRESSIONS.get(definition["id"]) or str(definition.get("expression", ""))
    parts = [part.strip() for part in published.split("|")]
    return " | ".join(part for part in parts if re.match(rf"\(?{base}\b", part))


def targets(package: Package, definition: Tree, expression: str) -> list[str]:
    """What the parameter may point at on this type; none named means anything."""
    if definition["type"] != "reference":
        return []
    named = re.findall(r"resolve\(\) is (\w+)", expression)
    if named:
        return sorted(set(named))
    official = set(definition.get("target", ()))
    allowed: set[str] = set()
    for part in expression.split(" | "):
        allowed |= target_types(package, re.sub(r"\.where\([^)]*\)|[()]| as \w+", "", part))
    narrowed = official & allowed if allowed else official
    everything = len(narrowed) > 100
    return [] if everything else sorted(narrowed or official)


def target_types(package: Package, path: str) -> set[str]:
    """The target types of the element at a path such as ``Observation.subject``."""
    root, *names = path.split(".")
    at = root
    for name in names:
        elements = {e["path"]: e for e in package.structures[root]["snapshot"]["element"]}
        element = elements.get(f"{at}.{name}") or elements.get(f"{at}.{name}[x]")
        if element is None or "type" not in element:
            return set()  # a function or shared content: take the official list as it is
        code = element["type"][0]["code"]
        if code in ("BackboneElement", "Element"):
            at = f"{at}.{name}"
        elif name != names[-1]:
            root = at = code
        else:
            return {
                profile.removeprefix(STRUCTURE)
                for type_ in element["type"]
                for profile in type_.get("targetProfile", ())
                if profile != STRUCTURE + "Resource"
            }
    return set()


def components(package: Package, definition: Tree) -> list[list[str]]:
    """Of a composite: the code, expression and type of each component."""
    found = []
    for component in definition.get("component", ()):
        part = package.search_parameters[component["definition"]]
        expression = COMPONENTS.get((definition["id"], part["code"]), component["expression"])
        found.append([part["code"], expression, part["type"]])
    return found


def compartments(package: Package) -> Tree:
    """Owner type to member type to the search parameters that say who owns it."""
    return {
        definition["code"]: {
            # {def} says that the owner is in its own compartment, which needs no parameter.
            member["code"]: [code for code in member["param"] if code != "{def}"]
            for member in definition["resource"]
            if "param" in member
        }
        for definition in package.of("CompartmentDefinition")
        if definition["code"] in OWNERS and definition["id"] != "example"
    }

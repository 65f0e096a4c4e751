"""Types and code lists as tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tools.fhir_package import STRUCTURE, Package, Tree, binding

# Code systems that are a grammar or another's register: their codes are checked by rule.
BY_RULE = ("urn:ietf:bcp:13", "urn:ietf:bcp:47", "http://unitsofmeasure.org")
ISO_4217 = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD "
    "BTN BWP BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP "
    "DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS "
    "INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD "
    "MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR "
    "PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS "
    "SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW "
    "UZS VED VES VND VUV WST XAF XAG XAU XBA XBB XBC XBD XCD XCG XDR XOF XPD XPF XPT XSU XTS "
    "XUA XXX YER ZAR ZMW ZWG ZWL"
)


def structure(definition: Tree) -> Tree:
    """One type as a compact table; ``app/fhir/definitions.py`` names the columns."""
    root, *elements = definition["snapshot"]["element"]
    constraints = {
        c["key"]: [c["severity"], c["human"], c.get("expression", "")]
        for element in (root, *elements)
        for c in element.get("constraint", ())
        if c["key"] not in ("ele-1", "ext-1") or definition["type"] in ("Element", "Extension")
    }
    return {
        "name": definition["type"],
        "kind": definition["kind"],
        "abstract": definition["abstract"],
        "base": definition.get("baseDefinition", "").removeprefix(STRUCTURE),
        "root": [c["key"] for c in root.get("constraint", ()) if c["key"] in constraints],
        "elements": [row(element, definition) for element in elements],
        "constraints": constraints,
    }


def row(element: Tree, definition: Tree) -> list[Any]:
    """Path without root, min, max (0 = many), types, binding, content reference, rules, flags."""
    keys = [c["key"] for c in element.get("constraint", ()) if c["key"] not in ("ele-1", "ext-1")]
    flags = ("s" if element.get("isSummary") else "") + ("m" if element.get("isModifier") else "")
    return [
        element["path"].partition(".")[2],
        element["min"],
        0 if element["max"] == "*" else int(element["max"]),
        [element_type(t, element, definition) for t in element.get("type", ())],
        binding(element),
        element.get("contentReference", "").removeprefix("#"),
        keys,
        flags,
    ]


def element_type(type_: Tree, element: Tree, definition: Tree) -> list[Any]:
    """Type code, target types, profile."""
    code = type_["code"]
    if code.startswith("http://hl7.org/fhirpath/"):
        named = (e["valueUrl"] for e in type_.get("extension", ()) if "-fhir-type" in e["url"])
        code = next(named, "")  # the value of a primitive is its JSON value
        if definition["kind"] == "resource" and element["path"].count(".") == 1:
            code = "id"  # the published table says string; resource.html says id
    targets = sorted(p.removeprefix(STRUCTURE) for p in type_.get("targetProfile", ()))
    profiles = [p.removeprefix(STRUCTURE) for p in type_.get("profile", ())]
    return [code, [] if "Resource" in targets else targets, *profiles]


def codes(package: Package) -> Tree:
    """For each required value set that can be expanded here: system to codes."""
    urls = {
        bound[1]
        for definition in package.structures.values()
        for element in definition["snapshot"]["element"]
        if (bound := binding(element)) and bound[0] == "required"
    }
    return {url: found for url in sorted(urls) if (found := expand(package, url))}


def expand(package: Package, url: str) -> Tree:
    """System to codes, or nothing where the codes are another's to list."""
    found: dict[str, list[str]] = {}
    for include in package.value_sets.get(url, {}).get("compose", {}).get("include", ()):
        system = include["system"]
        if "concept" in include:
            listed = [concept["code"] for concept in include["concept"]]
        elif system == "urn:iso:std:iso:4217":
            listed = ISO_4217.split()
        elif system in BY_RULE:
            return {}
        else:
            listed = list(flatten(package.code_systems[system]["concept"]))
        found.setdefault(system, []).extend(listed)
    return found


def flatten(concepts: Iterable[Tree]) -> Iterator[str]:
    """The codes of a concept tree that may be used, parents first."""
    for concept in concepts:
        if not any(p["code"] == "notSelectable" for p in concept.get("property", ())):
            yield concept["code"]
        yield from flatten(concept.get("concept", ()))

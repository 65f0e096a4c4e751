"""The models of ``fhir.resources`` (R4B) as a second opinion, and where R4B is not R4."""

import importlib

import pytest

from app.fhir import definitions
from app.fhir.json import dumps
from app.fhir.registry import STORED, WIRE_TYPES
from app.fhir.validation import check
from app.fhir.validation.shapes import shape
from tests.unit.fhir.corpus import BASES, cases

# Legal in R4, refused by the models: not in R4B, or never modelled.
BEYOND_R4B = {
    "oddities: a contained type that R4B does not have",
    "oddities: an extension on an extension",
    "oddities: values of many types in extensions",
}

# Elements that only one of the two versions has: (R4 only, R4B only).
DIFFERENT = {
    "ElementDefinition": (
        {"defaultValueMeta", "fixedMeta", "patternMeta"},
        {
            *("defaultValueCodeableReference", "defaultValueRatioRange"),
            *("fixedCodeableReference", "fixedRatioRange"),
            *("patternCodeableReference", "patternRatioRange"),
        },
    ),
    "Extension": ({"valueMeta"}, {"valueCodeableReference", "valueRatioRange"}),
}


def model(name):
    module = importlib.import_module(f"fhir.resources.R4B.{name.lower()}")
    return getattr(module, name)


def refused(tree):
    try:
        model(tree["resourceType"]).model_validate_json(dumps(tree))
    except (ValueError, KeyError) as error:
        return str(error) or "refused"
    return None


@pytest.mark.parametrize(
    "case",
    [c for c in cases("legal") if c["name"] not in BEYOND_R4B],
    ids=lambda case: case["name"],
)
def test_the_models_find_nothing_wrong_with_what_is_legal(case):
    assert refused(case["tree"]) is None


@pytest.mark.parametrize(
    "case", [c for c in cases("legal") if c["name"] in BEYOND_R4B], ids=lambda case: case["name"]
)
def test_what_lies_beyond_the_models_is_known(case):
    assert refused(case["tree"]) is not None


@pytest.mark.parametrize("name", [*STORED, *WIRE_TYPES])
def test_the_models_find_nothing_wrong_with_the_bases(name):
    assert refused(BASES[name]) is None


def test_whatever_the_models_refuse_of_the_forbidden_is_refused_here():
    for case in cases("forbidden"):
        if case["tree"].get("resourceType") in BASES and refused(case["tree"]):
            assert check(case["tree"], case["tree"]["resourceType"])


def test_served_types_have_the_same_elements_in_r4_and_r4b_but_for_these():
    types = [n for n, kind in definitions.kinds().items() if kind == "complex-type"]
    found = {}
    for name in [*types, *STORED, *WIRE_TYPES]:
        if name == "SubstanceAmount":  # a type of R4 alone, of no served resource
            continue
        fields = {f.alias or key for key, f in model(name).model_fields.items()}
        theirs = {f for f in fields if f[0] != "_"} - {"resourceType", "fhir_comments"}
        ours = set(shape(name).members)
        if ours != theirs - {"resource_type"}:
            found[name] = (ours - theirs, theirs - ours - {"resource_type"})
    assert found == DIFFERENT

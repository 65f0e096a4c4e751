"""The served types."""

import pytest

from app.fhir import definitions
from app.fhir.registry import (
    ENTRIES,
    REGISTRY,
    SYSTEM_INTERACTIONS,
    Interaction,
    by_code,
    param_id,
)

VARIANTS = ("", ":identifier", ":text", "$0", "$1", "$2")


def test_the_registry_is_a_mapping_of_every_entry():
    assert list(REGISTRY) == [name for _, name, _ in ENTRIES]
    assert len(REGISTRY) == 32
    assert "Patient" in REGISTRY
    assert "Medication" not in REGISTRY
    with pytest.raises(KeyError):
        REGISTRY["Medication"]


def test_stored_codes_are_small_unique_and_stable():
    codes = {entry.code: name for name, entry in REGISTRY.items()}
    assert len(codes) == len(REGISTRY)
    assert (codes[1], codes[13], codes[24], codes[32]) == (
        "Patient",
        "QuestionnaireResponse",
        "AuditEvent",
        "CapabilityStatement",
    )
    assert all(by_code(code).name == name for code, name in codes.items())
    with pytest.raises(KeyError):
        by_code(0)


@pytest.mark.parametrize("name", list(REGISTRY))
def test_interactions_follow_the_store(name):
    entry = REGISTRY[name]
    writing = {
        Interaction.CREATE,
        Interaction.UPDATE,
        Interaction.PATCH,
        Interaction.DELETE,
    }
    assert entry.interactions >= {Interaction.READ, Interaction.SEARCH_TYPE}
    assert not entry.interactions & SYSTEM_INTERACTIONS
    if entry.store == "resource":
        assert entry.interactions == frozenset(Interaction) - SYSTEM_INTERACTIONS
    else:
        assert not entry.interactions & writing


@pytest.mark.parametrize("name", list(REGISTRY))
def test_every_type_has_the_common_parameters_and_its_own(name):
    search = REGISTRY[name].search
    assert {"_id", "_lastUpdated", "_tag", "_profile", "_security", "_source"} <= set(search)
    assert not {"_text", "_content", "_query", "_filter"} & set(search)
    assert len(search) > 6
    for code, parameter in search.items():
        assert parameter.code == code
        assert parameter.expression
        own = parameter.code in definitions.own_search_parameters().get(name, {})
        base = "https://rapport.example.org" if own else "http://hl7.org/fhir"
        assert parameter.url.startswith(f"{base}/SearchParameter/")
        assert (parameter.type == "composite") == bool(parameter.components)
        root = "Resource" if code.startswith("_") else name
        for part in parameter.expression.split(" | "):
            assert part.lstrip("(").startswith(root)


# The search parameters that the R4 pages of these types list.
PUBLISHED = {
    "Consent": "action actor category consentor data date identifier organization patient period "
    "purpose scope security-label source-reference status",
    "EpisodeOfCare": "care-manager condition date identifier incoming-referral organization "
    "patient status type",
    "QuestionnaireResponse": "author authored based-on encounter identifier part-of patient "
    "questionnaire source status subject",
    "Questionnaire": "code context context-quantity context-type context-type-quantity "
    "context-type-value date definition description effective identifier jurisdiction name "
    "publisher status subject-type title url version",
    "AuditEvent": "action address agent agent-name agent-role altid date entity entity-name "
    "entity-role entity-type outcome patient policy site source subtype type",
    "Provenance": "agent agent-role agent-type entity location patient recorded signature-type "
    "target when",
    "Patient": "active address address-city address-country address-postalcode address-state "
    "address-use birthdate death-date deceased email family gender general-practitioner given "
    "identifier language link name organization phone phonetic telecom",
}


@pytest.mark.parametrize("name, published", PUBLISHED.items())
def test_search_parameters_are_those_of_the_published_page(name, published):
    ours = definitions.own_search_parameters().get(name, {})
    own = {code for code in REGISTRY[name].search if not code.startswith("_")}
    assert own - set(ours) == set(published.split())


def test_an_expression_is_the_part_of_the_union_that_starts_at_the_type():
    assert REGISTRY["Observation"].search["code"].expression == "Observation.code"
    assert REGISTRY["Condition"].search["code"].expression == "Condition.code"
    assert REGISTRY["DocumentReference"].search["identifier"].expression == (
        "DocumentReference.masterIdentifier | DocumentReference.identifier"
    )


def test_targets_are_narrowed_to_what_the_element_allows():
    assert REGISTRY["Observation"].search["patient"].targets == ("Patient",)
    assert REGISTRY["Observation"].search["encounter"].targets == ("Encounter",)
    assert REGISTRY["Provenance"].search["target"].targets == ()
    assert REGISTRY["QuestionnaireResponse"].search["questionnaire"].targets == ("Questionnaire",)


def test_components_of_a_composite_match_their_types():
    relationship = REGISTRY["DocumentReference"].search["relationship"]
    assert [(c.code, c.expression, c.type) for c in relationship.components] == [
        ("relatesto", "target", "reference"),
        ("relation", "code", "token"),
    ]


def test_compartment_parameters_are_served_reference_parameters():
    for entry in REGISTRY.values():
        for owner, codes in entry.compartments.items():
            assert owner in {"Patient", "Practitioner", "RelatedPerson", "Encounter", "Device"}
            for code in codes:
                assert entry.search[code].type == "reference"
    assert REGISTRY["Observation"].compartments["Patient"] == ("subject", "performer")
    assert "Patient" not in REGISTRY["Questionnaire"].compartments


def test_parameter_ids_fit_and_never_collide():
    seen: dict[int, str] = {}
    for name, entry in REGISTRY.items():
        for code in entry.search:
            for variant in VARIANTS:
                id_ = param_id(name, code + variant)
                assert -(2**31) <= id_ < 2**31
                assert id_ not in seen, (seen.get(id_), name, code, variant)
                seen[id_] = f"{name}.{code}{variant}"
    assert len(seen) == len(VARIANTS) * sum(len(e.search) for e in REGISTRY.values())


def test_parameter_ids_are_stored_so_they_do_not_change():
    assert param_id("Patient", "name") == 187769161
    assert param_id("Observation", "code") == -959628241


def test_adding_a_type_needs_no_other_data():
    for name in definitions.resource_types() - {"Bundle", "Parameters"}:
        assert isinstance(definitions.search_parameters(name), dict)

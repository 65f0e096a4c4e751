"""What a resource leaves in the index: rows, owners, authors."""

from __future__ import annotations

import pytest

from app.fhir.registry import REGISTRY, by_code
from app.search import indexer
from app.search.parameters import TYPES, index_number
from app.search.types import date
from tests.support.searching import BASE

KIND = {name: entry.code for name, entry in REGISTRY.items()}


def index(**tree: object) -> indexer.Indexed:
    return indexer.index(tree, str(tree["resourceType"]), id="x", base=BASE)


def rows(
    indexed: indexer.Indexed, table: str, code: str, type_name: str
) -> list[dict[str, object]]:
    """The rows of a parameter, without what every row has."""
    wanted = index_number(KIND[type_name], code.partition(":")[0], code[code.find(":") :]
                          if ":" in code else "")  # fmt: skip
    return [
        {key: value for key, value in row.items() if key not in ("param", "n")}
        for row in indexed.rows.get(table, [])
        if row["param"] == wanted
    ]


def test_numbers_of_parameters_do_not_collide():
    numbers: dict[int, set[str]] = {}
    for entry in REGISTRY.values():
        for code, parameter in entry.search.items():
            owner = "Resource" if code.startswith("_") else entry.name
            names = [f"{code}${n}" for n, _ in enumerate(parameter.components)] or [
                f"{code}{index}" for index in TYPES[parameter.type].INDEXES
            ]
            for name in names:
                base, mark, rest = name.partition(":")
                numbers.setdefault(index_number(entry.code, base, mark + rest), set()).add(
                    f"{owner}.{name}"
                )
    assert [names for names in numbers.values() if len(names) > 1] == []


def test_every_parameter_can_be_indexed_and_asked():
    # Whatever the official data names: its expression compiles and its type is known.
    for name, entry in REGISTRY.items():
        indexer.index({"resourceType": name}, name, id="x", base=BASE)
        assert {p.type for p in entry.search.values()} <= {*TYPES, "composite"}


def test_the_ends_of_the_order_are_marked():
    indexed = index(
        resourceType="Patient",
        name=[{"family": "B", "given": ["C", "A"]}, {"text": "a Z"}],
        birthDate="1980",
    )
    names = {
        row["exact"]: row["position"] for row in rows(indexed, "idx_string", "name", "Patient")
    }
    assert names == {"B": 0, "C": 2, "A": 1, "a Z": 0, "": 0}
    (birth,) = rows(indexed, "idx_date", "birthdate", "Patient")
    assert birth["position"] == 3


def test_equal_values_make_one_row():
    coding = {"system": "http://s", "code": "c"}
    indexed = index(resourceType="Observation", category=[{"coding": [coding, coding]}] * 2)
    assert len(rows(indexed, "idx_token", "category", "Observation")) == 1


@pytest.mark.parametrize(
    "subject, row",
    [
        ({"reference": "Patient/1"}, (KIND["Patient"], "1", None)),
        ({"reference": f"{BASE}/Patient/1"}, (KIND["Patient"], "1", None)),
        ({"reference": "Patient/1/_history/2"}, (KIND["Patient"], "1", "2")),
        ({"reference": "https://far/fhir/Patient/1"}, (0, "https://far/fhir/Patient/1", None)),
        ({"reference": "Device/1"}, (0, "Device/1", None)),
        ({"reference": "urn:uuid:1"}, (0, "urn:uuid:1", None)),
        ({"reference": "#inside"}, (0, "", None)),
        ({"display": "nobody"}, (0, "", None)),
    ],
)
def test_references(subject, row):
    indexed = index(resourceType="Observation", subject=subject)
    (found,) = rows(indexed, "idx_reference", "subject", "Observation")
    assert (found["target_kind"], found["target_id"], found["version"]) == row


def test_open_ends_reach_to_the_end_of_time():
    indexed = index(resourceType="Encounter", period={"start": "1970-01-01T00:00:00Z"})
    assert rows(indexed, "idx_date", "date", "Encounter") == [
        {"low": 0, "high": date.END, "position": 3}
    ]
    indexed = index(
        resourceType="ServiceRequest",
        occurrenceTiming={"event": ["1970-01-02", "1970-01-01"], "repeat": {"frequency": 1}},
    )
    (found,) = rows(indexed, "idx_date", "occurrence", "ServiceRequest")
    assert (found["low"], found["high"]) == (0, 2 * 86_400_000_000)


def test_components_of_a_value_share_its_position():
    part = {"code": {"coding": [{"code": "a"}]}, "valueQuantity": {"value": 1}}
    indexed = index(resourceType="Observation", component=[part, {"code": {"text": "b"}}, part])
    code = "component-code-value-quantity"
    tokens = rows(indexed, "idx_token", f"{code}$0", "Observation")
    quantities = rows(indexed, "idx_quantity", f"{code}$1", "Observation")
    assert [row["position"] for row in tokens] == [0, 2]
    assert [row["position"] for row in quantities] == [0, 2]


def test_a_long_value_is_a_short_key():
    indexed = index(resourceType="Patient", identifier=[{"value": "9" * 10_000}])
    (found,) = rows(indexed, "idx_token", "identifier", "Patient")
    assert len(str(found["code"])) <= 400


def test_a_patient_is_in_their_own_compartment():
    assert index(resourceType="Patient").compartments == {(KIND["Patient"], "x")}
    assert index(resourceType="Questionnaire").compartments == frozenset()


def test_compartments_follow_the_official_parameters():
    indexed = index(
        resourceType="Observation",
        subject={"reference": "Patient/1"},
        performer=[{"reference": "Patient/2"}, {"reference": "Practitioner/3"}],
        focus=[{"reference": "Patient/4"}],
        encounter={"reference": "Encounter/5"},
    )
    assert {(by_code(kind).name, id) for kind, id in indexed.compartments} == {
        ("Patient", "1"),
        ("Patient", "2"),
        ("Practitioner", "3"),
        ("Encounter", "5"),
    }


def test_authors_are_who_said_it():
    indexed = index(
        resourceType="QuestionnaireResponse",
        author={"reference": "Practitioner/1"},
        source={"reference": "Patient/2"},
        subject={"reference": "Patient/3"},
    )
    assert indexed.authors == {(KIND["Practitioner"], "1"), (KIND["Patient"], "2")}


def test_rows_of_a_resource_are_numbered_apart():
    indexed = index(resourceType="Patient", name=[{"given": ["a", "b"]}, {"family": "c d e"}])
    for table in indexed.rows.values():
        numbers = [(row["param"], row["n"]) for row in table]
        assert len(numbers) == len(set(numbers))

"""FHIRPath Patch does what R4 says of each operation."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given as with_any
from hypothesis import strategies as st

from app.core.errors import AppError, Category
from app.fhir import json
from app.fhir.patch import fhirpath_patch
from app.fhir.patch.document import copy

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "1",
    "name": [
        {"use": "official", "family": "A", "given": ["B", "C"], "_given": [None, {"id": "c"}]}
    ],
    "identifier": [{"value": "1"}, {"value": "2"}, {"value": "3"}],
    "birthDate": "2000",
    "_birthDate": {"extension": [{"url": "t", "valueString": "x"}]},
    "contact": [{"name": {"text": "N"}}],
    "extension": [{"url": "d", "valueDecimal": json.number("1.50")}],
    "deceasedBoolean": True,
    "maritalStatus": {"text": "m"},
}


def operation(type: str, path: str | None = None, **parts: Any) -> dict[str, Any]:
    """One operation; a value is ``{"valueX": …}``, other parts plain strings or integers."""
    given: list[dict[str, Any]] = [{"name": "type", "valueCode": type}]
    if path is not None:
        given.append({"name": "path", "valueString": path})
    for name, value in parts.items():
        if isinstance(value, dict):
            given.append({"name": name, **value})
        else:
            key = "valueInteger" if isinstance(value, int) else "valueString"
            given.append({"name": name, key: value})
    return {"name": "operation", "part": given}


def patched(*operations: dict[str, Any]) -> dict[str, Any]:
    before = copy(PATIENT)
    parameters = {"resourceType": "Parameters", "parameter": list(operations)}
    result = fhirpath_patch.apply(PATIENT, parameters)
    assert json.same(PATIENT, before)
    assert str(PATIENT["extension"][0]["valueDecimal"]) == "1.50"
    return result


def refused(*operations: Any) -> list[tuple[str, str]]:
    with pytest.raises(AppError) as error:
        fhirpath_patch.apply(PATIENT, {"resourceType": "Parameters", "parameter": list(operations)})
    assert error.value.category is Category.UNPROCESSABLE
    return [(issue.diagnostics, issue.expression) for issue in error.value.issues]


def test_add_a_simple_element_an_item_and_a_choice() -> None:
    result = patched(
        operation("add", "Patient", name="gender", value={"valueCode": "female"}),
        operation("add", "Patient", name="identifier", value={"valueIdentifier": {"value": "4"}}),
        operation("add", "Patient", name="multipleBirth", value={"valueInteger": 2}),
        operation("add", "Patient.name[0]", name="given", value={"valueString": "D"}),
        operation(
            "add", "Patient.maritalStatus", name="coding", value={"valueCoding": {"code": "M"}}
        ),
    )
    assert result["gender"] == "female"
    assert [item["value"] for item in result["identifier"]] == ["1", "2", "3", "4"]
    assert result["multipleBirthInteger"] == 2
    assert result["name"][0]["given"] == ["B", "C", "D"]
    assert result["name"][0]["_given"] == [None, {"id": "c"}, None]
    assert result["maritalStatus"] == {"text": "m", "coding": [{"code": "M"}]}


def test_add_an_anonymous_type_by_parts() -> None:
    value = {
        "part": [
            {"name": "relationship", "valueCodeableConcept": {"text": "r"}},
            {"name": "relationship", "valueCodeableConcept": {"text": "s"}},
            {"name": "name", "part": [{"name": "family", "valueString": "F"}]},
            {"name": "gender", "valueCode": "male", "_valueCode": {"id": "g"}},
        ]
    }
    assert patched(operation("add", "Patient", name="contact", value=value))["contact"][1] == {
        "relationship": [{"text": "r"}, {"text": "s"}],
        "name": {"family": "F"},
        "gender": "male",
        "_gender": {"id": "g"},
    }


def test_add_an_extension_to_a_primitive_and_a_contained_resource() -> None:
    extension = {
        "part": [{"name": "url", "valueUri": "u"}, {"name": "value", "valueString": "v"}],
    }
    result = patched(
        operation("add", "Patient.birthDate", name="extension", value=extension),
        operation("add", "Patient.name.given[0]", name="extension", value=extension),
        operation(
            "add",
            "Patient",
            name="contained",
            value={"resource": {"resourceType": "Organization", "id": "o"}},
        ),
    )
    assert result["_birthDate"]["extension"][1] == {"url": "u", "valueString": "v"}
    assert result["name"][0]["_given"] == [
        {"extension": [{"url": "u", "valueString": "v"}]},
        {"id": "c"},
    ]
    assert result["contained"] == [{"resourceType": "Organization", "id": "o"}]


def test_insert_moves_the_rest() -> None:
    result = patched(
        operation(
            "insert", "Patient.identifier", index=1, value={"valueIdentifier": {"value": "n"}}
        ),
        operation("insert", "Patient.name.given", index=0, value={"valueString": "Z"}),
        operation(
            "insert", "Patient.telecom", index=0, value={"valueContactPoint": {"value": "t"}}
        ),
    )
    assert [item["value"] for item in result["identifier"]] == ["1", "n", "2", "3"]
    assert result["name"][0]["given"] == ["Z", "B", "C"]
    assert result["name"][0]["_given"] == [None, None, {"id": "c"}]
    assert result["telecom"] == [{"value": "t"}]


def test_delete() -> None:
    result = patched(
        operation("delete", "Patient.birthDate"),
        operation("delete", "Patient.identifier[1]"),
        operation("delete", "Patient.contact[0].name.text"),
        operation("delete", "Patient.name.given[0]"),
        operation("delete", "Patient.nothing"),
        operation("delete", "Patient.deceased"),
    )
    assert {"birthDate", "_birthDate", "contact", "deceasedBoolean"}.isdisjoint(result)
    assert [item["value"] for item in result["identifier"]] == ["1", "3"]
    assert result["name"][0]["given"] == ["C"]
    assert result["name"][0]["_given"] == [{"id": "c"}]


def test_delete_the_extension_of_a_primitive_keeps_the_primitive() -> None:
    result = patched(operation("delete", "Patient.birthDate.extension('t')"))
    assert result["birthDate"] == "2000"
    assert "_birthDate" not in result


def test_replace() -> None:
    result = patched(
        operation("replace", "Patient.birthDate", value={"valueDate": "2001"}),
        operation(
            "replace", "Patient.name.where(use='official').family", value={"valueString": "Q"}
        ),
        operation("replace", "Patient.name[0].given[1]", value={"valueString": "R"}),
        operation("replace", "Patient.deceased", value={"valueDateTime": "2020"}),
        operation("replace", "Patient.identifier[0]", value={"valueIdentifier": {"value": "x"}}),
        operation(
            "replace",
            "Patient.contact[0].name",
            value={"part": [{"name": "text", "valueString": "P"}]},
        ),
    )
    assert result["birthDate"] == "2001"
    assert "_birthDate" not in result
    assert result["name"][0] == {"use": "official", "family": "Q", "given": ["B", "R"]}
    assert result["deceasedDateTime"] == "2020"
    assert list(result).index("deceasedDateTime") == list(PATIENT).index("deceasedBoolean") - 1
    assert result["identifier"][0] == {"value": "x"}
    assert result["contact"] == [{"name": {"text": "P"}}]


@pytest.mark.parametrize(
    "source, destination, order", [(0, 2, "231"), (2, 0, "312"), (1, 1, "123"), (0, 1, "213")]
)
def test_move(source: int, destination: int, order: str) -> None:
    move = operation("move", "Patient.identifier", source=source, destination=destination)
    assert "".join(item["value"] for item in patched(move)["identifier"]) == order


VALUE = {"valueString": "v"}
AT = "Parameters.parameter[0]"


@pytest.mark.parametrize(
    "given, why",
    [
        (
            operation("add", "Patient", name="birthDate", value={"valueDate": "2"}),
            "operation 0 (add): the element exists and does not repeat",
        ),
        (
            operation("add", "Patient", name="deceased", value={"valueDateTime": "2"}),
            "operation 0 (add): the element exists and does not repeat",
        ),
        (
            operation("add", "Patient", name="colour", value=VALUE),
            "operation 0 (add): the type has no element of this name",
        ),
        (
            operation("add", "Patient.identifier", name="value", value=VALUE),
            "operation 0 (add): path finds 3 elements, one is due",
        ),
        (
            operation("add", "Patient", name="multipleBirth", value=VALUE),
            "operation 0 (add): the value is of a type that the element does not take",
        ),
        (
            operation("add", "Patient", name="photo", value={"valueFoo": 1}),
            "operation 0 (add): the value is of a type that the element does not take",
        ),
        (
            operation("add", "Patient", name="contact", value={"part": [{"name": "x", **VALUE}]}),
            "operation 0 (add): a part of the value is no element of its type",
        ),
        (
            operation("add", "Patient", name="contact", value={}),
            "operation 0 (add): the value is empty or of no type",
        ),
        (operation("add", "Patient", name="gender"), "operation 0 (add): value is missing"),
        (
            operation(
                "insert", "Patient.identifier", index=4, value={"valueIdentifier": {"value": "n"}}
            ),
            "operation 0 (insert): index is past the end of the list",
        ),
        (
            operation("insert", "Patient.birthDate", index=0, value=VALUE),
            "operation 0 (insert): the element is not a list",
        ),
        (
            operation("insert", "Patient.identifier[0]", index=0, value=VALUE),
            "operation 0 (insert): path does not end in the name of a list",
        ),
        (
            operation("delete", "Patient.identifier"),
            "operation 0 (delete): path finds 3 elements, one is due",
        ),
        (
            operation("delete", "Patient"),
            "operation 0 (delete): path does not lead to an element inside the resource",
        ),
        (
            operation("replace", "Patient.gender", value={"valueCode": "x"}),
            "operation 0 (replace): path finds 0 elements, one is due",
        ),
        (
            operation("move", "Patient.identifier", source=0, destination=3),
            "operation 0 (move): source or destination is past the end of the list",
        ),
        (
            operation("merge", "Patient"),
            "operation 0: type is none of add insert delete replace move",
        ),
        (operation("delete"), "operation 0 (delete): path is not a string"),
        (operation("delete", "Patient.descendants()"), "FHIRPath: function before 21 is not known"),
        ({"name": "other"}, "operation 0: the parameter is not named operation"),
        (
            {"name": "operation", "part": [{"name": "type"}, {"name": "type"}]},
            "operation 0: a part has no name of its own",
        ),
        (7, "operation 0: the parameter is not named operation"),
    ],
)
def test_refusals_name_the_operation(given: Any, why: str) -> None:
    assert refused(given) == [(why, AT)]


def test_every_malformed_operation_is_named_at_once() -> None:
    assert refused(operation("insert", "Patient.name"), operation("move", "Patient.name")) == [
        ("operation 0 (insert): index is not an index from 0", "Parameters.parameter[0]"),
        ("operation 0 (insert): value is missing", "Parameters.parameter[0]"),
        ("operation 1 (move): source is not an index from 0", "Parameters.parameter[1]"),
        ("operation 1 (move): destination is not an index from 0", "Parameters.parameter[1]"),
    ]


@pytest.mark.parametrize(
    "patch", [[], {"resourceType": "Patient"}, {"resourceType": "Parameters", "parameter": []}]
)
def test_what_is_no_patch(patch: Any) -> None:
    with pytest.raises(AppError):
        fhirpath_patch.apply(PATIENT, patch)


PATHS = [
    "Patient",
    "Patient.name",
    "Patient.name[0].given",
    "Patient.name.given[1]",
    "Patient.birthDate.extension",
    "Patient.contact.name",
    "Patient.extension.value",
    "Patient.birthDate.exists()",
    "true",
]
NAMES = ["name", "given", "extension", "value", "birthDate", "contact", "resourceType", "id"]
leaves = st.sampled_from([None, True, 0, 1, "x", [], {}, [None], {"value": "v"}])
parts = st.recursive(
    st.dictionaries(
        st.sampled_from(["name", "valueString", "_valueString", "valueFoo", "value", "resource"]),
        leaves | st.sampled_from(NAMES),
        max_size=3,
    ),
    lambda inner: st.fixed_dictionaries(
        {"name": st.sampled_from(NAMES), "part": st.lists(inner, max_size=2)}
    ),
    max_leaves=4,
)
operations = st.builds(
    operation,
    st.sampled_from(["add", "insert", "delete", "replace", "move"]),
    st.sampled_from(PATHS),
    name=st.sampled_from(NAMES),
    index=st.integers(0, 3),
    source=st.integers(0, 3),
    destination=st.integers(0, 3),
    value=parts,
)


@with_any(st.lists(operations | parts | leaves, max_size=4))
def test_any_patch_applies_or_is_refused(patch: list[Any]) -> None:
    before = copy(PATIENT)
    with suppress(AppError):
        fhirpath_patch.apply(PATIENT, {"resourceType": "Parameters", "parameter": patch})
    assert json.same(PATIENT, before)

"""JSON Patch does what RFC 6902 says, within bounds, and leaves its inputs alone."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import AppError, Category
from app.fhir import json
from app.fhir.patch import json_patch, merge_patch
from app.fhir.patch.document import copy

TREE: dict[str, Any] = {
    "resourceType": "Patient",
    "name": [{"family": "A", "given": ["B", "C"]}, {"family": "D"}],
    "a/b": 1,
    "m~n": 2,
    "extension": [{"url": "x", "valueDecimal": json.number("1.50")}],
}


def op(name: str, path: str, **rest: Any) -> dict[str, Any]:
    return {"op": name, "path": path, **{key.rstrip("_"): value for key, value in rest.items()}}


def changed(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in (TREE | changes).items() if value is not ...}


@pytest.mark.parametrize(
    "operations, expected",
    [
        ([op("add", "/active", value=True)], changed(active=True)),
        (
            [op("add", "/a~1b", value=3), op("replace", "/m~0n", value=4)],
            changed(**{"a/b": 3, "m~n": 4}),
        ),
        (
            [op("add", "/name/1", value={"family": "N"})],
            changed(name=[TREE["name"][0], {"family": "N"}, TREE["name"][1]]),
        ),
        (
            [op("add", "/name/-", value={"family": "N"})],
            changed(name=[*TREE["name"], {"family": "N"}]),
        ),
        (
            [op("add", "/name/2", value={"family": "N"})],
            changed(name=[*TREE["name"], {"family": "N"}]),
        ),
        ([op("remove", "/name/0")], changed(name=[TREE["name"][1]])),
        ([op("remove", "/name/0"), op("remove", "/name/0")], changed(name=...)),
        ([op("remove", "/name/1/family")], changed(name=[TREE["name"][0]])),
        (
            [
                op("remove", "/name/0"),
                op("remove", "/name/0"),
                op("add", "/name/-", value={"text": "x"}),
            ],
            changed(name=[{"text": "x"}]),
        ),
        ([op("replace", "/name", value=[])], changed(name=[])),
        (
            [op("move", "/name/1", from_="/name/0")],
            changed(name=[TREE["name"][1], TREE["name"][0]]),
        ),
        ([op("move", "/name/0", from_="/name/0")], TREE),
        ([op("copy", "/x", from_="/name/1/family")], changed(x="D")),
        ([op("test", "/extension/0/valueDecimal", value=json.number("1.5"))], TREE),
        ([op("test", "/name/1", value={"family": "D"})], TREE),
        ([op("replace", "", value={"resourceType": "Patient"})], {"resourceType": "Patient"}),
        ([], TREE),
        ([op("add", "/x", value=None)], changed(x=None)),
    ],
)
def test_operations(operations: list[Any], expected: dict[str, Any]) -> None:
    assert json.same(json_patch.apply(TREE, operations), expected)


@pytest.mark.parametrize(
    "operations, diagnostics",
    [
        ({}, "a JSON Patch is an array of operations"),
        ([op("remove", "/nothing")], "operation 0 (remove): path does not exist"),
        ([op("replace", "/nothing", value=1)], "operation 0 (replace): path does not exist"),
        ([op("add", "/no/thing", value=1)], "operation 0 (add): path does not exist"),
        ([op("add", "/name/3", value=1)], "operation 0 (add): path is past the end of an array"),
        (
            [op("replace", "/name/2", value=1)],
            "operation 0 (replace): path is past the end of an array",
        ),
        (
            [op("remove", "/name/-")],
            "operation 0 (remove): path has no array index where an array is",
        ),
        (
            [op("add", "/name/01", value=1)],
            "operation 0 (add): path has no array index where an array is",
        ),
        (
            [op("test", "/a~1b", value=True)],
            "operation 0 (test): the value is not the expected one",
        ),
        ([op("copy", "/x", from_="/nothing")], "operation 0 (copy): from does not exist"),
        (
            [op("move", "/name/0/x", from_="/name/0")],
            "operation 0 (move): a value cannot be moved into itself",
        ),
        ([op("remove", "")], "operation 0 (remove): the whole resource cannot be removed"),
        ([op("replace", "", value=[])], "the result is not a JSON object"),
        ([op("add", "/x", value=0)] * 1001, "more than 1000 operations"),
    ],
)
def test_refusals(operations: Any, diagnostics: str) -> None:
    with pytest.raises(AppError) as refused:
        json_patch.apply(TREE, operations)
    assert refused.value.category is Category.UNPROCESSABLE
    assert [issue.diagnostics for issue in refused.value.issues] == [diagnostics]


def test_every_malformed_operation_is_named_at_once() -> None:
    patch = [
        1,
        {"op": "merge", "path": ""},
        {"op": "add", "path": "x"},
        {"op": "move", "path": "/a~2", "from": 3},
    ]
    with pytest.raises(AppError) as refused:
        json_patch.apply(TREE, patch)
    assert [issue.diagnostics for issue in refused.value.issues] == [
        "operation 0: not an object",
        "operation 1: op is none of add remove replace move copy test",
        "operation 2: path is not a JSON Pointer",
        "operation 2: value is missing",
        "operation 3: path is not a JSON Pointer",
        "operation 3: from is not a JSON Pointer",
    ]


def test_copies_of_copies_are_bounded() -> None:
    patch = [op("add", "/x", value=["y" * 1000])]
    patch += [op("copy", "/x/-", from_="/x")] * 60
    with pytest.raises(AppError) as refused:
        json_patch.apply(TREE, patch)
    assert refused.value.issues[0].code == "too-costly"


def test_depth_is_bounded() -> None:
    patch = [op("add", "/x", value={})]
    patch += [op("add", "/x" * depth, value={}) for depth in range(2, 200)]
    with pytest.raises(AppError) as refused:
        json_patch.apply(TREE, patch)
    assert refused.value.issues[0].code == "too-costly"


def test_inputs_stay_unchanged_and_share_nothing_mutable() -> None:
    tree, value = copy(TREE), {"family": "N"}
    patch = [op("add", "/name/-", value=value), op("replace", "/name/2/family", value="changed")]
    result = json_patch.apply(tree, patch)
    assert value == {"family": "N"}
    assert json.same(tree, TREE)
    assert result["name"][2] == {"family": "changed"}
    assert str(result["extension"][0]["valueDecimal"]) == "1.50"


POINTERS = [
    "",
    "/",
    "/name",
    "/name/0",
    "/name/-",
    "/name/0/given/1",
    "/x",
    "/a~1b",
    "/extension/0",
]
operation_texts = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"])},
    optional={
        "path": st.sampled_from(POINTERS) | st.none(),
        "from": st.sampled_from(POINTERS),
        "value": st.sampled_from([None, 1, "x", {}, [], {"family": "Z"}, TREE["name"]]),
    },
)


@given(st.lists(operation_texts, max_size=6))
def test_any_patch_applies_or_is_refused(patch: list[Any]) -> None:
    before = copy(TREE)
    with suppress(AppError):
        json_patch.apply(TREE, patch)
    assert json.same(before, TREE)


@pytest.mark.parametrize(
    "patch, expected",
    [
        ({"active": True}, changed(active=True)),
        ({"name": None}, changed(name=...)),
        ({"name": [{"family": "E"}]}, changed(name=[{"family": "E"}])),
        ({"meta": {"source": "x", "tag": None}}, changed(meta={"source": "x"})),
        ({"meta": {"tag": None}}, TREE),
        ({"a/b": {"c": 1}}, changed(**{"a/b": {"c": 1}})),
        ({}, TREE),
    ],
)
def test_merge_patch(patch: dict[str, Any], expected: dict[str, Any]) -> None:
    before = copy(TREE)
    assert json.same(merge_patch.apply(TREE, patch), expected)
    assert json.same(before, TREE)


def test_merge_patch_is_an_object() -> None:
    with pytest.raises(AppError):
        merge_patch.apply(TREE, [])

"""Inputs are read against what is declared, outputs are exact."""

from __future__ import annotations

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import AppError, Category
from app.fhir import json
from app.fhir.parameters import (
    Input,
    boolean,
    decimal,
    exact,
    group,
    integer,
    parameters,
    read,
    reference,
    value,
)
from app.fhir.validation import check

DECLARED = (
    Input("rule", "code", required=True, codes=frozenset(("a", "b"))),
    Input("value", "decimal", repeats=True),
    Input("window", "integer"),
    Input("strict", "boolean"),
    Input("since", "dateTime"),
    Input("who", "Reference"),
    Input("response", "resource"),
)


def posted(*parts):
    return json.dumps({"resourceType": "Parameters", "parameter": list(parts)})


def refusal(**given):
    with pytest.raises(AppError) as caught:
        read(DECLARED, **given)
    issues = [(issue.code, issue.expression) for issue in caught.value.issues]
    return caught.value.category, issues


def test_a_body_and_a_query_say_the_same():
    body = posted(
        {"name": "rule", "valueCode": "a"},
        {"name": "value", "valueDecimal": 1.5},
        {"name": "value", "valueInteger": 2},
        {"name": "window", "valueInteger": 3},
        {"name": "strict", "valueBoolean": True},
        {"name": "since", "valueDateTime": "2026-01-05"},
        {"name": "who", "valueReference": {"reference": "Patient/a"}},
    )
    query = [
        ("rule", "a"), ("value", "1.5"), ("value", "2"), ("window", "3"), ("strict", "true"),
        ("since", "2026-01-05"), ("who", "Patient/a"), ("_format", "json"),
    ]  # fmt: skip
    one, other = read(DECLARED, body=body), read(DECLARED, query=query)
    assert [(each.name, each.value) for each in one.given] == [
        (each.name, each.value) for each in other.given
    ]
    assert [each.value for each in one.named("value")] == [Decimal("1.5"), Decimal(2)]
    assert one.get("window") == 3
    assert one.get("response") is None


def test_the_one_resource_may_stand_alone():
    found = read(DECLARED[1:], body=json.dumps({"resourceType": "Patient", "id": "x"}))
    assert found.get("response") == {"resourceType": "Patient", "id": "x"}


def test_a_code_may_come_as_a_string_or_a_coding():
    for part in ({"valueString": "a"}, {"valueCoding": {"system": "s", "code": "a"}}):
        assert read(DECLARED, body=posted({"name": "rule", **part})).get("rule") == "a"


@pytest.mark.parametrize(
    "query, code",
    [
        (("window", "3.5"), "value"),
        (("window", "٣"), "value"),
        (("value", "1e5"), "value"),
        (("value", "NaN"), "value"),
        (("strict", "yes"), "value"),
        (("since", "yesterday"), "value"),
        (("response", "{}"), "value"),
        (("rule", ""), "value"),
    ],
)
def test_text_that_cannot_be_read(query, code):
    pairs = [query] if query[0] == "rule" else [("rule", "a"), query]
    place = f"Parameters.parameter.where(name='{query[0]}')"
    assert refusal(query=pairs) == (Category.INVALID, [(code, place)])


def test_every_complaint_at_once():
    category, issues = refusal(
        body=posted(
            {"name": "colour", "valueCode": "red"},
            {"name": "window", "valueDecimal": 1.5},
            {"name": "strict", "valueBoolean": True},
            {"name": "strict", "valueBoolean": False},
        )
    )
    assert category is Category.UNPROCESSABLE
    assert issues == [
        ("not-supported", "Parameters.parameter[0]"),
        ("value", "Parameters.parameter[1]"),
        ("duplicate", "Parameters.parameter[3].value"),
        ("required", "Parameters.parameter.where(name='rule')"),
    ]


def test_a_body_that_is_no_parameters_resource():
    assert refusal(body=b"[]")[0] is Category.INVALID
    with pytest.raises(AppError) as caught:
        read(DECLARED[:2], body=b'{"resourceType": "Patient"}')
    assert caught.value.category is Category.INVALID
    assert refusal(body=posted({"valueCode": "a"}))[0] is Category.UNPROCESSABLE


@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode))
def test_no_body_raises_anything_else(body):
    with contextlib.suppress(AppError):
        read(DECLARED, body=body)


@given(st.lists(st.tuples(st.sampled_from([each.name for each in DECLARED]), st.text())))
def test_no_query_raises_anything_else(query):
    with contextlib.suppress(AppError):
        read(DECLARED, query=query)


@given(st.decimals(-10_000, 10_000, places=12))
def test_a_decimal_goes_out_at_ten_places_and_comes_back_the_same(number):
    written = exact(number)
    text = json.dumps({"v": written})
    assert abs(Decimal(str(written)) - number) <= Decimal("5e-11")
    assert json.same(json.parse(text)["v"], written)


def test_what_is_not_there_is_left_out_and_the_rest_is_valid():
    tree = parameters(
        decimal("a", None),
        value("b", "code", None),
        [group("c", integer("d", 1), decimal("e", Decimal("1.50"))), group("f")],
        reference("g", "Patient/1"),
        boolean("h", value=False),
    )
    assert tree == {
        "resourceType": "Parameters",
        "parameter": [
            {
                "name": "c",
                "part": [
                    {"name": "d", "valueInteger": 1},
                    {"name": "e", "valueDecimal": tree["parameter"][0]["part"][1]["valueDecimal"]},
                ],
            },
            {"name": "g", "valueReference": {"reference": "Patient/1"}},
            {"name": "h", "valueBoolean": False},
        ],
    }
    assert b'"valueDecimal":1.5}' in json.dumps(tree)
    assert check(json.parse_resource(json.dumps(tree)), "Parameters") == []
    assert parameters() == {"resourceType": "Parameters"}

"""What ``extract`` indexes, ``predicate`` finds: each parameter type against the model.

All values are asked for with all questions, so that every boundary meets every prefix.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, insert, or_, select
from sqlalchemy.pool import StaticPool

from app.db.tables.indexes import idx_token
from app.fhir import paths
from app.fhir.json import number, to_decimal
from app.fhir.registry import REGISTRY
from app.search import expression, numbers, secrecy
from app.search.expression import Keyed, Not, Param
from app.search.folding import fold
from app.search.parameters import TYPES, index_number
from app.search.types import Asked
from tests.support.sealing import INDEX_KEY
from tests.support.search_model import _passes as model_passes
from tests.support.searching import BASE, NOW

ENGINE = create_engine("sqlite://", poolclass=StaticPool)


def found(type_name: str, code: str, values: Sequence[Any], text: str, modifier: str) -> set[int]:
    """Which of the values (JSON of the parameter's element) a text finds."""
    name, element = ELEMENTS[code]
    parameter = REGISTRY[name].search[code]
    type_ = TYPES[parameter.type]
    asked = Asked(REGISTRY[name].code, parameter, BASE, NOW)
    node = type_.read(text.split(","), modifier, asked)
    negated, node = isinstance(node, Not), node.item if isinstance(node, Not) else node
    assert isinstance(node, Param)
    table = type_.INDEXES[node.index]
    param = index_number(asked.kind, code, node.index)
    columns = [c.name for c in table.columns if c.name not in FRAME]
    path = paths.compile(parameter.expression)
    rows = [
        dict(zip(columns, row, strict=True))
        | {"tenant": 1, "rid": position, "param": param, "n": n, "position": 0}
        for position, value in enumerate(values)
        for n, (index, row) in enumerate(
            type_.extract(path.nodes({"resourceType": name, **element(value)}), BASE)
        )
        if index == node.index
    ]
    if table is idx_token:
        stored = secrecy.at_rest({table.name: rows}, tenant=1, kind=asked.kind, key=INDEX_KEY)
        rows = stored[table.name]
    with ENGINE.begin() as connection:
        table.drop(connection, checkfirst=True)
        table.create(connection)
        if rows:
            connection.execute(insert(table), rows)
        passing = or_(*(type_.predicate(table.c, _hashed(test)) for test in node.tests))
        hits = set(connection.scalars(select(table.c.rid).where(passing)))
    return set(range(len(values))) - hits if negated else hits


def _hashed(test: expression.Test) -> expression.Test:
    """The test as it is asked of the index."""
    values = [INDEX_KEY.hashed(1, v) if isinstance(v, Keyed) else v for v in test.values]
    return expression.Test(test.form, tuple(values))


FRAME = {"tenant", "rid", "param", "n", "position"}
ELEMENTS: dict[str, tuple[str, Any]] = {
    "date": (
        "Observation",
        lambda v: {"effectiveDateTime" if isinstance(v, str) else "effectivePeriod": v},
    ),
    "value-quantity": ("Observation", lambda v: {"valueQuantity": v}),
    "name": ("Patient", lambda v: {"name": [{"text": v}]}),
    "value-string": ("Observation", lambda v: {"valueString": v}),
    "identifier": ("Patient", lambda v: {"identifier": [v]}),
    "code": ("Observation", lambda v: {"code": v}),
    "status": ("Observation", lambda v: {"status": v}),
    "subject": ("Observation", lambda v: {"subject": v}),
    "questionnaire": ("QuestionnaireResponse", lambda v: {"questionnaire": v}),
    "url": ("Questionnaire", lambda v: {"url": v}),
}
PREFIXES = ["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"]
DATES = [
    "2023", "2024", "2024-02", "2024-02-29", "2024-03", "2024-03-01", "2024-12-31", "2024-12",
    "2025-01-01", "2025-01-01T00:00:00Z", "2024-12-31T23:59:59Z", "2025-01-01T02:00:00+02:00",
    "2024-12-31T23:59:59.999Z",
]  # fmt: skip
PERIODS = [
    {"start": "2024-02-29", "end": "2024-03"},
    {"start": "2024", "end": "2024"},
    {"start": "2024-12-31T23:59:59Z"},
    {"end": "2024-12-31"},
    {"start": "2023-12-31", "end": "2025-01-01"},
]
NUMBERS = [
    "0", "-0", "0.00", "1", "-1", "1.0", "0.95", "1.05", "1.049", "-1.05", "10", "9.5", "100",
    "99.5", "100.5", "99.4999999999999999999999", "1e2", "1.0e2",
    "123456789012345678901234.5", "123456789012345678901234.6", "-0.0000001",
]  # fmt: skip
UNITS: list[dict[str, str]] = [
    {},
    {"unit": "kg"},
    {"system": "http://u", "code": "kg"},
    {"system": "http://v", "code": "kg", "unit": "kilos"},
]
SYSTEMS = ["http://a", "http://b", ""]


def check(
    code: str, type_name: str, values: Sequence[Any], asked: Iterable[tuple[str, str]]
) -> None:
    owner = ELEMENTS[code][0]
    for text, modifier in asked:
        expected = {
            position
            for position, value in enumerate(values)
            if any(model_passes(type_name, modifier, value, t, owner) for t in text.split(","))
        }
        assert found(type_name, code, values, text, modifier) == expected, (text, modifier)


def test_dates_meet_every_prefix():
    asked = [(f"{prefix}{date}", "") for prefix, date in product(PREFIXES, DATES)]
    check("date", "date", [*DATES, *PERIODS], [*asked, ("2023,gt2024-12-31", "")])


def test_numbers_meet_every_prefix():
    values = [{"value": number(text)} for text in NUMBERS]
    asked = [(f"{prefix}{text}", "") for prefix, text in product(PREFIXES, NUMBERS)]
    check("value-quantity", "quantity", values, asked)


def test_quantities_meet_every_unit():
    values = [{"value": number(text)} | unit for text, unit in product(["1", "2"], UNITS)]
    units = ["", "||kg", "||kilos", "|http://u|kg", "|http://v|kg", "|http://v|kilos"]
    asked = [
        (f"{prefix}{text}{unit}", "") for prefix, text, unit in product(["", "gt"], ["1"], units)
    ]
    check("value-quantity", "quantity", values, asked)


@pytest.mark.parametrize("modifier", ["", "exact", "contains"])
@given(
    values=st.lists(st.text(st.sampled_from("aAäÄßsS %_!\\|"), min_size=1, max_size=6), max_size=8),
    text=st.text(st.sampled_from("aAäÄßsS %_!"), min_size=1, max_size=4),
)
def test_strings(modifier: str, values: list[str], text: str):
    check("value-string", "string", values, [(text, modifier)])


@given(
    values=st.lists(
        st.lists(st.sampled_from(["Anna", "Maria", "Möller", "de"]), min_size=1), max_size=6
    ),
    text=st.sampled_from(["anna", "maria an", "MOLL", "e", "de anna", "Maria"]),
    modifier=st.sampled_from(["", "exact", "contains"]),
)
def test_words_of_names(values: list[list[str]], text: str, modifier: str):
    check("name", "words", [" ".join(words) for words in values], [(text, modifier)])


def test_tokens():
    identifiers = [
        {key: value for key, value in (("system", s), ("value", v)) if value}
        for s, v in product(SYSTEMS, ["1", "a|b", ""])
        if s or v
    ]
    asked = [f"{s}|{v}" for s, v in product(SYSTEMS, ["1", "2", ""]) if s or v]
    check("identifier", "token", identifiers, [(text, "") for text in [*asked, "1", "1,2", *PAIRS]])


PAIRS = ["http://a|1,http://b|1", "http://a|2,http://b|1", "http://a|,|1", "http://a|1,1"]


def test_codes_have_the_system_that_their_binding_implies():
    system = "http://hl7.org/fhir/observation-status"
    asked = [
        "final",
        f"{system}|final",
        f"{system}|",
        "http://a|final",
        f"{system}|final,{system}|amended",
    ]
    check("status", "token", ["final", "amended"], [(text, "") for text in asked])


def test_concepts_and_their_words():
    concepts = [
        {"coding": [{"code": "x", "display": "Ex"}, {"system": "http://a", "code": "y"}]},
        {"text": "Ex post"},
        {"coding": [{"display": "why"}]},
    ]
    check("code", "token", concepts, [("x", ""), ("http://a|x", ""), ("y,x", ""), ("|x", "")])
    check("code", "token", concepts, [("ex", "text"), ("wh", "text"), ("post", "text")])


def test_references():
    references = [
        {"reference": f"{name}/{id}"} for name, id in product(["Patient", "Group"], ["1", "2"])
    ]
    references.append({"display": "nobody"})
    texts = [
        "1",
        "Patient/1",
        "Group/1",
        "Patient/1,Group/2",
        "1,Group/2",
        "Patient/1,Patient/2",
        "3",
    ]
    check("subject", "reference", references, [(text, "") for text in texts])
    check("subject", "reference", references, [("1", "Patient"), ("1,2", "Group"), ("1", "Device")])


def test_canonicals():
    urls = [f"http://q/{name}{version}" for name, version in product(["a", "b"], ["", "|1", "|2"])]
    check(
        "questionnaire", "reference", urls, [(text, "") for text in [*urls, f"{urls[1]},{urls[3]}"]]
    )


def test_uris():
    urls = ["http://a", "http://a/b", "http://a/b/c", "http://ab", "urn:oid:1.2"]
    check("url", "uri", urls, [(url, "") for url in [*urls, "http://a,http://ab"]])
    check("url", "uri", urls, [(url, "below") for url in urls[:4]])


decimals = st.decimals(allow_nan=False, allow_infinity=False, places=None) | st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent),
    st.integers(-(10**25), 10**25),
    st.integers(-30, 30),
)


@given(decimals, decimals)
def test_numbers_sort_as_their_text(left: Decimal, right: Decimal):
    assert (numbers.encode(left) < numbers.encode(right)) == (left < right)
    assert (numbers.encode(left) == numbers.encode(right)) == (left == right)


@given(decimals)
def test_the_implicit_range_is_half_a_unit_to_both_sides(value: Decimal):
    low, high = numbers.implicit_range(value)
    assert low < value < high
    assert value - low == high - value
    digits = to_decimal(number("1e" + str(value.as_tuple().exponent)))
    assert high - low == digits


@given(st.text(max_size=20))
def test_folding_is_stable(text: str):
    assert fold(fold(text)) == fold(text)
    assert fold(text.upper()) == fold(text.upper().lower())

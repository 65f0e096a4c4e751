"""What a query string is understood as, and every complaint about one that is not."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import AppError, Category
from app.fhir.registry import REGISTRY
from app.search import expression, parser, secrecy
from app.search.expression import (
    And,
    Chain,
    Compartment,
    Composite,
    Has,
    Ids,
    Missing,
    Not,
    Or,
    Param,
    Updated,
)
from app.search.query import Include, SortKey
from app.search.tokens import system_id
from tests.support.searching import BASE, NOW, parse

PATIENT, OBSERVATION = REGISTRY["Patient"].code, REGISTRY["Observation"].code
GROUP, PRACTITIONER = REGISTRY["Group"].code, REGISTRY["Practitioner"].code


def complaints(text: str, type_name: str | None = "Patient", **options: object) -> list[str]:
    """The issue codes and diagnostics of a refused query."""
    with pytest.raises(AppError) as caught:
        parse(text, type_name, **options)  # type: ignore[arg-type]
    assert caught.value.category is Category.INVALID
    return [f"{issue.code}: {issue.diagnostics}" for issue in caught.value.issues]


@pytest.mark.parametrize(
    "text, where",
    [
        ("_id=1,2", Ids(("1", "2"))),
        ("_id:not=1", Not(Ids(("1",)))),
        ("gender=male", Param(PATIENT, "gender", "token", (expression.Test("code", ("male",)),))),
        (
            "gender:not=male,female",
            Not(
                Param(PATIENT, "gender", "token", (expression.Test("code", (("male", "female"),)),))
            ),
        ),
        (
            r"identifier=a\|b|c\,d",
            Param(
                PATIENT,
                "identifier",
                "token",
                (expression.Test("both", (system_id("a|b"), "c,d")),),
            ),
        ),
        ("name:missing=true", Missing(PATIENT, "name", "string")),
        ("name:missing=false", Not(Missing(PATIENT, "name", "string"))),
        ("_lastUpdated=lt1970", Updated((expression.Test("lt", (0, 31_536_000_000_000)),))),
        (
            "general-practitioner:Practitioner.name=a",
            Chain(
                PATIENT,
                "general-practitioner",
                (
                    (
                        PRACTITIONER,
                        Param(
                            PRACTITIONER,
                            "name",
                            "string",
                            (expression.Test("starts", ("a", "a\U0010ffff")),),
                        ),
                    ),
                ),
            ),
        ),
        (
            "_has:Observation:patient:status=final",
            Has(
                OBSERVATION,
                "patient",
                Param(
                    OBSERVATION,
                    "status",
                    "token",
                    secrecy.keyed_tests(
                        OBSERVATION, "status", "", (expression.Test("code", ("final",)),)
                    ),
                ),
            ),
        ),
        # A type that the parameter never leads to has nothing that refers here.
        ("_has:Encounter:service-provider:status=planned", Or(())),
        ("name=", And(())),
        ("name=,", And(())),
        ("_id=1&_id=2", And((Ids(("1",)), Ids(("2",))))),
    ],
)
def test_criteria(text, where):
    assert parse(text, "Patient").where == where


def test_an_ambiguous_chain_goes_to_each_type_that_knows_the_rest():
    where = parse("subject.name=a", "Observation").where
    assert isinstance(where, Chain)
    assert [kind for kind, _ in where.targets] == [PATIENT]
    where = parse("subject.identifier=a", "Observation").where
    assert isinstance(where, Chain)
    assert {kind for kind, _ in where.targets} == {PATIENT, GROUP}


def test_a_composite_has_the_tests_of_its_components():
    where = parse("code-value-quantity=http://s|c$gt5,d$6", "Observation").where
    assert isinstance(where, Composite)
    assert where.types == ("token", "quantity")
    assert [[test.form for part in each for test in part] for each in where.alternatives] == [
        ["both", "gt"],
        ["code", "eq"],
    ]


def test_a_compartment_comes_first():
    query = parse("status=final", "Observation", compartment=("Patient", "p"))
    assert isinstance(query.where, And)
    assert query.where.items[0] == Compartment(PATIENT, "p")


def test_what_the_answer_shall_hold():
    text = (
        "_sort=-birthdate,name&_count=5&_total=accurate&_summary=text&_elements=id,name"
        "&_include=Patient:general-practitioner:Practitioner&_include:iterate=Patient:*"
        "&_revinclude=Observation:subject&_revinclude:recurse=*"
    )
    query = parse(text, "Patient")
    assert query.sort == (SortKey("birthdate", descending=True), SortKey("name", descending=False))
    assert (query.count, query.total, query.summary) == (5, "accurate", "text")
    assert query.elements == ("id", "name")
    assert query.includes == (
        Include(PATIENT, "general-practitioner", PRACTITIONER),
        Include(PATIENT, None, None, iterate=True),
    )
    assert query.revincludes == (
        Include(OBSERVATION, "subject"),
        Include(None, None, None, iterate=True),
    )


def test_the_page_size_is_capped():
    assert parse("_count=5000", "Patient", max_count=1000).count == 1000
    assert parse("", "Patient", count=7).count == 7
    assert parse("_count=0", "Patient").only_total


def test_the_self_link_shows_what_was_used():
    query = parse("gender=male&nonsense=1&name=&_format=json&_sort=name&_totalMethod=x", "Patient")
    assert query.used == (("gender", "male"), ("_sort", "name"))
    assert [warning.code for warning in query.warnings] == ["not-supported", "not-supported"]


@pytest.mark.parametrize(
    "text",
    [
        "nonsense=1",
        "_totalMethod=accurate",
        "_text=word",
        "_content=word",
        "_filter=name eq a",
        "general-practitioner.nonsense=1",
        "_has:Observation:nonsense:code=1",
        "_has:Observation:patient:nonsense=1",
        "_has:Device:patient:type=1",
        "_sort=nonsense",
        "_include=Patient:nonsense",
        "_include=Device:patient",
    ],
)
def test_what_is_not_known_is_ignored_unless_strict(text):
    query = parse(text, "Patient")
    assert query.where == And(())
    assert len(query.warnings) == 1
    assert [issue[:13] for issue in complaints(text, strict=True)] == ["not-supported"]


@pytest.mark.parametrize(
    "text, code",
    [
        ("name:nonsense=1", "not-supported"),
        ("name:=1", "not-supported"),
        ("gender:exact=male", "not-supported"),
        ("birthdate:not=2024", "not-supported"),
        ("_id:exact=1", "not-supported"),
        ("general-practitioner:Nonsense=1", "not-supported"),
        ("general-practitioner:Nonsense.name=1", "not-supported"),
        ("gender:in=http://set", "not-supported"),
        ("gender:below=http://s|x", "not-supported"),
        ("_include:nonsense=Patient:link", "not-supported"),
        ("birthdate=yesterday", "value"),
        ("birthdate=2024-02-30", "value"),
        ("birthdate=2024-13", "value"),
        ("birthdate=gt", "value"),
        ("birthdate=xx2024", "value"),
        ("identifier=a|b|c", "value"),
        ("identifier=|", "value"),
        ("identifier:of-type=a|b", "value"),
        ("name:missing=maybe", "value"),
        ("general-practitioner:Practitioner=Organization/1", "value"),
        ("name.family=a", "value"),
        ("_has:Observation:patient=1", "value"),
        ("_has:Observation:code:status=final", "value"),
        ("_has:Nonsense:patient:code=1", "value"),
        ("_count=many", "value"),
        ("_count=-1", "value"),
        ("_count=٣", "value"),
        ("_total=all", "value"),
        ("_summary=yes", "value"),
        ("_include=Patient", "value"),
        ("_include=Nonsense:link", "value"),
        ("_include=Patient:name", "value"),
        ("name=a%00b", "invalid"),
        ("name=" + "a" * 257, "value"),
        ("_sort=" + ",".join(f"-{c}" for c in list(REGISTRY["Patient"].search)[:12]), "too-costly"),
        ("birthdate=" + ",".join(["2024"] * 501), "too-costly"),
        ("identifier=" + ",".join(map(str, range(10_001))), "too-costly"),
        ("link:Patient." * 6 + "name=a", "too-costly"),
        ("_has:Patient:link:" * 6 + "name=a", "too-costly"),
        ("name=a&" * 201, "too-costly"),
        ("_has:Task:focus:" + "based-on." * 4 + "status=x", "too-costly"),
    ],
)
def test_what_is_wrong_is_refused_however_lenient(text, code):
    assert [issue.partition(":")[0] for issue in complaints(text)] == [code]


@pytest.mark.parametrize(
    "text, type_name",
    [("value-quantity=1|2", "Observation"), ("value-quantity=ten", "Observation"),
     ("code-value-quantity=a", "Observation"), ("code-value-quantity=a$1$2", "Observation"),
     ("code-value-quantity:not=a$1", "Observation"), ("url:below=urn:oid:1", "Questionnaire"),
     ("subject=Patient?name=a", "Observation"), ("subject=%231", "Observation")],
)  # fmt: skip
def test_values_of_other_types_are_refused_too(text, type_name):
    assert len(complaints(text, type_name)) == 1


def test_every_complaint_comes_at_once():
    said = complaints("birthdate=x&name:foo=1&_count=y&gender=male&nonsense=1", strict=True)
    assert [issue.partition(":")[0] for issue in said] == [
        "value",
        "not-supported",
        "value",
        "not-supported",
    ]


def test_complaints_tell_no_value():
    said = complaints("birthdate=secret&identifier:of-type=secret&name:secret2%20x=1")
    assert not any("secret" in issue for issue in said)


def test_ten_thousand_values_are_one_test():
    where = parse("identifier=" + ",".join(map(str, range(10_000))), "Patient").where
    assert isinstance(where, Param)
    assert [test.form for test in where.tests] == ["code"]


def test_the_system_is_searched_by_what_all_types_have():
    query = parse("_tag=x&_type=Patient,Group&_sort=_id", None)
    assert query.kinds == (PATIENT, GROUP)
    assert isinstance(query.where, Param)
    ignored = parse("name=x", None)
    assert ignored.where == And(())
    assert len(ignored.warnings) == 1
    assert REGISTRY["AuditEvent"].code not in parse("", None).kinds
    assert parse("_type=AuditEvent", None).kinds == (REGISTRY["AuditEvent"].code,)
    assert complaints("_type=Nonsense", None)
    assert complaints("_type=AuditEvent,CapabilityStatement", None)


def test_the_compartment_bounds_the_types_of_a_search_over_all():
    kinds = parse("", None, compartment=("Patient", "p")).kinds
    assert {PATIENT, OBSERVATION} <= set(kinds)
    assert REGISTRY["Questionnaire"].code not in kinds


class Terms:
    def expand(self, value_set):
        return [("http://s", "a"), (None, "b")] if value_set == "http://set" else None

    def above(self, system, code):
        return [code, "root"]

    def below(self, system, code):
        return [code, "leaf"]


def test_a_terminology_is_asked_for_its_sets():
    def asked(text):
        return parse(text, "Patient", terminology=Terms()).where

    assert asked("gender:in=http://set") == Param(
        PATIENT,
        "gender",
        "token",
        (expression.Test("pairs", (("a", "b"), (f"{system_id('http://s')}|a", "0|b"))),),
    )
    assert isinstance(asked("gender:not-in=http://set"), Not)
    below = asked("gender:below=http://s|x")
    assert isinstance(below, Param)
    assert below.tests[0].values[0] == ("x", "leaf")
    assert complaints("gender:in=http://other", terminology=Terms())


def test_a_condition_is_understood_whole_or_not_at_all():
    def read(*pairs):
        return parser.parse_criteria("Patient", pairs, base=BASE, now=NOW)

    assert read(("identifier", "1")).kinds == (PATIENT,)
    for pairs in [
        [("nonsense", "1")],
        [("identifier", "1"), ("nonsense", "1")],
        [("identifier", "1"), ("_sort", "name")],
        [("identifier", "1"), ("_include", "Patient:link")],
        [("identifier", "")],
        [],
    ]:
        with pytest.raises(AppError):
            read(*pairs)


def test_what_was_escaped_is_read_as_one_value():
    for text in ["a,b", "a|b", "a$b", "a\\", "\\,", ",|$\\"]:
        where = parser.parse_criteria(
            "Patient", [("name:exact", parser.escape(text))], base=BASE, now=NOW
        ).where
        assert isinstance(where, Param)
        assert where.tests[0].values[1] == (text,)


names = st.sampled_from(
    [*REGISTRY["Observation"].search, "subject.name", "_has:Provenance:target:recorded", "_sort",
     "_include", "_revinclude", "_count", "_elements", "_summary", "_total", "_type"]
)  # fmt: skip
modifiers = st.sampled_from(
    ["", ":not", ":exact", ":contains", ":text", ":missing", ":Patient", ":identifier", ":of-type",
     ":above", ":below", ":in", ":iterate", ":", ".", "..", ":Patient.name"]
)  # fmt: skip


@given(
    st.lists(
        st.tuples(st.builds(str.__add__, names, modifiers) | st.text(), st.text()), max_size=4
    ),
    st.sampled_from(["Observation", "Patient", None]),
)
def test_no_query_raises_anything_but_a_refusal(pairs, type_name):
    with suppress(AppError):
        parser.parse(pairs, type_name=type_name, base=BASE, now=NOW)


LONG = 200_000


@pytest.mark.parametrize("piece", ["9", "2024-", "|", "$", "\\", "\\,a", "a:", "+", "http://a/"])
@pytest.mark.parametrize(
    "name",
    ["date", "value-quantity", "code", "subject", "code-value-date", "code:text", "_profile"],
)
def test_hostile_text_is_read_in_linear_time(name, piece):
    # Where a pattern tried again from every character this would not end.
    with suppress(AppError):
        parser.parse([(name, piece * LONG)], type_name="Observation", base=BASE, now=NOW)

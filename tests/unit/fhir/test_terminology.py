"""Expansions: what is in a value set, and what cannot be said."""

from __future__ import annotations

import pytest

from app.core.errors import AppError
from app.fhir.terminology import code_system, expand, matching, needs, packaged, translated

SYSTEM = code_system(
    {
        "resourceType": "CodeSystem",
        "url": "http://s",
        "version": "1",
        "title": "Animals",
        "caseSensitive": False,
        "concept": [
            {
                "code": "animal",
                "display": "Animal",
                "property": [{"code": "notSelectable", "valueBoolean": True}],
                "concept": [
                    {"code": "cat", "display": "House cat"},
                    {
                        "code": "dodo",
                        "display": "Dodo",
                        "property": [{"code": "status", "valueCode": "retired"}],
                    },
                ],
            },
            {"code": "stone", "display": "Stone"},
        ],
    }
)


def codes(compose, **others):
    members = expand(
        {"compose": compose},
        system=lambda url: SYSTEM if url == "http://s" else None,
        other={f"http://{name}": tree for name, tree in others.items()}.get,
    )
    return [each.code for each in members]


@pytest.mark.parametrize(
    "filter, found",
    [
        (("concept", "is-a", "animal"), ["animal", "cat", "dodo"]),
        (("concept", "descendent-of", "animal"), ["cat", "dodo"]),
        (("concept", "is-not-a", "animal"), ["stone"]),
        (("code", "in", "cat,stone"), ["cat", "stone"]),
        (("code", "not-in", "cat,stone"), ["animal", "dodo"]),
        (("status", "=", "retired"), ["dodo"]),
        (("status", "exists", "false"), ["animal", "cat", "stone"]),
    ],
)
def test_filters(filter, found):
    name, operator, value = filter
    test = {"property": name, "op": operator, "value": value}
    assert codes({"include": [{"system": "http://s", "filter": [test]}]}) == found


def test_what_is_retired_stays_out_when_asked():
    compose = {"inactive": False, "include": [{"system": "http://s"}]}
    assert codes(compose) == ["animal", "cat", "stone"]


def test_several_value_sets_in_one_include_are_what_they_share():
    one = {"compose": {"include": [{"system": "http://s", "concept": [{"code": "cat"}]}]}}
    both = {"include": [{"valueSet": ["http://one", "http://all"]}]}
    everything = {"compose": {"include": [{"system": "http://s"}]}}
    assert codes(both, one=one, all=everything) == ["cat"]
    assert needs({"compose": both}) == ([], ["http://one", "http://all"])


def test_codes_of_a_system_that_is_not_here_may_be_listed_and_no_more():
    assert codes({"include": [{"system": "http://t", "concept": [{"code": "x"}]}]}) == ["x"]
    with pytest.raises(AppError):
        codes({"include": [{"system": "http://t"}]})


def test_an_expansion_alone_will_do():
    tree = {"expansion": {"contains": [{"contains": [{"system": "http://s", "code": "cat"}]}]}}
    members = expand(tree, system=lambda _: None, other=lambda _: None)
    assert [(each.system, each.code) for each in members] == [("http://s", "cat")]


def test_words_are_looked_for_at_the_start_of_words():
    members = expand(
        {"compose": {"include": [{"system": "http://s"}]}},
        system=lambda url: SYSTEM if url == "http://s" else None,
        other=lambda _: None,
    )
    assert [each.code for each in matching(members, "cat hou")] == ["cat"]
    assert [each.code for each in matching(members, "ouse")] == []


def test_a_system_may_be_told_by_any_case():
    assert SYSTEM.find("CAT") is not None
    cat = SYSTEM.find("cat")
    assert cat is not None and cat.parents == ("animal",)


def test_a_language_or_its_base_else_the_display():
    designations = [{"language": "ar", "value": "قطة"}]
    assert translated("Cat", designations, "ar-AE") == "قطة"
    assert translated("Cat", designations, "fr") == "Cat"


def test_hl7s_own_are_packaged():
    found = packaged("CodeSystem", "http://hl7.org/fhir/administrative-gender")
    assert found is not None
    assert code_system(found).find("female") is not None
    assert packaged("ValueSet", "http://nowhere") is None

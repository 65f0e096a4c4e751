"""The house rules hold, and each rule can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.rules import APP, MAXIMUM_LINES, ROOT, RULES, VAGUE, Rule, offences

FILES = sorted(APP.rglob("*.py"))
PLACES = [path.relative_to(ROOT) for path in FILES]


def _label(value: object) -> str:
    return value.name if isinstance(value, Rule) else repr(value)


each_rule = pytest.mark.parametrize("rule", RULES, ids=_label)


@each_rule
def test_the_code_keeps_the_rule(rule: Rule):
    found = [
        f"{place}:{line}: {what}"
        for path, place in zip(FILES, PLACES, strict=True)
        if rule.covers(place)
        for line, what in offences(rule, path.read_text())
    ]
    assert found == []


@each_rule
def test_the_rule_binds_files_that_exist(rule: Rule):
    assert any(rule.covers(place) for place in PLACES)
    for allowed in rule.allowed:
        assert any(place.as_posix().startswith(allowed) for place in PLACES), allowed


@pytest.mark.parametrize(
    "rule, source", [(rule, source) for rule in RULES for source in rule.bad], ids=_label
)
def test_the_rule_sees_what_it_forbids(rule: Rule, source: str):
    assert offences(rule, source)


@pytest.mark.parametrize(
    "rule, source", [(rule, source) for rule in RULES for source in rule.good], ids=_label
)
def test_the_rule_lets_the_rest_pass(rule: Rule, source: str):
    assert offences(rule, source) == []


def test_files_are_short():
    long = {
        place.as_posix(): lines
        for path, place in zip(FILES, PLACES, strict=True)
        if (lines := len(path.read_text().splitlines())) > MAXIMUM_LINES
    }
    assert long == {}


def test_names_say_what_is_inside():
    vague = [place for place in PLACES if VAGUE & {*place.parts[:-1], Path(place).stem}]
    assert vague == []

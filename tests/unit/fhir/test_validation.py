"""What is legal in R4 is accepted, what is forbidden is refused, where it stands."""

import pytest

from app.core.errors import Severity
from app.fhir.registry import STORED, WIRE_TYPES
from app.fhir.validation import check
from tests.unit.fhir.corpus import BASES, cases

LEGAL = cases("legal")
FORBIDDEN = cases("forbidden")


@pytest.mark.parametrize("name", [*STORED, *WIRE_TYPES])
def test_a_plain_resource_of_each_type_is_accepted(name):
    assert check(BASES[name], name) == []


@pytest.mark.parametrize("case", LEGAL, ids=lambda case: case["name"])
def test_legal_oddities_are_accepted(case):
    tree = case["tree"]
    assert check(tree, tree["resourceType"]) == []


@pytest.mark.parametrize("case", FORBIDDEN, ids=lambda case: case["name"])
def test_what_r4_forbids_is_refused_and_located(case):
    tree = case["tree"]
    issues = check(tree, tree["resourceType"])
    assert any(issue.severity is Severity.ERROR for issue in issues)
    at = [issue for issue in issues if issue.expression == case["at"]]
    assert at, [(issue.expression, issue.diagnostics) for issue in issues]
    if "code" in case:
        assert any(issue.code == case["code"] for issue in at)
    if "says" in case:
        assert any(issue.diagnostics.startswith(case["says"] + ":") for issue in at)

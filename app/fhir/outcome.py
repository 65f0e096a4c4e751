"""Issues as an ``OperationOutcome``: https://hl7.org/fhir/R4/operationoutcome.html."""

from __future__ import annotations

from collections.abc import Iterable

from app.core.errors import Issue, Severity
from app.fhir.json import Tree

ALL_OK = Issue("informational", "All OK", severity=Severity.INFORMATION)


def operation_outcome(issues: Iterable[Issue] = ()) -> Tree:
    """Every issue in its order; without any, the one that says all is well."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [_issue(issue) for issue in tuple(issues) or (ALL_OK,)],
    }


def _issue(issue: Issue) -> Tree:
    tree: Tree = {"severity": str(issue.severity), "code": issue.code}
    if issue.diagnostics:
        tree["diagnostics"] = issue.diagnostics
    if issue.expression:
        tree["expression"] = [issue.expression]
    return tree

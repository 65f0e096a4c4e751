"""Issues become an OperationOutcome that the R4 models accept."""

from __future__ import annotations

from app.core.errors import Issue, Severity
from app.fhir.outcome import operation_outcome


def test_every_issue_in_order() -> None:
    issues = [
        Issue("required", "status is missing", "Task.status"),
        Issue("informational", "", severity=Severity.WARNING),
    ]
    assert operation_outcome(issues) == {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "required",
                "diagnostics": "status is missing",
                "expression": ["Task.status"],
            },
            {"severity": "warning", "code": "informational"},
        ],
    }


def test_no_issue_is_good_news() -> None:
    assert operation_outcome() == {
        "resourceType": "OperationOutcome",
        "issue": [
            {"severity": "information", "code": "informational", "diagnostics": "All OK"},
        ],
    }

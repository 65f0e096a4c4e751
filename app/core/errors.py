"""Errors carry a category and issues, never a status code.

``routers/errors.py`` is the only place that maps a category to HTTP. Every issue
becomes one ``OperationOutcome.issue`` (https://hl7.org/fhir/R4/operationoutcome.html),
so its ``code`` is an ``issue-type`` code and its ``expression`` a FHIRPath. Diagnostics
name the rule and the place, never a clinical value, a token or SQL.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Category(StrEnum):
    """What went wrong, in words that know nothing of HTTP."""

    INVALID = "invalid"  # cannot be parsed
    UNPROCESSABLE = "unprocessable"  # parsed but wrong
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"  # this scope or role may never do this to this type
    NOT_FOUND = "not-found"  # does not exist, or is not visible to the caller
    NOT_ALLOWED = "not-allowed"  # the type does not offer this interaction
    GONE = "gone"
    CONFLICT = "conflict"
    PRECONDITION = "precondition"
    NOT_ACCEPTABLE = "not-acceptable"
    UNSUPPORTED_MEDIA = "unsupported-media"
    TOO_LARGE = "too-large"
    TOO_SLOW = "too-slow"
    URI_TOO_LONG = "uri-too-long"
    TOO_COSTLY = "too-costly"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    FAULT = "fault"


class Severity(StrEnum):
    """``issue-severity`` codes."""

    FATAL = "fatal"
    ERROR = "error"
    WARNING = "warning"
    INFORMATION = "information"


@dataclass(frozen=True, slots=True)
class Issue:
    """One problem and its place.

    ``code`` is an ``issue-type`` code (``invalid structure required value invariant
    code-invalid not-found not-supported security …``); ``expression`` is a FHIRPath
    such as ``QuestionnaireResponse.item[2].answer[0].value`` or empty.
    """

    code: str
    diagnostics: str
    expression: str = ""
    severity: Severity = Severity.ERROR


class AppError(Exception):
    """A refusal: its category and every issue found.

    ``is_recorded`` tells that the audit log has it already.
    """

    is_recorded = False

    def __init__(
        self, category: Category, issues: Iterable[Issue], *, retry_after: int | None = None
    ) -> None:
        self.category = category
        self.issues = tuple(issues)
        self.retry_after = retry_after
        super().__init__(f"{category}: {[issue.code for issue in self.issues]}")

    @classmethod
    def of(
        cls,
        category: Category,
        code: str,
        diagnostics: str,
        expression: str = "",
        *,
        retry_after: int | None = None,
    ) -> AppError:
        """An error with a single issue."""
        return cls(category, (Issue(code, diagnostics, expression),), retry_after=retry_after)

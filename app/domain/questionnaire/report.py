"""The issues of a check, as many as anybody will read."""

from __future__ import annotations

from app.core.errors import Issue, Severity

_MOST = 1_000  # errors, and as many warnings


class EnoughError(Exception):
    """There are more errors than anybody will read."""


class Report:
    """Collects issues. Warnings past the limit are dropped; an error past it ends the check."""

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self._errors = 0

    def add(
        self, code: str, diagnostics: str, place: str, severity: Severity = Severity.ERROR
    ) -> None:
        """Take an issue in; raises ``EnoughError`` at the first error past the limit."""
        if severity is Severity.ERROR:
            self._errors += 1
            if self._errors > _MOST:
                raise EnoughError
        elif len(self.issues) - self._errors >= _MOST:
            return
        self.issues.append(Issue(code, diagnostics, place, severity))

    def close(self, place: str) -> None:
        """Say that there is more than is listed."""
        words = f"more than {_MOST} problems; the rest is not listed"
        self.issues.append(Issue("too-long", words, place, Severity.INFORMATION))

"""How much of a resource is asked for: ``_summary`` and ``_elements``.

https://hl7.org/fhir/R4/search.html#summary. They go with reads and histories as with searches.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.core.errors import AppError, Category
from app.fhir import elements, json


@dataclass(frozen=True, slots=True)
class Part:
    """All of a resource, unless a summary or some elements were asked for."""

    summary: str | None = None
    elements: tuple[str, ...] = ()

    @classmethod
    def asked(cls, query: tuple[tuple[str, str], ...]) -> Part:
        """Reads the decoded pairs of a query."""
        given = dict(query)
        summary = given.get("_summary") or None
        if summary is not None and summary not in elements.SUMMARIES:
            raise AppError.of(Category.INVALID, "value", "_summary has no usable value")
        names = (name.strip() for name in given.get("_elements", "").split(","))
        return cls(summary, tuple(name for name in names if name))

    def of(self, text: bytes) -> bytes:
        """The part of a resource's text; the text itself where all is asked for."""
        if self.summary in (None, "false", "count") and not self.elements:
            return text
        tree = json.parse_resource(text)
        return json.dumps(elements.subset(tree, summary=self.summary, elements=self.elements))


WHOLE = Part()

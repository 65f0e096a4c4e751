"""One response held against its compiled questionnaire.

Reading comes first: every item is placed, typed and kept by scope. Then completeness: what is
enabled, what is missing, what stands where it may not. Completeness binds in ``completed`` and
``amended``; in any other status its issues are warnings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.core.errors import AppError, Category, Issue, Severity
from app.domain.questionnaire.definition import (
    CompiledQuestionnaire,
    Constraint,
    Item,
    Terminology,
)
from app.domain.questionnaire.enablement import Occurrence, Scope, is_enabled
from app.domain.questionnaire.reading import Reading
from app.domain.questionnaire.report import EnoughError, Report
from app.fhir import primitives, references
from app.fhir.json import JSON, Tree
from app.fhir.paths import Node, root
from app.fhir.paths.shapes import shape

_ROOT = "QuestionnaireResponse"
_BINDING = frozenset(("completed", "amended"))
_MOST_WORK = 500_000  # looks at an item of a scope; a form of 300 items needs 300


def check(
    questionnaire: CompiledQuestionnaire,
    response: Tree,
    *,
    subject_type: str | None = None,
    terminology: Terminology | None = None,
) -> list[Issue]:
    """Every problem of a response, errors and warnings; none means it is right and complete.

    ``response`` is a QuestionnaireResponse that is valid R4; it is not changed. ``subject_type``
    is the type of the subject where the response does not say it; ``terminology`` answers for
    value sets that the questionnaire does not contain. Errors past the thousandth are not listed.
    Raises ``too-costly`` for a response that repeats groups beyond what any form asks for.
    """
    return _Check(questionnaire, response, terminology or _unknown).run(subject_type)


def _unknown(_: str, __: Tree) -> bool | None:
    return None


class _Check:
    def __init__(
        self, questionnaire: CompiledQuestionnaire, response: Tree, terminology: Terminology
    ) -> None:
        self._questionnaire = questionnaire
        self._response = response
        self._report = Report()
        self._reading = Reading(questionnaire, terminology, self._report)
        self._work = 0
        binding = response.get("status") in _BINDING
        self._incomplete = Severity.ERROR if binding else Severity.WARNING

    def run(self, subject_type: str | None) -> list[Issue]:
        try:
            self._run(subject_type)
        except EnoughError:
            self._report.close(_ROOT)
        return self._report.issues

    def _run(self, subject_type: str | None) -> None:
        self._head(subject_type)
        scope = Scope(None, self._questionnaire.items, _ROOT, 0)
        self._reading.read(scope, self._response.get("item"))
        self._complete(scope)
        if self._questionnaire.constraints:
            self._constrain(self._questionnaire.constraints, root(self._response), _ROOT)
        for link_id, words in self._questionnaire.uncomputed:
            place = f"{_ROOT}.descendants().{_where(link_id)}" if link_id else _ROOT
            self._report.add("not-supported", f"not computed: {words}", place, Severity.WARNING)

    # ------------------------------------------------------------------------- the response itself

    def _head(self, subject_type: str | None) -> None:
        allowed = self._questionnaire.subject_types
        subject = self._response.get("subject")
        found = _type_of(subject) or subject_type
        if allowed and found is not None and found not in allowed:
            words = "the questionnaire is not about subjects of this type"
            self._report.add("invariant", words, f"{_ROOT}.subject")
        if self._questionnaire.status in {"draft", "retired"}:
            words = f"the questionnaire is {self._questionnaire.status}"
            self._report.add("business-rule", words, f"{_ROOT}.questionnaire", Severity.WARNING)
        start, end = self._questionnaire.effective
        authored: JSON = self._response.get("authored")
        if (start is None and end is None) or not primitives.is_date_time(authored):
            return
        low, high = primitives.date_range(authored)
        if (start is not None and high <= start) or (end is not None and low >= end):
            words = "authored when the questionnaire was not in effect"
            self._report.add("business-rule", words, f"{_ROOT}.authored", Severity.WARNING)

    # ------------------------------------------------------------------------------- completeness

    def _complete(self, scope: Scope) -> None:
        self._work += len(scope.items)
        if self._work > _MOST_WORK:
            words = "groups repeat too often to be checked"
            raise AppError.of(Category.TOO_COSTLY, "too-costly", words, scope.path)
        for item in scope.items.values():
            found = scope.found.get(item.link_id, ())
            if not item.decidable or not (found or item.least):
                continue
            if not is_enabled(item, scope, self._reading.watched):
                for occurrence in found:
                    if occurrence.is_filled:
                        words = "answered although it is not enabled"
                        self._report.add("invariant", words, occurrence.path, self._incomplete)
                continue
            self._count(item, scope, found)
            for occurrence in found:
                for inner in occurrence.scopes:
                    self._complete(inner)
                if item.constraints:
                    self._constrain(item.constraints, _node(occurrence.node), occurrence.path)

    def _count(self, item: Item, scope: Scope, found: Sequence[Occurrence]) -> None:
        if item.type == "display" or (item.least == 0 and item.most is None):
            return
        if item.is_question:
            count = sum(occurrence.given for occurrence in found)
        else:
            count = sum(occurrence.is_filled for occurrence in found)
        place = found[0].path if found else f"{scope.path}.item.{_where(item.link_id)}"
        if count < item.least:
            words = "an answer is required" if item.is_question else "the group is required"
            if item.least > 1:
                words = f"at least {item.least} are required"
            self._report.add("required", words, place, self._incomplete)
        if item.most is not None and count > item.most:
            self._report.add("structure", f"at most {item.most} are allowed", place)

    def _constrain(self, constraints: Sequence[Constraint], node: Node, path: str) -> None:
        for constraint in constraints:
            result = constraint.path.select(node)
            # One value that is no boolean counts as true: FHIRPath's singleton evaluation.
            if len(result) == 1 and result[0] is not False:
                continue
            severity = Severity.WARNING
            if constraint.severity is Severity.ERROR:
                severity = self._incomplete
            self._report.add("invariant", constraint.human, path, severity)


def _where(link_id: str) -> str:
    """FHIRPath that finds an item, or would if it were there."""
    quoted = link_id.replace("\\", "\\\\").replace("'", "\\'")
    return f"where(linkId='{quoted}')"


def _node(item: Tree) -> Node:
    return Node(item, "BackboneElement", shape(_ROOT, "item"))


def _type_of(subject: JSON) -> str | None:
    if not isinstance(subject, Mapping):
        return None
    text, stated = subject.get("reference"), subject.get("type")
    found = references.parse(text).type if isinstance(text, str) else None
    return found or (stated if isinstance(stated, str) else None)

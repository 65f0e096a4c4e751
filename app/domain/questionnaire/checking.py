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
    Problem,
    Terminology,
)
from app.domain.questionnaire.enablement import Occurrence, Scope, is_enabled
from app.domain.questionnaire.values import SHAPES, identity
from app.fhir import primitives, references
from app.fhir.json import JSON, Tree
from app.fhir.paths import Node, root
from app.fhir.paths.shapes import shape

_ROOT = "QuestionnaireResponse"
_BINDING = frozenset(("completed", "amended"))
_MOST_ISSUES = 1_000  # of errors, and of warnings
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


class _EnoughError(Exception):
    """There are as many errors as anybody will read."""


def _unknown(_: str, __: Tree) -> bool | None:
    return None


class _Check:
    def __init__(
        self, questionnaire: CompiledQuestionnaire, response: Tree, terminology: Terminology
    ) -> None:
        self._questionnaire = questionnaire
        self._response = response
        self._terminology = terminology
        self._issues: list[Issue] = []
        self._errors = 0
        self._order = 0
        self._work = 0
        self._watched: dict[str, list[Occurrence]] = {}
        binding = response.get("status") in _BINDING
        self._incomplete = Severity.ERROR if binding else Severity.WARNING

    def run(self, subject_type: str | None) -> list[Issue]:
        try:
            self._run(subject_type)
        except _EnoughError:
            words = f"more than {_MOST_ISSUES} problems; the rest is not listed"
            self._issues.append(Issue("too-long", words, _ROOT, Severity.INFORMATION))
        return self._issues

    def _run(self, subject_type: str | None) -> None:
        self._head(subject_type)
        scope = Scope(None, self._questionnaire.items, _ROOT, 0)
        self._read(scope, self._response.get("item"))
        self._complete(scope)
        if self._questionnaire.constraints:
            self._constrain(self._questionnaire.constraints, root(self._response), _ROOT)
        for link_id, words in self._questionnaire.uncomputed:
            place = _absent(_ROOT, link_id) if link_id else _ROOT
            self._report("not-supported", f"not computed: {words}", place, Severity.WARNING)

    def _report(
        self, code: str, diagnostics: str, place: str, severity: Severity = Severity.ERROR
    ) -> None:
        if severity is Severity.ERROR:
            self._errors += 1
            if self._errors > _MOST_ISSUES:
                raise _EnoughError
        elif len(self._issues) - self._errors >= _MOST_ISSUES:
            return
        self._issues.append(Issue(code, diagnostics, place, severity))

    # ------------------------------------------------------------------------- the response itself

    def _head(self, subject_type: str | None) -> None:
        allowed = self._questionnaire.subject_types
        subject = self._response.get("subject")
        found = _type_of(subject) or subject_type
        if allowed and found is not None and found not in allowed:
            words = "the questionnaire is not about subjects of this type"
            self._report("invariant", words, f"{_ROOT}.subject")
        if self._questionnaire.status in {"draft", "retired"}:
            words = f"the questionnaire is {self._questionnaire.status}"
            self._report("business-rule", words, f"{_ROOT}.questionnaire", Severity.WARNING)
        start, end = self._questionnaire.effective
        authored: JSON = self._response.get("authored")
        if (start is None and end is None) or not primitives.is_date_time(authored):
            return
        low, high = primitives.date_range(authored)
        if (start is not None and high <= start) or (end is not None and low >= end):
            words = "authored when the questionnaire was not in effect"
            self._report("business-rule", words, f"{_ROOT}.authored", Severity.WARNING)

    # ------------------------------------------------------------------------------------ reading

    def _read(self, scope: Scope, nodes: JSON) -> None:
        if nodes is not None and not isinstance(nodes, list):
            self._report("structure", "not a list of items", f"{scope.path}.item")
            nodes = None
        last = -1
        for number, node in enumerate(nodes or ()):
            path = f"{scope.path}.item[{number}]"
            if not isinstance(node, dict):
                self._report("structure", "not an item", path)
                continue
            item = self._placed(scope, node, path)
            if item is None:
                continue
            if item.position < last:
                self._report("structure", "out of the order of the questionnaire", path)
            last = max(last, item.position)
            self._order += 1
            occurrence = Occurrence(item, node, path, scope, self._order)
            self._keep(scope, occurrence)
            self._read_item(occurrence)
            occurrence.end = self._order + 1
        scope.end = self._order + 1

    def _placed(self, scope: Scope, node: Tree, path: str) -> Item | None:
        link_id = node.get("linkId")
        if not isinstance(link_id, str):
            self._report("required", "an item needs a linkId", f"{path}.linkId")
            return None
        item = scope.items.get(link_id)
        if item is None:
            if link_id in self._questionnaire.by_link_id:
                self._report("structure", "the item does not belong here", f"{path}.linkId")
            else:
                words = "the questionnaire has no such linkId"
                self._report("not-found", words, f"{path}.linkId")
        return item

    def _keep(self, scope: Scope, occurrence: Occurrence) -> None:
        item = occurrence.item
        others = scope.found.setdefault(item.link_id, [])
        if others and (item.is_question or not item.repeats):
            words = "a question stands once; several answers go into it"
            if not item.is_question:
                words = "the item does not repeat"
            self._report("structure", words, occurrence.path)
        others.append(occurrence)
        if item.link_id in self._questionnaire.watched:
            self._watched.setdefault(item.link_id, []).append(occurrence)

    def _read_item(self, occurrence: Occurrence) -> None:
        item, node, path = occurrence.item, occurrence.node, occurrence.path
        text = node.get("text")
        if text is not None and item.texts and " ".join(str(text).split()) not in item.texts:
            self._report("value", "not the text of the questionnaire", f"{path}.text")
        if item.is_question:
            if "item" in node:
                self._report("structure", "items belong under an answer", f"{path}.item")
            if "answer" in node:
                self._read_answers(occurrence, node["answer"])
            return
        if "answer" in node:
            self._report("structure", f"a {item.type} has no answer", f"{path}.answer")
        if item.type == "group":
            self._enter(occurrence, item, node.get("item"), path)
        elif "item" in node:
            self._report("structure", "a display has no items", f"{path}.item")

    def _enter(self, owner: Occurrence, item: Item, nodes: JSON, path: str) -> None:
        scope = Scope(owner, item.items, path, self._order)
        owner.scopes.append(scope)
        self._read(scope, nodes)

    def _read_answers(self, occurrence: Occurrence, answers: JSON) -> None:
        item, path = occurrence.item, f"{occurrence.path}.answer"
        if not isinstance(answers, list):
            self._report("structure", "not a list of answers", path)
            return
        if len(answers) > 1:
            self._several(item, answers, path)
        for number, answer in enumerate(answers):
            here = f"{path}[{number}]"
            if not isinstance(answer, dict):
                self._report("structure", "not an answer", here)
                continue
            self._read_value(occurrence, answer, here)
            if item.items or "item" in answer:
                self._enter(occurrence, item, answer.get("item"), here)

    def _several(self, item: Item, answers: Sequence[JSON], path: str) -> None:
        if not item.repeats:
            self._report("structure", "only one answer is allowed", path)
        if not item.exclusive:
            return
        given = (_value(answer) for answer in answers if isinstance(answer, dict))
        if any(
            found is not None
            and found[0] in SHAPES
            and SHAPES[found[0]](found[1])
            and identity(*found) in item.exclusive
            for found in given
        ):
            self._report("invariant", "an exclusive option stands with other answers", path)

    def _read_value(self, occurrence: Occurrence, answer: Tree, path: str) -> None:
        item = occurrence.item
        found = _value(answer)
        if found is None:
            # A value that is absent for a stated reason is no answer, and no mistake.
            if "extension" not in answer and not any(key.startswith("_value") for key in answer):
                self._report("required", "an answer needs a value", path)
            return
        occurrence.given += 1
        key, value = found
        if key not in item.values:
            words = f"a {item.type} is not answered by {key}"
            self._report("value", words, f"{path}.value")
            return
        if not SHAPES[key](value):
            self._report("value", f"no {key.removeprefix('value')}", f"{path}.value")
            return
        occurrence.answers.append(found)
        for rule in item.checks:
            problem: Problem | None = rule(key, value, self._terminology)
            if problem is not None:
                code, words, severity = problem
                self._report(code, words, f"{path}.value", severity)

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
            if not is_enabled(item, scope, self._watched):
                for occurrence in found:
                    if occurrence.is_filled:
                        words = "answered although it is not enabled"
                        self._report("invariant", words, occurrence.path, self._incomplete)
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
        place = found[0].path if found else _absent(scope.path, item.link_id)
        if count < item.least:
            words = "an answer is required" if item.is_question else "the group is required"
            if item.least > 1:
                words = f"at least {item.least} are required"
            self._report("required", words, place, self._incomplete)
        if item.most is not None and count > item.most:
            self._report("structure", f"at most {item.most} are allowed", place)

    def _constrain(self, constraints: Sequence[Constraint], node: Node, path: str) -> None:
        for constraint in constraints:
            result = constraint.path.select(node)
            # One value that is no boolean counts as true: FHIRPath's singleton evaluation.
            if len(result) == 1 and result[0] is not False:
                continue
            severity = Severity.WARNING
            if constraint.severity is Severity.ERROR:
                severity = self._incomplete
            self._report("invariant", constraint.human, path, severity)


def _value(answer: Tree) -> tuple[str, JSON] | None:
    for key, value in answer.items():
        if key.startswith("value"):
            return key, value
    return None


def _absent(path: str, link_id: str) -> str:
    """The place of an item that is not there: FHIRPath that would find it if it were."""
    quoted = link_id.replace("\\", "\\\\").replace("'", "\\'")
    return f"{path}.item.where(linkId='{quoted}')"


def _node(item: Tree) -> Node:
    return Node(item, "BackboneElement", shape(_ROOT, "item"))


def _type_of(subject: JSON) -> str | None:
    if not isinstance(subject, Mapping):
        return None
    text, stated = subject.get("reference"), subject.get("type")
    found = references.parse(text).type if isinstance(text, str) else None
    return found or (stated if isinstance(stated, str) else None)

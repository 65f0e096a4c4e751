"""A response read once: every item placed, typed and kept by scope."""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.questionnaire.definition import (
    CompiledQuestionnaire,
    Item,
    Problem,
    Terminology,
)
from app.domain.questionnaire.enablement import Occurrence, Scope
from app.domain.questionnaire.report import Report
from app.domain.questionnaire.values import SHAPES, identity
from app.fhir.json import JSON, Tree


class Reading:
    """Reads the items of one response; ``watched`` are the occurrences that enableWhen asks for."""

    def __init__(
        self, questionnaire: CompiledQuestionnaire, terminology: Terminology, report: Report
    ) -> None:
        self._questionnaire = questionnaire
        self._terminology = terminology
        self._report = report
        self._order = 0
        self.watched: dict[str, list[Occurrence]] = {}

    def read(self, scope: Scope, nodes: JSON) -> None:
        """Read the items of a scope, and all below them."""
        if nodes is not None and not isinstance(nodes, list):
            self._report.add("structure", "not a list of items", f"{scope.path}.item")
            nodes = None
        last = -1
        for number, node in enumerate(nodes or ()):
            path = f"{scope.path}.item[{number}]"
            if not isinstance(node, dict):
                self._report.add("structure", "not an item", path)
                continue
            item = self._placed(scope, node, path)
            if item is None:
                continue
            if item.position < last:
                self._report.add("structure", "out of the order of the questionnaire", path)
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
            self._report.add("required", "an item needs a linkId", f"{path}.linkId")
            return None
        item = scope.items.get(link_id)
        if item is None:
            if link_id in self._questionnaire.by_link_id:
                self._report.add("structure", "the item does not belong here", f"{path}.linkId")
            else:
                words = "the questionnaire has no such linkId"
                self._report.add("not-found", words, f"{path}.linkId")
        return item

    def _keep(self, scope: Scope, occurrence: Occurrence) -> None:
        item = occurrence.item
        others = scope.found.setdefault(item.link_id, [])
        if others and (item.is_question or not item.repeats):
            words = "a question stands once; several answers go into it"
            if not item.is_question:
                words = "the item does not repeat"
            self._report.add("structure", words, occurrence.path)
        others.append(occurrence)
        if item.link_id in self._questionnaire.watched:
            self.watched.setdefault(item.link_id, []).append(occurrence)

    def _read_item(self, occurrence: Occurrence) -> None:
        item, node, path = occurrence.item, occurrence.node, occurrence.path
        text = node.get("text")
        if text is not None and item.texts and " ".join(str(text).split()) not in item.texts:
            self._report.add("value", "not the text of the questionnaire", f"{path}.text")
        if item.is_question:
            if "item" in node:
                self._report.add("structure", "items belong under an answer", f"{path}.item")
            if "answer" in node:
                self._read_answers(occurrence, node["answer"])
            return
        if "answer" in node:
            self._report.add("structure", f"a {item.type} has no answer", f"{path}.answer")
        if item.type == "group":
            self._enter(occurrence, item, node.get("item"), path)
        elif "item" in node:
            self._report.add("structure", "a display has no items", f"{path}.item")

    def _enter(self, owner: Occurrence, item: Item, nodes: JSON, path: str) -> None:
        scope = Scope(owner, item.items, path, self._order)
        owner.scopes.append(scope)
        self.read(scope, nodes)

    def _read_answers(self, occurrence: Occurrence, answers: JSON) -> None:
        item, path = occurrence.item, f"{occurrence.path}.answer"
        if not isinstance(answers, list):
            self._report.add("structure", "not a list of answers", path)
            return
        if len(answers) > 1:
            self._several(item, answers, path)
        for number, answer in enumerate(answers):
            here = f"{path}[{number}]"
            if not isinstance(answer, dict):
                self._report.add("structure", "not an answer", here)
                continue
            self._read_value(occurrence, answer, here)
            if item.items or "item" in answer:
                self._enter(occurrence, item, answer.get("item"), here)

    def _several(self, item: Item, answers: Sequence[JSON], path: str) -> None:
        if not item.repeats:
            self._report.add("structure", "only one answer is allowed", path)
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
            self._report.add("invariant", "an exclusive option stands with other answers", path)

    def _read_value(self, occurrence: Occurrence, answer: Tree, path: str) -> None:
        item = occurrence.item
        found = _value(answer)
        if found is None:
            # A value that is absent for a stated reason is no answer, and no mistake.
            if "extension" not in answer and not any(key.startswith("_value") for key in answer):
                self._report.add("required", "an answer needs a value", path)
            return
        occurrence.given += 1
        key, value = found
        if key not in item.values:
            words = f"a {item.type} is not answered by {key}"
            self._report.add("value", words, f"{path}.value")
            return
        if not SHAPES[key](value):
            self._report.add("value", f"no {key.removeprefix('value')}", f"{path}.value")
            return
        occurrence.answers.append(found)
        for rule in item.checks:
            problem: Problem | None = rule(key, value, self._terminology)
            if problem is not None:
                code, words, severity = problem
                self._report.add(code, words, f"{path}.value", severity)


def _value(answer: Tree) -> tuple[str, JSON] | None:
    for key, value in answer.items():
        if key.startswith("value"):
            return key, value
    return None

"""A Questionnaire compiled once: https://hl7.org/fhir/R4/questionnaire.html."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from app.core.errors import AppError, Category, Issue, Severity
from app.domain.questionnaire.definition import (
    Check,
    CompiledQuestionnaire,
    Condition,
    Constraint,
    Item,
)
from app.domain.questionnaire.limits import STANDARD, extensions_of, limits_of, value_of
from app.domain.questionnaire.value_sets import ValueSets
from app.domain.questionnaire.values import SHAPES, VALUES, among, free_text, identity
from app.fhir import primitives
from app.fhir.json import JSON, Tree, to_decimal
from app.fhir.paths import compile as compile_path

_CONSTRAINT = f"{STANDARD}questionnaire-constraint"
_EXCLUSIVE = f"{STANDARD}questionnaire-optionExclusive"
_TRANSLATION = f"{STANDARD}translation"
# itemWeight replaced ordinalValue; both are read.
_WEIGHTS = (f"{STANDARD}ordinalValue", f"{STANDARD}itemWeight")
_OPERATORS = frozenset(("exists", "=", "!=", ">", "<", ">=", "<="))


def compile_questionnaire(tree: Tree) -> CompiledQuestionnaire:
    """Compile a Questionnaire that is valid R4.

    Raises ``unprocessable`` with every problem that leaves its meaning open: a linkId missing or
    used twice, an unknown type, an ``enableWhen`` that asks about no question of the form or
    compares with nothing, several of them without ``enableBehavior``, a limit of the wrong type,
    an ``answerValueSet`` that names nothing contained.
    """
    return _Compiler(tree).compile()


class _Compiler:
    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._value_sets = ValueSets(tree)
        self._issues: list[Issue] = []
        self._uncomputed: list[tuple[str, str]] = []
        # The linkIds from the first level down to each item, itself included.
        self._paths: dict[str, tuple[str, ...]] = {}
        self._types: dict[str, str] = {}

    def compile(self) -> CompiledQuestionnaire:
        self._survey(self._tree, "Questionnaire", ())
        self._stop()
        constraints = self._constraints(self._tree, "")
        items = self._items(self._tree, "Questionnaire")
        self._stop()
        by_link_id = {item.link_id: item for item in _flatten(items)}
        period = self._tree.get("effectivePeriod", {})
        return CompiledQuestionnaire(
            url=self._tree.get("url", ""),
            version=self._tree.get("version", ""),
            status=self._tree.get("status", ""),
            subject_types=frozenset(self._tree.get("subjectType", ())),
            effective=(_edge(period.get("start"), 0), _edge(period.get("end"), 1)),
            items=items,
            by_link_id=by_link_id,
            watched=frozenset(
                condition.question
                for item in by_link_id.values()
                for condition in item.enabled_when
            ),
            constraints=constraints,
            uncomputed=tuple(self._uncomputed),
        )

    def _report(self, code: str, diagnostics: str, place: str) -> None:
        self._issues.append(Issue(code, diagnostics, place))

    def _stop(self) -> None:
        if self._issues:
            raise AppError(Category.UNPROCESSABLE, self._issues)

    def _survey(self, node: Tree, place: str, above: tuple[str, ...]) -> None:
        """Learn every linkId first: an enableWhen may ask about an item further down."""
        for number, child in enumerate(node.get("item", ())):
            here = f"{place}.item[{number}]"
            link_id = child.get("linkId")
            if not link_id:
                self._report("required", "an item needs a linkId", f"{here}.linkId")
                continue
            if link_id in self._types:
                self._report("duplicate", "a linkId is used twice", f"{here}.linkId")
            if child.get("type") not in VALUES:
                self._report("code-invalid", "no type of an item", f"{here}.type")
            self._types[link_id] = child.get("type", "")
            self._paths[link_id] = (*above, link_id)
            self._survey(child, here, self._paths[link_id])

    def _items(self, node: Tree, place: str) -> Mapping[str, Item]:
        return {
            child["linkId"]: self._item(child, number, f"{place}.item[{number}]")
            for number, child in enumerate(node.get("item", ()))
        }

    def _item(self, node: Tree, position: int, place: str) -> Item:
        link_id = node["linkId"]
        limits = limits_of(node, extensions_of(node))
        for words in limits.problems:
            self._report("value", words, place)
        self._uncomputed += [(link_id, words) for words in limits.uncomputed]
        return Item(
            link_id=link_id,
            type=node["type"],
            position=position,
            values=_keys(node),
            repeats=node.get("repeats") is True,
            least=max(limits.least, 1 if node.get("required") is True else 0),
            most=limits.most,
            texts=_texts(node),
            checks=(*self._lists(node, place), *limits.checks),
            exclusive=_exclusive(node),
            weights=_weights(node),
            enabled_when=tuple(self._conditions(node, place)),
            enabled_by_any=node.get("enableBehavior") == "any",
            decidable=limits.decidable,
            constraints=self._constraints(node, link_id),
            items=self._items(node, place),
        )

    def _lists(self, node: Tree, place: str) -> Iterator[Check]:
        """The check of the answer options, or of the value set."""
        check: Check | None = None
        if "answerOption" in node:
            check = among(frozenset(identity(key, value) for key, value in _options(node)))
        elif canonical := node.get("answerValueSet"):
            if canonical.startswith("#") and not self._value_sets.has(canonical):
                self._report("not-found", "no such value set contained", f"{place}.answerValueSet")
                return
            check = self._value_sets.check(canonical)
        if check is not None:
            yield free_text(check) if node["type"] == "open-choice" else check

    def _conditions(self, node: Tree, place: str) -> Iterator[Condition]:
        given = node.get("enableWhen", ())
        if len(given) > 1 and node.get("enableBehavior") not in {"any", "all"}:
            self._report("required", "several enableWhen need enableBehavior", place)
        path = self._paths[node["linkId"]]
        for number, condition in enumerate(given):
            here = f"{place}.enableWhen[{number}]"
            question, operator = condition.get("question"), condition.get("operator")
            answer = next(((k, v) for k, v in condition.items() if k.startswith("answer")), None)
            if not VALUES.get(self._types.get(question, "")) or question == node["linkId"]:
                self._report("not-found", "asks about no other question", f"{here}.question")
                continue
            if operator not in _OPERATORS:
                self._report("code-invalid", "no such operator", f"{here}.operator")
                continue
            key = "value" + answer[0].removeprefix("answer") if answer else ""
            if answer is None or key not in SHAPES or not SHAPES[key](answer[1]):
                self._report("required", "compares with nothing", f"{here}.answer")
                continue
            if operator == "exists" and key != "valueBoolean":
                self._report("invariant", "exists needs a boolean answer", f"{here}.answer")
                continue
            shared = _shared(path[:-1], self._paths[question])
            yield Condition(question, operator, key, answer[1], shared)

    def _constraints(self, node: Tree, link_id: str) -> tuple[Constraint, ...]:
        found = []
        for extension in extensions_of(node).get(_CONSTRAINT, ()):
            parts = {
                part.get("url"): value[1]
                for part in extension.get("extension", ())
                if (value := value_of(part)) is not None
            }
            key = str(parts.get("key", ""))
            try:
                path = compile_path(str(parts.get("expression", "")))
            except AppError:
                self._uncomputed.append((link_id, f"the constraint {key}"))
                continue
            severity = Severity.ERROR if parts.get("severity") == "error" else Severity.WARNING
            found.append(Constraint(key, severity, str(parts.get("human", key)), path))
        return tuple(found)


def _options(node: Tree) -> Iterator[tuple[str, JSON]]:
    for option in node.get("answerOption", ()):
        found = value_of(option)
        if found is not None and found[0] in SHAPES and SHAPES[found[0]](found[1]):
            yield found


def _keys(node: Tree) -> frozenset[str]:
    """The JSON keys of an answer: those of the type, or of the options where a choice has some."""
    keys = frozenset(VALUES[node["type"]])
    options = frozenset(key for key, _ in _options(node))
    if node["type"] == "choice" and options:
        return options
    return keys | options if node["type"] == "open-choice" else keys


def _exclusive(node: Tree) -> frozenset[JSON]:
    return frozenset(
        identity(*found)
        for option in node.get("answerOption", ())
        if (found := value_of(option)) is not None
        and any(
            extension.get("valueBoolean") is True
            for extension in extensions_of(option).get(_EXCLUSIVE, ())
        )
    )


def _weights(node: Tree) -> Mapping[tuple[str | None, str | None], Decimal]:
    """Ordinal values of coded options; the extension stands on the option or on its coding."""
    weights = {}
    for option in node.get("answerOption", ()):
        coding = option.get("valueCoding")
        if coding is None:
            continue
        extensions = extensions_of(option) | extensions_of(coding)
        for url in _WEIGHTS:
            for extension in extensions.get(url, ()):
                value: JSON = extension.get("valueDecimal")
                if primitives.is_decimal(value):
                    weights[coding.get("system"), coding.get("code")] = to_decimal(value)
    return weights


def _texts(node: Tree) -> frozenset[str]:
    """The item's text and its translations, white space folded; empty where it has none."""
    if "text" not in node:
        return frozenset()
    translations = (
        part["valueString"]
        for extension in extensions_of(node.get("_text", {})).get(_TRANSLATION, ())
        for part in extension.get("extension", ())
        if part.get("url") == "content" and "valueString" in part
    )
    return frozenset(" ".join(text.split()) for text in (node["text"], *translations))


def _shared(enclosing: tuple[str, ...], path: tuple[str, ...]) -> str | None:
    shared = None
    for left, right in zip(enclosing, path, strict=False):
        if left != right:
            break
        shared = left
    return shared


def _flatten(items: Mapping[str, Item]) -> Iterator[Item]:
    for item in items.values():
        yield item
        yield from _flatten(item.items)


def _edge(text: JSON, side: int) -> int | None:
    return primitives.date_range(text)[side] if primitives.is_date_time(text) else None

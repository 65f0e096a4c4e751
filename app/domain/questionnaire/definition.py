"""The compiled form of a Questionnaire: frozen, shared between requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, TypeAlias

from app.core.errors import Severity
from app.fhir.json import JSON, Tree
from app.fhir.paths import Path

# Asks whether a Coding is in a value set, by canonical address; None where that is not known.
Terminology: TypeAlias = Callable[[str, Tree], bool | None]


class Problem(NamedTuple):
    """What is wrong with one answer: an ``issue-type`` code and words without the answer."""

    code: str
    diagnostics: str
    severity: Severity = Severity.ERROR


# Judges one value of an answer: its JSON key (``valueCoding``), the value, and who to ask.
Check: TypeAlias = Callable[[str, JSON, Terminology], Problem | None]


@dataclass(frozen=True, slots=True)
class Condition:
    """One ``enableWhen``.

    ``common`` is the linkId of the nearest item that encloses both this item and the question, or
    is the question itself; ``None`` for the questionnaire. The answer is looked for inside that
    one occurrence only, so a repeated group never reads its neighbour's answer.
    """

    question: str
    operator: str
    key: str
    expected: JSON
    common: str | None


@dataclass(frozen=True, slots=True)
class Constraint:
    """A ``questionnaire-constraint`` that can be computed."""

    key: str
    severity: Severity
    human: str
    path: Path


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One item.

    ``position`` counts among its siblings; ``values`` are the JSON keys an answer may have, none
    for groups and displays; ``texts`` the wordings a response may repeat; ``weights`` the ordinal
    value of each coded option, by system and code. ``enabled_when`` is empty for an item that is
    always enabled, ``decidable`` false where an expression decides.
    """

    link_id: str
    type: str
    position: int
    values: frozenset[str]
    repeats: bool
    least: int
    most: int | None
    texts: frozenset[str]
    checks: tuple[Check, ...]
    exclusive: frozenset[JSON]
    weights: Mapping[tuple[str | None, str | None], Decimal]
    enabled_when: tuple[Condition, ...]
    enabled_by_any: bool
    decidable: bool
    constraints: tuple[Constraint, ...]
    items: Mapping[str, Item]

    @property
    def is_question(self) -> bool:
        """Whether it takes answers."""
        return bool(self.values)


@dataclass(frozen=True, slots=True, eq=False)
class CompiledQuestionnaire:
    """A Questionnaire, ready to check responses.

    ``items`` are those of the first level, ``by_link_id`` all of them in document order;
    ``watched`` are the questions that some ``enableWhen`` looks at; ``uncomputed`` pairs a linkId
    with what cannot be computed about it (an empty linkId stands for the questionnaire).
    """

    url: str
    version: str
    status: str
    subject_types: frozenset[str]
    effective: tuple[int | None, int | None]
    items: Mapping[str, Item]
    by_link_id: Mapping[str, Item]
    watched: frozenset[str]
    constraints: tuple[Constraint, ...]
    uncomputed: tuple[tuple[str, str], ...]

    @property
    def canonical(self) -> str:
        """``url|version``, or the url where there is no version."""
        return f"{self.url}|{self.version}" if self.version else self.url

"""Security labels: every stored version says how confidential it is and what it touches.

https://hl7.org/fhir/R4/security-labels.html. ``meta.security`` gets exactly one code of
v3-Confidentiality and any number of v3-ActCode; both also become columns that queries compare.
What labels follow from type, instrument and content is data (``definitions/labels.json``). A
label is only ever raised: by the client, by what a resource is made from, by the version before.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from typing import Any, Final, TypeAlias

from app.domain.consent.policy import RANKS
from app.fhir import references
from app.fhir.json import Tree
from app.fhir.registry import REGISTRY
from app.fhir.security_labels import rules
from app.repositories.unit_of_work import UnitOfWork
from app.search.visibility import Visible

CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
SENSITIVITY: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_CODES: Final = {rank: code for code, rank in RANKS.items()}
_UNKNOWN: Final = 1 << 62  # of a code that is not in the list: as unseen as any
_SEPARATOR: Final = "\n"

Source: TypeAlias = tuple[int, str]  # type number and id


@dataclass(frozen=True, slots=True)
class Labels:
    """A rank in the order of v3-Confidentiality, and sensitivities as bits of the list."""

    rank: int = 0
    bits: int = 0

    def __or__(self, other: Labels) -> Labels:
        """The high-water mark of both."""
        return Labels(max(self.rank, other.rank), self.bits | other.bits)


NONE: Final = Labels()


def labelled(
    tree: Tree, type_name: str, *, before: Tree | None, inherited: Labels = NONE
) -> tuple[Tree, Labels]:
    """The resource with the labels that it is to be stored with, and these as columns.

    ``before`` is the version it follows; ``inherited`` comes from ``inherited_from``.
    """
    given = _codings(tree)
    kept = [each for each in _codings(before or {}) if each.get("system") == SENSITIVITY]
    labels = _default(tree, type_name) | inherited | stated([*given, *_codings(before or {})])
    known = {each.get("code") for each in given if each.get("system") == SENSITIVITY}
    kept = [each for each in kept if each.get("code") not in known]
    known |= {each.get("code") for each in kept}
    security = [
        {"system": CONFIDENTIALITY, "code": _CODES[labels.rank]},
        *(each for each in given if each.get("system") != CONFIDENTIALITY),
        *kept,
        *(
            {"system": SENSITIVITY, "code": code}
            for code, bit in _bits().items()
            if labels.bits & bit and code not in known
        ),
    ]
    return {**tree, "meta": {**(tree.get("meta") or {}), "security": security}}, labels


def stated(codings: Iterable[Tree]) -> Labels:
    """What codings say; a code of either system that is not known counts as the highest."""
    labels = NONE
    for coding in codings:
        code = coding.get("code", "")
        if coding.get("system") == CONFIDENTIALITY:
            labels |= Labels(RANKS.get(code, RANKS["V"]))
        elif coding.get("system") == SENSITIVITY:
            labels |= _of_codes([code])
    return labels


def bits(codes: Iterable[str], *, permit: bool) -> int:
    """The bits of sensitivity codes in a rule: one that is not known permits nothing."""
    found = 0
    for code in codes:
        found |= _bits().get(code, 0 if permit else _UNKNOWN)
    return found


def codes(bits: int) -> list[str]:
    """The sensitivity codes that bits stand for."""
    return [code for code, bit in _bits().items() if bits & bit]


async def inherited_from(
    uow: UnitOfWork, tree: Tree, type_name: str, *, visible: Visible, base: str
) -> Labels:
    """The high-water mark of what a resource is made from, as far as it is seen.

    Whoever writes was told nothing by what they do not see, and is told nothing of it.
    """
    found = await of(uow, sources_of(tree, type_name, base=base), visible=visible)
    return highest(found.values())


def all_of(tenant: int) -> Visible:
    """What the server, and systems that bring others' work, make something from: all there is."""
    return Visible.everything(tenant, reason="what is made from something is as confidential")


async def of(
    uow: UnitOfWork, sources: Collection[Source], *, visible: Visible
) -> Mapping[Source, Labels]:
    """The labels of stored resources; what is not here has none."""
    if not sources:
        return {}
    found = await uow.resources.labels(sources, visible=visible)
    return {source: Labels(*columns) for source, columns in found.items()}


def highest(found: Iterable[Labels]) -> Labels:
    """The high-water mark of several."""
    return reduce(operator.or_, found, NONE)


def data_class(tree: Tree, type_name: str) -> str | None:
    """What kind of data it is within its type, as lines ``system|code`` between line ends.

    Of a response its questionnaire, of other types every coding of what says what they are.
    """
    lines = list(dict.fromkeys(_classes(tree, type_name)))
    return _SEPARATOR + _SEPARATOR.join(lines) + _SEPARATOR if lines else None


def _classes(tree: Tree, type_name: str) -> Iterator[str]:
    if type_name == "QuestionnaireResponse":
        if canonical := tree.get("questionnaire"):
            yield canonical.partition("|")[0]
        return
    for element in ("code", "type", "category"):
        concepts = tree.get(element)
        for concept in concepts if isinstance(concepts, list) else [concepts]:
            for coding in concept.get("coding") or () if isinstance(concept, dict) else ():
                if coding.get("code"):
                    yield f"{coding.get('system', '')}|{coding['code']}"


def _default(tree: Tree, type_name: str) -> Labels:
    labels = Labels(_default_rank(type_name))
    classes = list(_classes(tree, type_name)) if type_name in _content() else []
    for named, implied in _content().get(type_name, ()):
        if any(each in named or f"{each.partition('|')[0]}|*" in named for each in classes):
            labels |= implied
    return labels


def _of_codes(codes: Iterable[str]) -> Labels:
    labels = NONE
    for code in codes:
        if code in RANKS:
            labels |= Labels(RANKS[code])
        else:
            rank = RANKS[rules()["implied"].get(code, "N")]
            labels |= Labels(rank, _bits().get(code, _UNKNOWN))
    return labels


def _codings(tree: Tree) -> list[Tree]:
    return list((tree.get("meta") or {}).get("security") or ())


def sources_of(tree: Tree, type_name: str, *, base: str) -> frozenset[Source]:
    """What a resource is made from, as far as it is on this server; ``base`` is its URL."""
    return frozenset(_sources(tree, type_name, base))


def plain_sources_of(tree: Tree, type_name: str) -> frozenset[Source]:
    """The same of references that are written ``Type/id`` and no more."""
    return frozenset(_sources(tree, type_name, None))


def made_types() -> Sequence[str]:
    """The types that may be made from others."""
    return tuple(rules()["inherited"])


def _sources(tree: Tree, type_name: str, base: str | None) -> Iterator[Source]:
    for path in rules()["inherited"].get(type_name, ()):
        nodes: list[Any] = [tree]
        for name in path.split("."):
            values = [node.get(name) for node in nodes if isinstance(node, dict)]
            nodes = [
                each for value in values for each in (value if isinstance(value, list) else [value])
            ]
        for node in nodes:
            named = references.local(node, base or "") or ""
            if base is None and not (isinstance(node, dict) and named == node.get("reference")):
                continue
            kind, _, id = named.partition("/")
            if kind in REGISTRY:
                yield REGISTRY[kind].code, id


@cache
def _default_rank(type_name: str) -> int:
    for code, types in rules()["confidentiality"].items():
        if type_name in types:
            return RANKS[code]
    return RANKS["R"]


@cache
def _bits() -> dict[str, int]:
    return {code: 1 << place for place, code in enumerate(rules()["sensitivity"])}


@cache
def _content() -> dict[str, list[tuple[frozenset[str], Labels]]]:
    found: dict[str, list[tuple[frozenset[str], Labels]]] = {}
    for rule in rules()["content"]:
        named = frozenset(rule["class"])
        found.setdefault(rule["type"], []).append((named, _of_codes(rule["labels"])))
    return found

"""A Consent as rules, or the reason why it is none.

The form is IHE PCF's: the root provision says permit or deny, one level of nested provisions
makes exceptions. A nested rule keeps what the root says of actor, action and purpose, and a
permit also what it says of the data, where it does not say so itself: an exception never reaches
further than the rule it is made to. A Consent that says anything
this reading does not know has no rules: half of what a person decided must not be enforced as
if it were all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, Final

from app.fhir import primitives, references
from app.fhir.json import Tree

RANKS: Final = {"U": 0, "L": 1, "M": 2, "N": 3, "R": 4, "V": 5}
NOTES: Final = "PSYTHPN"
MOST: Final = 2000
FOREVER: Final = (-(2**62), 2**62)

_CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_SENSITIVITY: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_PURPOSE: Final = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_ACTION: Final = "http://terminology.hl7.org/CodeSystem/consentaction"
_TYPES: Final = "http://hl7.org/fhir/resource-types"
_ACTIONS: Final = frozenset(("collect", "access", "use", "disclose", "correct"))
_MEANINGS: Final = frozenset(("instance", "related", "dependents", "authoredby"))
_INDIVIDUALS: Final = frozenset(("Practitioner", "RelatedPerson", "Patient"))
_GOVERNING: Final = ("actors", "actions", "purposes")
_KNOWN: Final = frozenset(
    (
        "id", "type", "period", "actor", "action", "securityLabel", "purpose", "class", "code",
        "dataPeriod", "data", "provision",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Uncomputable:
    """Why a Consent grants and denies nothing; ``expression`` is where."""

    reason: str
    expression: str


@dataclass(frozen=True, slots=True)
class Label:
    """Security labels that a rule speaks of: up to (or, to deny, from) a rank, or any of codes."""

    rank: int | None
    sensitivities: frozenset[str]


@dataclass(frozen=True, slots=True)
class Rule:
    """One provision, with what it keeps of the root. An empty criterion does not restrict.

    ``actors`` are references, ``purposes`` codes of v3-ActReason or ``system|code``, ``classes``
    type names or ``system|code``, ``data`` a meaning and a reference each. Periods are
    microseconds, the end exclusive. ``weight`` tells how specific a rule is: 0 for the root.
    """

    permit: bool
    path: str
    weight: int
    actors: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    purposes: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    labels: Label | None = None
    data: frozenset[tuple[str, str]] = frozenset()
    period: tuple[int, int] = FOREVER
    data_period: tuple[int, int] | None = None

    @property
    def size(self) -> int:
        """How many ways there are to meet it, its lists multiplied."""
        ways = (self.actors, self.classes, self.codes, self.data)
        return prod(max(len(each), 1) for each in ways)

    @property
    def is_partial(self) -> bool:
        """Whether it speaks of some of the data only."""
        return bool(
            self.classes or self.codes or self.labels or self.data or self.data_period is not None
        )

    @property
    def opens_notes(self) -> bool:
        """Whether it may open a psychotherapy note: nested, naming it, one person, a purpose."""
        return (
            self.permit
            and self.weight > 0
            and self.labels is not None
            and NOTES in self.labels.sensitivities
            and bool(self.purposes)
            and bool(self.actors)
            and all(actor.partition("/")[0] in _INDIVIDUALS for actor in self.actors)
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """What an active Consent decides for its patient; the first rule is the root."""

    consent: str
    version: int
    patient: str
    rules: tuple[Rule, ...]


class _Refused(Exception):
    def __init__(self, reason: str, expression: str) -> None:
        super().__init__(reason)
        self.refusal = Uncomputable(reason, f"Consent.{expression}")


def read(tree: Tree, *, id: str, version: int, base: str) -> Policy | Uncomputable:
    """The policy of a Consent that is valid R4, whatever its status.

    The status is for the caller: only an ``active`` Consent counts. ``base`` is the own base URL.
    """
    try:
        patient = _reference(tree.get("patient"), "patient", base)
        kind, _, patient_id = patient.partition("/")
        if kind != "Patient":
            raise _Refused("does not name a Patient of this server", "patient")
        root = tree.get("provision")
        if not isinstance(root, dict):
            raise _Refused("has no provision", "provision")
        if "modifierExtension" in tree:
            raise _Refused("has a modifier extension that is not known here", "modifierExtension")
        rules = tuple(_rules(root, base))
        if sum(rule.size for rule in rules) > MOST:
            raise _Refused("says more than can be enforced", "provision")
        return Policy(id, version, patient_id, rules)
    except _Refused as refused:
        return refused.refusal


def _rules(root: Tree, base: str) -> Iterator[Rule]:
    first = _rule(root, "provision", None, base)
    yield first
    for place, nested in enumerate(root.get("provision", ())):
        path = f"provision.provision[{place}]"
        if nested.get("provision"):
            raise _Refused("nests provisions more than one level deep", path)
        yield _rule(nested, path, first, base)


def _rule(provision: Tree, path: str, above: Rule | None, base: str) -> Rule:
    unknown = sorted(provision.keys() - _KNOWN)
    if unknown:
        raise _Refused("says something that is not known here", f"{path}.{unknown[0]}")
    if provision.get("type") not in ("permit", "deny"):
        raise _Refused("does not say whether it permits or denies", f"{path}.type")
    actors = frozenset(_actors(provision, path, base))
    stated: dict[str, Any] = {
        "actors": actors,
        "actions": frozenset(_actions(provision, path)),
        "purposes": frozenset(_codings(provision.get("purpose", ()), _PURPOSE, f"{path}.purpose")),
        "classes": frozenset(_codings(provision.get("class", ()), _TYPES, f"{path}.class")),
        "codes": frozenset(_concepts(provision.get("code", ()), f"{path}.code")),
        "labels": _labels(provision, path),
        "data": frozenset(_data(provision, path, base)),
        "data_period": _period(provision.get("dataPeriod"), f"{path}.dataPeriod"),
    }
    own = {name: value for name, value in stated.items() if value}
    if stated["codes"] and any("|" in each for each in stated["classes"]):
        raise _Refused("asks for documents by class and by code at once", f"{path}.class")
    period = _period(provision.get("period"), f"{path}.period") or FOREVER
    weight = 0
    if above is not None:
        # One person is named more exactly than a group is.
        individual = bool(actors) and all(a.partition("/")[0] in _INDIVIDUALS for a in actors)
        weight = 1 + len(own) + individual
        # Beyond the data of the rule there is nothing that a denial could take away.
        names = stated if provision["type"] == "permit" else _GOVERNING
        kept = {name: getattr(above, name) for name in names}
        # To name what data are by one criterion is to name them anew.
        if own.keys() & {"classes", "codes"}:
            kept.pop("classes", None)
            kept.pop("codes", None)
        own = {**kept, **own}
        period = max(period[0], above.period[0]), min(period[1], above.period[1])
    return Rule(provision["type"] == "permit", path, weight, period=period, **own)


def _actors(provision: Tree, path: str, base: str) -> Iterator[str]:
    for actor in provision.get("actor", ()):
        yield _reference(actor.get("reference"), f"{path}.actor.reference", base)


def _actions(provision: Tree, path: str) -> Iterator[str]:
    for concept in provision.get("action", ()):
        known = {
            coding.get("code")
            for coding in concept.get("coding", ())
            if coding.get("system") in (_ACTION, None)
        } & _ACTIONS
        if not known:
            raise _Refused("names an action that is not known here", f"{path}.action")
        yield from known


def _codings(codings: Iterable[Tree], short: str, path: str) -> Iterator[str]:
    for coding in codings:
        code = coding.get("code")
        if not code:
            raise _Refused("has a coding without a code", path)
        system = coding.get("system") or short
        yield code if system == short else f"{system}|{code}"


def _concepts(concepts: Iterable[Tree], path: str) -> Iterator[str]:
    for concept in concepts:
        codings = concept.get("coding") or ()
        if not codings:
            raise _Refused("names a code in words only", path)
        for coding in codings:
            if not coding.get("code"):
                raise _Refused("has a coding without a code", path)
            yield f"{coding.get('system', '')}|{coding['code']}"


def _labels(provision: Tree, path: str) -> Label | None:
    ranks, sensitivities = [], set()
    for coding in provision.get("securityLabel", ()):
        system, code = coding.get("system"), coding.get("code")
        if system == _CONFIDENTIALITY and code in RANKS:
            ranks.append(RANKS[code])
        elif system == _SENSITIVITY and code:
            sensitivities.add(code)
        else:
            raise _Refused("names a label that is not known here", f"{path}.securityLabel")
    if not ranks and not sensitivities:
        return None
    # Confidentiality is a high-water mark: who may see R sees N, who may not see R sees no V.
    reach = max if provision["type"] == "permit" else min
    return Label(reach(ranks) if ranks else None, frozenset(sensitivities))


def _data(provision: Tree, path: str, base: str) -> Iterator[tuple[str, str]]:
    for data in provision.get("data", ()):
        meaning = data.get("meaning")
        if meaning not in _MEANINGS:
            raise _Refused("names a meaning that is not known here", f"{path}.data.meaning")
        yield meaning, _reference(data.get("reference"), f"{path}.data.reference", base)


def _reference(reference: object, path: str, base: str) -> str:
    text = reference.get("reference") if isinstance(reference, dict) else None
    named = references.parse(text, base=base) if isinstance(text, str) else None
    if named is None or named.id is None:
        raise _Refused("refers to nothing that can be looked up here", path)
    if named.key is None:
        raise _Refused("refers to another server", path)
    return named.key


def _period(period: object, path: str) -> tuple[int, int] | None:
    if not isinstance(period, dict):
        return None
    try:
        start, end = period.get("start"), period.get("end")
        return (
            primitives.date_range(start)[0] if start else FOREVER[0],
            primitives.date_range(end)[1] if end else FOREVER[1],
        )
    except ValueError:
        raise _Refused("has a period that is no time", path) from None

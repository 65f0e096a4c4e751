"""What the Consents of a patient say to one request for one resource.

The same rules as rows are joined by every query (``app/search/consents.py``); this is the
definition that the queries are held against, and what explains them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.domain.consent.policy import NOTES, RANKS, Policy, Rule

# What it takes to read, add and change: consentaction codes, any of which a rule may name.
ACTIONS: Final = {
    "r": frozenset(("access", "use", "disclose")),
    "s": frozenset(("access", "use", "disclose")),
    "c": frozenset(("collect",)),
    "u": frozenset(("correct",)),
    "d": frozenset(("correct",)),
}
# IHE PCF: what is related to one of these is also what was recorded in its course.
COURSES: Final = frozenset(("Encounter", "CarePlan", "EpisodeOfCare"))
MOST_BY_RANK: Final = RANKS["R"]


class Outcome(StrEnum):
    """What Consents say; ``SILENT`` leaves it to the policy of the clinic."""

    PERMIT = "permit"
    DENY = "deny"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks: every reference that names the caller, one of them the caller's own.

    ``action`` is a SMART letter, ``now`` microseconds. ``broken_glass``: the caller has declared
    an emergency about this patient.
    """

    actor: str
    memberships: frozenset[str]
    action: str
    purpose: str
    now: int
    broken_glass: bool = False

    @property
    def actors(self) -> frozenset[str]:
        """Every reference that means the caller."""
        return self.memberships | {self.actor}


@dataclass(frozen=True, slots=True)
class Data:
    """The resource asked for, as rules speak of it.

    ``codes`` are ``system|code``. ``refers`` and ``referred`` are what it refers to and what
    refers to it. ``period`` is the time that the data are of, None where they say none, and
    ``is_dated`` whether data of the type ever do.
    """

    reference: str
    rank: int
    sensitivities: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    refers: frozenset[str] = frozenset()
    referred: frozenset[str] = frozenset()
    authors: frozenset[str] = frozenset()
    period: tuple[int, int] | None = None
    is_dated: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome, and the policy and rule that it follows from."""

    outcome: Outcome
    policy: Policy | None = None
    rule: Rule | None = None


SILENT = Decision(Outcome.SILENT)


def decide(policies: Iterable[Policy], request: Request, data: Data) -> Decision:
    """What the active Consents of a patient say together.

    In a Consent the most specific rule that applies wins, deny where two are equal; across
    Consents deny wins. A root that permits this caller some data and none of the Consents
    permitting this one is a denial too: what was agreed to is all that was agreed to.
    """
    said = [each for policy in policies for each in [_one(policy, request, data)] if each]
    for outcome in (Outcome.DENY, Outcome.PERMIT):
        for each in said:
            if each.outcome == outcome and each.rule and _applies(each.rule, request, data):
                return each
    return next(iter(said), SILENT)


def _one(policy: Policy, request: Request, data: Data) -> Decision | None:
    applying = [rule for rule in policy.rules if _applies(rule, request, data)]
    if applying:
        rule = max(applying, key=lambda rule: (rule.weight, not rule.permit))
        return Decision(Outcome.PERMIT if rule.permit else Outcome.DENY, policy, rule)
    root = policy.rules[0]
    if root.permit and root.is_partial and governs(root, request):
        return Decision(Outcome.DENY, policy, root)
    return None


def governs(rule: Rule, request: Request, *, emergency: bool = False) -> bool:
    """Whether a rule speaks to the caller now, whatever the data.

    ``emergency`` tells that the one which the caller declared stands for a purpose of the rule.
    """
    return (
        rule.period[0] <= request.now < rule.period[1]
        and (not rule.actors or not rule.actors.isdisjoint(request.actors))
        and (not rule.actions or not rule.actions.isdisjoint(ACTIONS[request.action]))
        and (not rule.purposes or request.purpose in rule.purposes or emergency)
    )


def _in_emergency(rule: Rule, request: Request, data: Data) -> bool:
    """An emergency reaches no further than restricted data, whatever a Consent permits in one."""
    return (
        rule.permit
        and request.broken_glass
        and not rule.purposes.isdisjoint(("BTG", "ETREAT"))
        and data.rank <= MOST_BY_RANK
    )


def _applies(rule: Rule, request: Request, data: Data) -> bool:
    emergency = _in_emergency(rule, request, data)
    return governs(rule, request, emergency=emergency) and _speaks_of(rule, data, request)


def _speaks_of(rule: Rule, data: Data, request: Request) -> bool:
    kind = data.reference.partition("/")[0]
    return (
        _labelled(rule, data, request)
        and (not rule.classes or kind in rule.classes or not rule.classes.isdisjoint(data.codes))
        and (not rule.codes or not rule.codes.isdisjoint(data.codes))
        and (not rule.data or any(_means(each, data) for each in rule.data))
        and _of_the_time(rule, data)
    )


def _labelled(rule: Rule, data: Data, request: Request) -> bool:
    if rule.permit and NOTES in data.sensitivities:
        # A note is opened only to a person who is named, by themselves.
        return rule.opens_notes and request.actor in rule.actors
    labels = rule.labels
    if labels is None:
        return True
    if not labels.sensitivities.isdisjoint(data.sensitivities):
        return True
    if labels.rank is None:
        return False
    if rule.permit:
        return data.rank <= min(labels.rank, MOST_BY_RANK)
    return data.rank >= labels.rank


def _means(part: tuple[str, str], data: Data) -> bool:
    meaning, reference = part
    if meaning == "authoredby":
        return reference in data.authors
    if reference == data.reference:
        return True
    refers, referred = reference in data.refers, reference in data.referred
    if meaning == "related":
        return referred or (refers and reference.partition("/")[0] in COURSES)
    return meaning == "dependents" and refers


def _of_the_time(rule: Rule, data: Data) -> bool:
    if rule.data_period is None:
        return True
    if not data.is_dated:
        return rule.permit
    if data.period is None:
        return not rule.permit
    return data.period[0] < rule.data_period[1] and data.period[1] > rule.data_period[0]

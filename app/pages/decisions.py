"""A Consent in plain words: one sentence for each of its rules, in the reader's language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.core.clock import format_instant
from app.domain import consent
from app.domain.consent.policy import FOREVER, RANKS
from app.fhir.json import Tree
from app.pages.me_texts import ME_TEXTS

_DAY = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Decision:
    """What a client sees of a Consent of theirs."""

    id: str
    version: int
    sentences: tuple[str, ...]
    since: str
    counts: bool
    signed: bool


def sentences(tree: Tree, *, language: str, names: Mapping[str, str], base: str) -> tuple[str, ...]:
    """What a Consent says; ``names`` are those of the actors, by reference."""
    policy = consent.read(tree, id=tree["id"], version=1, base=base)
    if isinstance(policy, consent.Uncomputable):
        return (ME_TEXTS["me-cannot"][language],)
    return tuple(_sentence(rule, language, names) for rule in policy.rules)


def _sentence(rule: consent.Rule, language: str, names: Mapping[str, str]) -> str:
    def text(key: str) -> str:
        return ME_TEXTS[key][language]

    joint = any(actor.startswith("Group/") for actor in rule.actors)
    key = "me-permits" if rule.permit else "me-denies"
    who = text("me-anybody")
    if joint:
        who = text("me-you-two")
    elif rule.actors:
        who = ("، " if language == "ar" else ", ").join(
            names.get(actor, actor) for actor in sorted(rule.actors)
        )
    elif not rule.permit:
        key = "me-nobody"
    end = ""
    if rule.period[1] < FOREVER[1]:
        day = format_instant(rule.period[1] - _DAY)[:10]
        end = text("me-to-day").format(day=f"\u2066{day}\u2069")  # a date reads left to right
    what = text("me-joint") if joint and rule.permit else text(_what(rule))
    why = "".join(text(each) for each in _why(rule))
    return text(key).format(who=f"\u2068{who}\u2069", what=what, why=why, end=end)


def _what(rule: consent.Rule) -> str:
    if rule.classes or rule.codes or rule.data or rule.data_period:
        return "me-some"
    labels = rule.labels
    if labels is None:
        return "me-all"
    if labels.sensitivities or labels.rank is None:
        return "me-some"
    if not rule.permit:
        return "me-level-above" if labels.rank > RANKS["N"] else "me-all"
    return "me-level-n" if labels.rank <= RANKS["N"] else "me-level-r"


def _why(rule: consent.Rule) -> Iterator[str]:
    if not rule.purposes:
        return
    if rule.purposes <= {"BTG", "ETREAT"}:
        yield "me-for-emergency"
    elif "TREAT" in rule.purposes:
        yield "me-for-care"
    else:
        yield "me-for-other"

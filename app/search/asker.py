"""For whom the rules of Consents are looked up, and to what end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from app.domain.consent import Implicit
from app.search.expression import Shaper, Value


class Form(StrEnum):
    """What a query wants to know of the Consents of those whom a row is about."""

    PERMIT = "permit"  # whether all of them permit it to the caller
    REFUSAL = "refusal"  # whether one of them denies it
    SILENT = "silent"  # whether one of them does not permit it to the caller
    PARTNER = "partner"  # whether it is also about somebody who has not opened it to the caller
    GLASS = "glass"  # whether the caller has declared an emergency about one of them


@dataclass(frozen=True, slots=True)
class Concern:
    """How Consents concern a caller now, read in the unit that then asks for rows.

    ``actors`` are all references that mean the caller: the caller's own, and what the caller
    belongs to. The flags tell whether any rule of the kind speaks to the caller at all, so that
    a query need not ask of each row: ``open`` is a permit to anybody. ``policy`` is what holds
    where Consents say nothing, ``rated`` are the patients (ids) who may have rated the caller,
    ``closing`` those whose Consents refuse the caller anything, None where they are many.
    """

    actors: tuple[str, ...] = ()
    refused: bool = False
    closing: tuple[str, ...] | None = None
    named: bool = False
    open: bool = False
    glass: bool = False
    policy: Implicit = Implicit.CLINIC
    rated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asker:
    """A caller as Consents know one.

    ``actor`` and ``own`` are the caller's reference and its id, ``actors`` all references that
    mean the caller, ``action`` a SMART letter, ``now`` microseconds. ``ceiling`` is the highest
    rank that a permit without labels opens. ``named`` counts only permits that name the caller;
    ``keeps`` is an author type whose rows no Consent takes from the author, ``alarmed`` a role
    that hears of what is very restricted regardless. ``opened`` and ``glass`` tell whether there
    is any permit that names the caller, any emergency that the caller declared; ``lifted`` that
    an emergency stands for a permit. ``closing`` are the patients who may refuse, if they are few.
    """

    form: Form
    actor: Value
    own: Value
    actors: Value
    action: str
    purpose: Value
    now: Value
    ceiling: int = 0
    named: bool = False
    keeps: int | None = None
    alarmed: bool = False
    opened: bool = True
    glass: bool = True
    lifted: bool = False
    closing: Value = None

    def shaped(self, shaper: Shaper) -> Asker:
        """The same with slots."""
        return replace(
            self,
            actor=shaper.slot(self.actor),
            own=shaper.slot(self.own),
            actors=shaper.slot(self.actors),
            purpose=shaper.slot(self.purpose),
            now=shaper.slot(self.now),
            closing=shaper.slot(self.closing),
        )

"""A clinic's year with drops and repairs planted where we know of them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import httpx

from tests.support.application import Clinic
from tests.support.therapy import Therapy, pulse, rule, session, status

# Sums of a pulse's five answers: steady, and fallen. A steady course moves by 5 points of 100,
# which no live rule stops at; a fall is one of 20 points or more.
STEADY, FALLEN = (15, 16), (10, 11)
WINDOW = 3
QUARTER = 13


@dataclass(frozen=True, slots=True)
class Planted:
    """A fall: the session it is in, the sessions that stay low, how it goes on."""

    session: int
    low: tuple[int, ...]
    status: str


@dataclass(frozen=True, slots=True)
class Year:
    """A client's sums of answers (None: not answered), and what was planted in them."""

    sums: tuple[int | None, ...]
    planted: tuple[Planted, ...]


def year(dice: random.Random, sessions: int) -> Year:
    """One client's sessions."""
    sums: list[int | None] = [dice.choice(STEADY) for _ in range(sessions)]
    planted: list[Planted] = []
    at = 4 + dice.randrange(6)
    while at <= sessions and dice.random() < 0.7:
        if dice.random() < 0.6:
            length, kind = 1 + dice.randrange(WINDOW), "repaired"
        else:
            length, kind = WINDOW + 1 + dice.randrange(3), "unrepaired"
        last = min(at + length - 1, sessions)
        low = tuple(range(at, last + 1))
        for number in low:
            sums[number - 1] = dice.choice(FALLEN)
        if last < sessions:
            sums[last] = max(STEADY)  # back to where it was, for certain
        if len(low) == length or len(low) > WINDOW:
            planted.append(
                Planted(at, low, kind if last < sessions or kind != "repaired" else "open")
            )
        else:
            planted.append(Planted(at, low, "open"))
        at = last + 8 + dice.randrange(8)
    quiet = {n for each in planted for n in (*each.low, each.low[-1] + 1)}
    for number in range(2, sessions + 1):
        if number not in quiet and dice.random() < 0.08:
            sums[number - 1] = None
    return Year(tuple(sums), tuple(planted))


@dataclass(frozen=True, slots=True)
class Simulated:
    """A client's course in the clinic and the year it went through."""

    course: Therapy
    year: Year


async def load(
    clinic: Clinic, *, therapists: int, clients: int, sessions: int, seed: int
) -> Sequence[Simulated]:
    """Writes the clinic's year through the API."""
    dice = random.Random(seed)
    found = []
    for number in range(clients):
        course = Therapy(
            await _signed_in(clinic, number),
            clinic.settle,
            key=f"c{number}",
            therapist_key=f"t{number % therapists}",
        )
        await course.begin()
        told = year(dice, sessions)
        answers = [None if each is None else pulse(each) for each in told.sums]
        for start in range(0, sessions, QUARTER):  # a fall may come back in the next one
            await course.sessions("asc-pulse", answers[start : start + QUARTER])
        found.append(Simulated(course, told))
    return found


async def _signed_in(clinic: Clinic, number: int) -> httpx.AsyncClient:
    """The record system; signed in again now and then, since a token lasts ten minutes."""
    if number % 20 == 0:
        clinic.opened.append(await clinic.ehr.http())
    return clinic.opened[-1]


async def differences(clinic: Clinic, found: Sequence[Simulated]) -> Sequence[str]:
    """Every planted fall that was not found as it was planted, every alert that was invented."""
    told: list[str] = []
    for number, each in enumerate(found):
        each.course.http = await _signed_in(clinic, number)
        alerts = await each.course.alerts()
        raised = {(session(alert), status(alert)) for alert in alerts if rule(alert) == "v-episode"}
        planted = {(fall.session, fall.status) for fall in each.year.planted}
        told.extend(f"{each.course.key}: not found {fall}" for fall in sorted(planted - raised))
        told.extend(f"{each.course.key}: invented {fall}" for fall in sorted(raised - planted))
        low = {number for fall in each.year.planted for number in fall.low}
        told.extend(
            f"{each.course.key}: {rule(alert)} in session {session(alert)}"
            for alert in alerts
            if session(alert) not in low or alert["status"] == "entered-in-error"
        )
    return told


def falls(found: Sequence[Simulated]) -> Iterator[Planted]:
    """All that was planted."""
    for each in found:
        yield from each.year.planted

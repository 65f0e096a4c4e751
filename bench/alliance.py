"""What the alliance costs: an answer with all that follows it, a trend, scoring all again.

A course of sessions with drops and repairs is written over HTTP, the relay following; then some
answers more, whose CPU is that of server and relay, and of the database apart.
"""

from __future__ import annotations

import asyncio
import http.client
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from statistics import median

from app.main import opened
from app.serving import settled
from bench import load, records
from bench.driving import Target
from bench.measures import Goal, Measure, at_least, at_most, measure, tell
from bench.processes import cpu_of
from bench.records import Tree
from bench.stand import Stand
from tests.support.therapy import OURS, asc, items, pulse

_PATIENT = 900_000_000  # beyond all others
_FIRST = datetime(2024, 1, 8, 17, tzinfo=UTC)
_LEVELS = (3, 3, 4, 3, 1, 2, 3, 3, 2, 4, 4, 0, 3)  # of the sessions, again and again
_ANSWER = "answer of 22 items, all that follows it"
_TRENDS = 20
_PULSES_OF_ONE = 50


def run(stand: Stand, *, sessions: int, pulses: int) -> Iterator[Measure]:
    """The figures over a course of ``sessions`` and a fifth more, and so many pulses."""
    more = sessions // 5
    tell(f"{stand.dialect}: a course of {sessions} sessions")
    with stand.relay() as relay, stand.rapport() as process:
        target = stand.target()
        encounters = map(_encounter, range(sessions + more))
        course = chain(_head(), encounters, map(_answered, range(sessions)))
        while part := list(islice(course, 100)):
            load.send(target, "POST", "", records.transaction(part))
        stand.settled()
        running = [relay] if relay else []
        began, database = process.cpu + cpu_of(running), stand.database_cpu()
        for number in range(sessions, sessions + more):
            load.post(target, _answered(number))
        stand.followed()
        cost = 1000 * (process.cpu + cpu_of(running) - began) / more
        yield _of(stand, _ANSWER, cost, "ms CPU, server", at_most(30))
        if stand.cluster:
            cost = 1000 * (stand.database_cpu() - database) / more
            yield _of(stand, _ANSWER, cost, "ms CPU, database")
    with stand.rapport():
        target = stand.target()
        taken = [_trend(target) for _ in range(_TRENDS)]
        name = f"trend of {sessions + more} sessions"
        yield _of(stand, name, median(taken), "ms p50", at_most(50))
        yield _of(stand, f"{name}, the first after a start", taken[0], "ms")
    yield from _rescored(stand, pulses)


def _rescored(stand: Stand, count: int) -> Iterator[Measure]:
    tell(f"{stand.dialect}: {count} pulses scored again")
    stand.seed(map(_pulse, range(count)))

    async def once() -> float:
        async with opened(stand.clinic.settings) as core:
            job = settled(core.engine.services.rescoring)
            total = await job.total(core.units, stand.tenant)
            began = time.monotonic()
            await job.run(core.units, stand.tenant, anew=True)
            return total / (time.monotonic() - began)

    for name in ("every score new", "none changed"):
        rate = asyncio.run(once())
        yield _of(stand, f"rescoring, {name}", rate, "responses/s", at_least(1000))


def _trend(target: Target) -> float:
    """Milliseconds until it is read whole."""
    connection = http.client.HTTPConnection(target.host, target.port, timeout=60)
    began = time.perf_counter()
    status = target.ask(connection, f"/EpisodeOfCare/c{_PATIENT}/$alliance-trend")
    taken = 1000 * (time.perf_counter() - began)
    connection.close()
    if status != 200:
        raise RuntimeError(f"trend: {status}")
    return taken


def _head() -> list[Tree]:
    patient, episode, _ = records.course(_PATIENT)
    therapist = records.therapist(_PATIENT // records.CASELOAD)
    return [records.organization(), therapist, patient, episode]


def _encounter(number: int) -> Tree:
    began = _FIRST + timedelta(days=7 * number)
    period = {"start": began.isoformat(), "end": (began + timedelta(minutes=50)).isoformat()}
    encounter = records.course(_PATIENT)[2]
    return {**encounter, "id": f"e{_PATIENT}-{number}", "period": period}


def _answered(number: int) -> Tree:
    answers = items("asc-client", asc(_LEVELS[number % len(_LEVELS)]))
    encounter = {"reference": f"Encounter/e{_PATIENT}-{number}"}
    authored = _FIRST + timedelta(days=7 * number, hours=1)
    return {**_response("asc-client", _PATIENT, authored, answers), "encounter": encounter}


def _pulse(number: int) -> Tree:
    patient, session = divmod(number, _PULSES_OF_ONE)
    answers = items("asc-pulse", pulse(number % 21))
    return _response("asc-pulse", patient, _FIRST + timedelta(days=7 * session), answers)


def _response(instrument: str, patient: int, authored: datetime, answers: list[Tree]) -> Tree:
    who = {"reference": f"Patient/p{patient}"}
    return {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": f"{OURS}/Questionnaire/{instrument}|1.0.0",
        "status": "completed",
        "subject": who,
        "author": who,
        "authored": authored.isoformat(),
        "item": answers,
    }


def _of(stand: Stand, name: str, value: float, unit: str, goal: Goal | None = None) -> Measure:
    found = measure(name, stand.dialect, 1, value, unit, goal=goal)
    tell(f"  {name}: {found.value:g} {unit}")
    return found

"""``make bench``: Rapport with everything on, held against what the machine can do without it.

``--quick`` asks less often and of fewer rows, ``--size full`` of a million, ``--only`` for parts.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import alliance, audit_scale, pgbench, seeding, validation
from bench.clinic import made
from bench.driving import GENERATOR
from bench.measures import Measure, at_most, line, measure, table, tell
from bench.stand import Stand
from bench.suite import Plan, Suite
from tests.support import postgres

PARTS = (
    "validation", "scale", "read", "search", "write", "profile", "audit", "consent", "storage",
    "alliance", "audit-scale",
)  # fmt: skip
SIZES = {
    "smoke": 100,
    "tiny": 1_000,
    "quick": 20_000,
    "usual": 100_000,
    "full": 1_000_000,
}  # responses
# In memory as much as a small clinic's server has; durability as PostgreSQL has it by itself.
_SETTINGS = {"shared_buffers": "256MB", "max_wal_size": "4GB"}


def main() -> None:
    """Measures, and prints a table and last a JSON object."""
    given = _asked()
    size = "quick" if given.quick and given.size == "usual" else given.size
    plan = _plan(SIZES[size], quick=given.quick or size in ("smoke", "tiny"), workers=given.workers)
    wanted = frozenset(given.only)
    found: list[Measure] = []
    notes = [_machine(plan)]
    if not wanted or "validation" in wanted:
        found += _validation()
    if "postgresql" in given.database and (not wanted or "audit-scale" in wanted):
        with stand("postgresql") as here:
            found += audit_scale.run(here, count=10 * SIZES[size], seconds=plan.seconds)
    for database in given.database if not wanted or "alliance" in wanted else ():
        with stand(database) as here:  # of its own: other answers would be scored again too
            found += alliance.run(here, sessions=10 if size == "smoke" else 100,
                                  pulses=SIZES[size] // 5)  # fmt: skip
    for database in given.database if not wanted or wanted - {"alliance", "audit-scale"} else ():
        with stand(database) as here:
            suite = Suite(here, plan, wanted)
            found += suite.run()
            notes += suite.notes
            if here.cluster and (not wanted or wanted & {"read", "write"}):
                found += _pgbench(here, plan)
    print(*notes, sep="\n")
    print()
    print(table(found))
    print(line(found))


def _asked() -> argparse.Namespace:
    asked = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    asked.add_argument("--quick", action="store_true", help="a few minutes, for people at work")
    asked.add_argument("--size", choices=SIZES, default="usual", help="responses stored")
    asked.add_argument("--only", nargs="+", choices=PARTS, default=[], metavar="PART",
                       help="of " + ", ".join(PARTS))  # fmt: skip
    asked.add_argument("--database", nargs="+", choices=("sqlite", "postgresql"),
                       default=["postgresql", "sqlite"])  # fmt: skip
    asked.add_argument("--workers", nargs="+", type=int, default=[])
    return asked.parse_args()


def _plan(responses: int, *, quick: bool, workers: list[int]) -> Plan:
    patients = responses // seeding.EACH
    smoke = responses == SIZES["smoke"]
    return Plan(
        small=min(patients, 10_000 // seeding.EACH),
        large=patients,
        consents=max(patients, 20) if smoke else 10_000,
        workers=tuple(workers) or ((1,) if quick else (1, 2)),
        seconds=0.2 if smoke else 1 if quick else 3,
        repeats=1 if smoke else 3,
        warm_up=0 if smoke else 1,
        stored=10 if smoke else 1000,
        profile=1 if smoke else 2 if quick else 4,
    )


def _machine(plan: Plan) -> str:
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return (
        f"{os.cpu_count()} cores, load {load} before it, Python {platform.python_version()}, "
        f"{GENERATOR} with {plan.connections} connections, {plan.large * seeding.EACH} responses "
        f"of {plan.large} patients, {plan.repeats} repeats of {plan.seconds:g} s, medians"
    )


def _validation() -> list[Measure]:
    tell("validation")
    return [
        measure(f"validation, {n} items", "", 0, validation.milliseconds(n), "ms", goal=goal)
        for n, goal in ((40, at_most(0.5)), (300, at_most(20)))
    ]


def _pgbench(here: Stand, plan: Plan) -> Iterator[Measure]:
    assert here.cluster is not None
    rates = pgbench.rates(here.cluster, clients=8, seconds=max(1, round(plan.seconds)))
    for kind, rate in rates.items():
        yield measure(f"pgbench {kind}", "postgresql", 0, rate, "transactions/s")


@contextmanager
def stand(database: str) -> Iterator[Stand]:
    """A new clinic on a database of its own, on disk; removed on leaving."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        if database == "sqlite":
            clinic = asyncio.run(made("sqlite", directory / "clinic"))
            yield Stand(clinic, asyncio.run(seeding.tenant(clinic.settings)))
            return
        run = directory / "postgres"
        run.mkdir()
        cluster = postgres.join(run, os.getpid(), on_disk=True, settings=_SETTINGS)
        try:
            asyncio.run(cluster.create("bench"))
            clinic = asyncio.run(
                made("postgresql", directory / "clinic", url=cluster.url("bench", postgres.APP),
                     owner_url=cluster.url("bench", postgres.OWNER))
            )  # fmt: skip
            yield Stand(clinic, asyncio.run(seeding.tenant(clinic.settings)), cluster)
        finally:
            postgres.leave(run)


if __name__ == "__main__":
    main()

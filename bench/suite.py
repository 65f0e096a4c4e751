"""What is measured of one database: each figure a ratio of what ran in the same minutes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from bench import load, records, seeding
from bench.clinic import EXCHANGE, EXCHANGE_ACTOR
from bench.driving import Load, Sample, Target, middle, ratio, sides
from bench.measures import Goal, Measure, at_least, at_most, measure, tell
from bench.processes import Process, cpu_of
from bench.profile import rooms
from bench.stand import Stand


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: sizes in patients, times in seconds."""

    small: int
    large: int
    consents: int
    workers: tuple[int, ...]
    seconds: float
    repeats: int
    warm_up: float = 1
    connections: int = 16
    stored: int = 1000  # responses whose storage is weighed
    profile: float = 4


class Suite:
    """The measures of one database."""

    def __init__(self, stand: Stand, plan: Plan, wanted: frozenset[str]) -> None:
        self._stand = stand
        self._plan = plan
        self._wanted = wanted
        self.notes: list[str] = []

    def run(self) -> Iterator[Measure]:
        """Everything; what leaves work to the relay comes last."""
        stand, plan = self._stand, self._plan
        tell(f"{stand.dialect}: {plan.small * seeding.EACH} responses")
        stand.seed(seeding.clinic(range(plan.small)))
        small = self._alone() if self._wants("scale") else {}
        tell(f"{stand.dialect}: {plan.large * seeding.EACH} responses")
        stand.seed(seeding.clinic(range(plan.small, plan.large)))
        if small:
            yield from self._scale(small, self._alone())
        for workers in plan.workers:
            tell(f"{stand.dialect}: {workers} worker(s)")
            yield from self._read(workers)
        if self._wants("audit"):
            yield from self._audit()
        if self._wants("consent"):
            yield from self._consent()
        if self._wants("storage"):
            yield from self._storage()
        for workers in plan.workers if self._wants("write") or self._wants("profile") else ():
            tell(f"{stand.dialect}: {workers} worker(s), writing")
            yield from self._written(workers)

    def _wants(self, part: str) -> bool:
        return not self._wanted or part in self._wanted

    # -- one caller alone: how long an answer takes -------------------------------------------

    def _alone(self) -> dict[str, Sample]:
        with self._served_by(1) as (process, target):
            kinds = load.kinds(target, [], min(self._plan.small, seeding.WHOLE))
            asked = ("search", "chained", "_has", "_include")
            loads = {name: self._load(process, target, kinds[name], 1) for name in asked}
            found = self._sides(loads)
        return {name: min(samples, key=lambda each: each.p50) for name, samples in found.items()}

    def _scale(self, small: dict[str, Sample], large: dict[str, Sample]) -> Iterator[Measure]:
        rows = f"{self._plan.large * seeding.EACH // 1000}k responses"
        few = f"{self._plan.small * seeding.EACH // 1000}k"
        growth = large["search"].p50 / small["search"].p50
        yield self._of("search, median, " + rows, 1, growth, "ratio", f"at {few}", at_most(1.3))
        yield self._of("search, median, " + rows, 1, large["search"].p50, "ms")
        for name in ("chained", "_has", "_include"):
            value = large[name].p50
            yield self._of(f"{name} search, median, {rows}", 1, value, "ms", "", at_most(25))

    # -- many callers: what a second holds ----------------------------------------------------

    def _read(self, workers: int) -> Iterator[Measure]:
        stand = self._stand
        ids = stand.ids(500)
        postgresql = stand.dialect == "postgresql"
        with (
            stand.relay(),
            stand.references(workers) as (beside, plain),
            self._served_by(workers) as (process, target),
        ):
            yield self._of("start to ready", workers, process.ready_after, "s", "", at_most(3))
            kinds = load.kinds(target, ids)
            trivial = self._load(beside, plain, [plain.request("GET", "/trivial")])
            raw = self._load(beside, plain, [plain.request("GET", f"/raw/{id}") for id in ids])
            if self._wants("read"):
                get = self._load(process, target, kinds["read"])
                found = self._sides({"trivial": trivial, "raw": raw, "GET by id": get})
                yield from self._told(found, "trivial", workers)
                yield from self._told(found, "raw", workers)
                goal = at_least(0.6 if postgresql else 0.4)
                yield from self._told(found, "GET by id", workers, "raw", goal)
            if self._wants("search"):
                search = self._load(process, target, kinds["search"])
                found = self._sides({"raw": raw, "search": search})
                yield from self._told(found, "search", workers, "raw", at_least(0.35))
            megabytes = process.memory / 1e6
            yield self._of("memory of a worker", workers, megabytes, "MB", "", at_most(200))

    def _written(self, workers: int) -> Iterator[Measure]:
        stand = self._stand
        with (
            stand.relay() as relay,
            stand.references(workers) as references,
            self._served_by(workers) as (process, target),
        ):
            if self._wants("write"):
                yield from self._writes(workers, references, (process, target), relay)
            if self._wants("profile") and workers == 1:
                self._profile(process, target, load.kinds(target, stand.ids(500)))
            megabytes = process.memory / 1e6
            yield self._of(
                "memory of a worker, after writing", workers, megabytes, "MB", "", at_most(200)
            )

    def _writes(
        self, workers: int, references: tuple[Process, Target], own: tuple[Process, Target],
        relay: int | None,
    ) -> Iterator[Measure]:  # fmt: skip
        beside, plain = references
        process, target = own
        kinds = load.kinds(target, [])
        bodies = [records.text(records.response(n, n)) for n in range(load.PATIENTS)]
        inserts = [plain.request("POST", "/insert", body) for body in bodies]
        running = [relay] if relay else []
        before, began = cpu_of(running), time.monotonic()
        found = self._sides(
            {
                "insert": self._load(beside, plain, inserts),
                "POST": self._load(process, target, kinds["create"]),
                "transaction": replace(
                    self._load(process, target, kinds["transaction"], 4), least=3
                ),
            }
        )
        share = (cpu_of(running) - before) / (time.monotonic() - began)
        yield from self._told(found, "insert", workers)
        yield from self._told(found, "POST", workers, "insert", at_least(0.6))
        single, twenty = found["POST"], found["transaction"]
        each = ratio(twenty, single, lambda of: of.cpu) / 20
        yield self._of(
            "transaction of 20, server CPU of each", workers, each, "ratio", "POST",
            at_most(0.5),
        )  # fmt: skip
        waiting, age = self._stand.backlog()
        if relay:
            yield self._of("relay, CPU while written", workers, share, "cores")
        yield self._of("relay, backlog after it", workers, waiting, "reactions")
        yield self._of("relay, age of the oldest", workers, age, "s")

    # -- what safety costs --------------------------------------------------------------------

    def _audit(self) -> Iterator[Measure]:
        ids = self._stand.ids(500)
        for callers in (self._plan.connections, 1):
            found: dict[str, list[Sample]] = {"on": [], "off": []}
            for _ in range(self._plan.repeats):
                for name, factory in (("on", None), ("off", "bench.unaudited:application")):
                    with self._served_by(1, factory=factory) as (process, target):
                        requests = load.kinds(target, ids)["read"]
                        gets = self._load(process, target, requests, callers)
                        found[name] += sides(
                            {name: gets},
                            seconds=self._plan.seconds,
                            repeats=1,
                            warm_up=self._plan.warm_up,
                        )[name]
            is_goal = callers > 1 and self._stand.dialect == "postgresql"
            goal = at_most(0.25) if is_goal else None
            asked = f"GET, {callers} at once"
            share = 1 - ratio(found["on"], found["off"], lambda of: of.rate)
            yield self._of("durable audit's share of a GET", 1, share, "share", asked, goal)
            # Whatever else the machine does, this is what it costs.
            costs = [middle(each, lambda of: of.cpu + of.database) for each in found.values()]
            yield self._of("durable audit's CPU", 1, costs[0] - costs[1], "ms", asked)
            yield self._of(
                "durable audit's share of CPU", 1, 1 - costs[1] / costs[0], "share", asked
            )

    def _consent(self) -> Iterator[Measure]:
        count = self._plan.consents
        first = max(count, self._plan.large)
        without = range(first, first + 10)
        with self._served_by(1) as (process, target):
            tell(f"{self._stand.dialect}: {count} patients")
            self._stand.seed(seeding.crowd(range(self._plan.large, count)))
            self._stand.seed(seeding.clinic(without))
            few = self._sides({"none": self._load(process, target, _searches(target, without))})
            tell(f"{self._stand.dialect}: {count} Consents")
            outside = self._stand.target(EXCHANGE)
            for n in range(10):
                load.put(target, records.consent(n, 20, EXCHANGE_ACTOR))
            self._stand.seed(records.consent(n, 1, EXCHANGE_ACTOR) for n in range(10, count))
            twenty, one = range(10), range(10, 20)
            with_them = {
                "twenty": self._load(process, target, _searches(target, twenty)),
                "none": self._load(process, target, _searches(target, without)),
                "own": self._load(process, target, _searches(target, one)),
                "exchange": self._load(process, outside, _searches(outside, one)),
            }
            found = self._sides(with_them)
        share = ratio(found["none"], found["twenty"], lambda of: of.rate)
        yield self._of(
            "search, 20 active provisions", 1, share, "ratio", "without Consent", at_most(1.5)
        )
        cost = middle(found["none"], lambda of: of.p50) / middle(few["none"], lambda of: of.p50)
        yield self._of(f"search, {count} Consents in the clinic", 1, cost, "ratio", "with none")
        cost = ratio(found["own"], found["exchange"], lambda of: of.rate)
        yield self._of(
            f"search by an exchange, {count} Consents", 1, cost, "ratio", "the clinic's own",
            at_most(2),
        )  # fmt: skip
        cost = ratio(found["exchange"], found["own"], lambda of: of.cpu + of.database)
        yield self._of("the same, CPU", 1, cost, "ratio", "the clinic's own")

    # -- what it takes ------------------------------------------------------------------------

    def _storage(self) -> Iterator[Measure]:
        count = self._plan.stored
        for name, made, bound in (
            ("40-item response", records.response, 3.0),
            ("score", records.score, 8.0),
        ):
            trees = [made(n % self._plan.small, n) for n in range(count)]
            with self._stand.relay(), self._served_by(1) as (_, target):
                self._stand.settled()
                before = self._stand.size()
                for tree in trees:
                    load.post(target, tree)
                self._stand.settled()
            grown = (self._stand.size() - before) / sum(len(records.text(t)) for t in trees)
            yield self._of(f"storage of a {name}", 1, grown, "ratio", "its JSON", at_most(bound))

    # -- the same words everywhere ------------------------------------------------------------

    @contextmanager
    def _served_by(
        self, workers: int, *, factory: str | None = None
    ) -> Iterator[tuple[Process, Target]]:
        with self._stand.rapport(workers, factory=factory) as process:
            yield process, self._stand.target()

    def _load(
        self, process: Process, target: Target, requests: list[bytes], connections: int = 0
    ) -> Load:
        return Load(
            target,
            requests,
            connections or self._plan.connections,
            cpu=lambda: process.cpu,
            database=self._stand.database_cpu,
        )

    def _sides(self, loads: dict[str, Load]) -> dict[str, list[Sample]]:
        plan = self._plan
        return sides(loads, seconds=plan.seconds, repeats=plan.repeats, warm_up=plan.warm_up)

    def _told(
        self, found: dict[str, list[Sample]], name: str, workers: int,
        reference: str = "", goal: Goal | None = None,
    ) -> Iterator[Measure]:  # fmt: skip
        samples = found[name]
        if reference:
            share = ratio(samples, found[reference], lambda of: of.rate)
            yield self._of(name, workers, share, "ratio", reference, goal)
        for unit, value in (
            ("answers/s", middle(samples, lambda of: of.rate)),
            ("ms p50", middle(samples, lambda of: of.p50)),
            ("ms p99", middle(samples, lambda of: of.p99)),
            ("ms CPU, server", middle(samples, lambda of: of.cpu)),
            ("ms CPU, database", middle(samples, lambda of: of.database)),
        ):
            if value:
                yield self._of(name, workers, value, unit)

    def _of(
        self, name: str, workers: int, value: float, unit: str,
        reference: str = "", goal: Goal | None = None,
    ) -> Measure:  # fmt: skip
        made = measure(
            name, self._stand.dialect, workers, value, unit, reference=reference, goal=goal
        )
        tell(f"  {name}: {made.value:g} {unit} {reference}")
        return made

    def _profile(self, process: Process, target: Target, kinds: dict[str, list[bytes]]) -> None:
        for name in ("read", "search", "create"):
            found = rooms(
                process.popen.pid,
                self._load(process, target, kinds[name]),
                seconds=self._plan.profile,
            )
            shares = ", ".join(f"{place} {share:.0%}" for place, share in found[:14])
            self.notes.append(f"{self._stand.dialect}, {name}: {shares or 'not allowed here'}")


def _searches(target: Target, patients: range) -> list[bytes]:
    return [target.request("GET", load.search(n)) for n in patients]

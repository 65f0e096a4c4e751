"""What goes with a page: the targets of its references, and what refers to it.

https://hl7.org/fhir/R4/search.html#include. Rows come through the compiler's one door, so each
is judged by the caller's eyes before the limit counts it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from app.db.engine import Statement
from app.fhir.registry import REGISTRY, ResourceType, by_code
from app.search import referrals
from app.search.compiler import source_of
from app.search.expression import Shaper, Value
from app.search.found import Found
from app.search.query import Include, SearchQuery
from app.search.referrals import By
from app.search.sight import SHARED
from app.search.sources.resource import RESOURCES
from app.search.visibility import Visible

MAX_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Step:
    """One statement to run, and the types that its rows are of."""

    statement: Statement
    values: list[Value]
    kinds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Task:
    """Rows of one type, and one link to follow from or to them, to or from some types."""

    page: tuple[Found, ...]
    codes: tuple[tuple[int, str], ...]  # the parameters to follow, each of its type
    kinds: tuple[int, ...]
    by: By


@dataclass(slots=True)
class Inclusions:
    """Follows the includes of a query from its matches, in rounds while they iterate."""

    query: SearchQuery
    matches: Sequence[Found]
    limit: int
    found: list[Found] = field(default_factory=list)
    complete: bool = True
    _seen: set[tuple[int, str]] = field(default_factory=set)
    _tasks: deque[_Task] = field(default_factory=deque)
    _fresh: list[Found] = field(default_factory=list)
    _round: int = 0

    def __post_init__(self) -> None:
        self._seen = {(row.kind, row.id) for row in self.matches}
        self._fresh = list(self.matches)

    @property
    def rows_to_ask(self) -> int:
        """How many rows tell whether there is one too many: some may be known already."""
        return self.limit - len(self.found) + 1 + len(self._seen)

    def step(self, *, visible: Visible) -> Step | None:
        """The next statement, None when there is nothing left to follow."""
        while not self._tasks:
            if not self._fresh or self._round > MAX_ROUNDS or not self.complete:
                return None
            self._tasks.extend(self._plan(visible))
            self._fresh, self._round = [], self._round + 1
        task = self._tasks.popleft()
        shaper = Shaper()
        for values in referrals.page_values(task.page):
            shaper.slot(values)
        sight = visible.sight({*task.kinds, task.page[0].kind}, shaper)
        statement = referrals.statement(
            task.kinds, task.codes, sight, page_kind=task.page[0].kind, by=task.by
        )
        return Step(statement, shaper.values, task.kinds)

    def add(self, rows: Iterable[Found]) -> None:
        """Takes in what a step found."""
        for row in rows:
            if (row.kind, row.id) in self._seen:
                continue
            if len(self.found) >= self.limit:
                self.complete = False
                self._tasks.clear()
                return
            self._seen.add((row.kind, row.id))
            self.found.append(row)
            self._fresh.append(row)

    def _plan(self, visible: Visible) -> Iterator[_Task]:
        pages: dict[int, list[Found]] = {}
        for row in self._fresh:
            pages.setdefault(row.kind, []).append(row)
        for kind, rows in pages.items():
            for include in self._due(self.query.includes):
                yield from _forward(by_code(kind), tuple(rows), include, visible)
            for include in self._due(self.query.revincludes):
                yield from _reverse(by_code(kind), tuple(rows), include, visible)

    def _due(self, includes: Sequence[Include]) -> Iterator[Include]:
        return (include for include in includes if include.iterate or self._round == 0)


def _forward(
    page: ResourceType, rows: tuple[Found, ...], include: Include, visible: Visible
) -> Iterator[_Task]:
    if include.source not in (None, page.code):
        return
    codes = _references(page, include.code)
    targets = {name for code in codes for name in page.search[code].targets or REGISTRY}
    kinds = [REGISTRY[name].code for name in targets if name in REGISTRY]
    if include.target is not None:
        kinds = [kind for kind in kinds if kind == include.target]
    yield from _tasks(rows, [(page.code, code) for code in codes], kinds, visible, reverse=False)


def _reverse(
    page: ResourceType, rows: tuple[Found, ...], include: Include, visible: Visible
) -> Iterator[_Task]:
    if include.target not in (None, page.code):
        return
    sources = REGISTRY.values() if include.source is None else [by_code(include.source)]
    codes = [
        (source.code, code)
        for source in sources
        for code in _references(source, include.code)
        if not (targets := source.search[code].targets) or page.name in targets
    ]
    yield from _tasks(rows, codes, [kind for kind, _ in codes], visible, reverse=True)


def _references(of: ResourceType, code: str | None) -> list[str]:
    if code is not None:
        return [code] if code in of.search else []
    return [each for each, parameter in of.search.items() if parameter.type == "reference"]


def _tasks(
    rows: tuple[Found, ...],
    codes: Sequence[tuple[int, str]],
    kinds: Iterable[int],
    visible: Visible,
    *,
    reverse: bool,
) -> Iterator[_Task]:
    """One task for each store that the kinds are in, and one for links by canonical URL."""
    granted = sorted({kind for kind in kinds if kind in visible.grants})
    page_kind = rows[0].kind
    for group in _by_store(granted):
        own = tuple((kind, code) for kind, code in codes if not reverse or kind in group)
        if source_of(group[0]) is not RESOURCES or source_of(page_kind) is not RESOURCES:
            yield _Task(rows, own, group, By.STORE_REVERSE if reverse else By.STORE)
            continue
        yield _Task(rows, own, group, By.ID_REVERSE if reverse else By.ID)
        named = [k for k in ([page_kind] if reverse else group) if "url" in by_code(k).search]
        if named:
            yield _Task(
                rows,
                own,
                group if reverse else tuple(named),
                By.URL_REVERSE if reverse else By.URL,
            )


def _by_store(kinds: Sequence[int]) -> Iterator[tuple[int, ...]]:
    ordinary = tuple(k for k in kinds if source_of(k) is RESOURCES and k not in SHARED)
    shared = tuple(k for k in kinds if k in SHARED)
    for group in (ordinary, shared):
        if group:
            yield group
    for kind in kinds:
        if source_of(kind) is not RESOURCES:
            yield (kind,)

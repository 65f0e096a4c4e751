"""What a bulk export was asked for, and the searches that it comes to.

https://hl7.org/fhir/uv/bulkdata/export. Kept with the job, since every stretch of a file is
searched anew when it is downloaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import orjson

from app.fhir import primitives
from app.fhir.registry import REGISTRY, by_code
from app.search import ranks, walks
from app.search.expression import And, Expression, Or, Test, Updated
from app.search.parser import parse_criteria
from app.search.query import SearchQuery

OF_PATIENTS = frozenset(
    name
    for name, entry in REGISTRY.items()
    if name == "Patient" or "Patient" in entry.compartments or "patient" in entry.search
)


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of a type, or its deletions."""

    kind: int
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for.

    ``request`` is the address, ``scope`` what the token was for, ``group`` the id of a Group,
    ``patients`` the ids of those it is about, None for everybody; ``filters`` are types and the
    criteria of a search, of which one must be met; ``ignored`` tells what was left aside.
    """

    request: str
    scope: str
    types: tuple[str, ...]
    group: str | None = None
    patients: tuple[str, ...] | None = None
    since: str | None = None
    filters: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    elements: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def dumps(self) -> bytes:
        """As it is kept."""
        return orjson.dumps(asdict(self))

    @classmethod
    def loads(cls, text: bytes) -> Asked:
        """As it was kept."""
        tree = orjson.loads(text)
        filters = ((name, tuple(map(tuple, pairs))) for name, pairs in tree.pop("filters"))
        lists = {key: tuple(value) for key, value in tree.items() if isinstance(value, list)}
        return cls(**{**tree, **lists, "filters": tuple(filters)})

    @property
    def parts(self) -> tuple[Part, ...]:
        """What it is made of, in order; what was deleted is told of who asks since when."""
        if self.patients == ():
            return ()
        kinds = [REGISTRY[name].code for name in self.types]
        gone = kinds if self.since is not None else []
        return (*(Part(kind) for kind in kinds), *(Part(kind, deleted=True) for kind in gone))

    @property
    def begin(self) -> int:
        """The first instant that it is about, in microseconds."""
        return 0 if self.since is None else primitives.date_range(self.since)[0]

    def is_filtered(self, kind: int) -> bool:
        """Whether rows of a type must meet a filter."""
        return any(REGISTRY[name].code == kind for name, _ in self.filters)

    def query(self, part: Part, *, base: str, now: int) -> SearchQuery:
        """The search for a part; a deletion is looked for by whose it was alone."""
        where = tuple(self._criteria(part, base=base, now=now))
        return SearchQuery(kinds=(part.kind,), where=And(where), total="none")

    def _criteria(self, part: Part, *, base: str, now: int) -> Iterator[Expression]:
        if self.patients is not None:
            yield walks.of_patients(part.kind, self.patients, base=base)
        if part.deleted:
            return
        if self.since is not None:
            yield Updated((Test("ge", (self.begin, self.begin)),))
        name = by_code(part.kind).name
        filters = [
            parse_criteria(name, pairs, base=base, now=now).where
            for type_name, pairs in self.filters
            if type_name == name
        ]
        if len(filters) == 1:
            yield from ranks.criteria(filters[0])
        elif filters:
            yield Or(tuple(filters))

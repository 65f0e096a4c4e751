"""How a search is carried out: its shape, where its statements start, and in how many parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.db.engine import Statement
from app.fhir.registry import REGISTRY
from app.search import merging, pages, ranks, starts
from app.search.compiler import source_of
from app.search.cursor import Position
from app.search.expression import (
    And,
    Chain,
    Compartment,
    Expression,
    Ids,
    Param,
    Shaper,
    Test,
    Value,
    kinds,
)
from app.search.pages import LOOK, After, Part
from app.search.query import SearchQuery
from app.search.shape import Shape
from app.search.sight import Alternative
from app.search.sources.resource import RESOURCES
from app.search.visibility import Visible

_PATIENT = REGISTRY["Patient"].code
_IN_ROW = ("_id", "_lastUpdated")


@dataclass(frozen=True, slots=True)
class Plan:
    """A shape and its values.

    ``narrow`` tells that few rows meet the criterion that it starts from; ``candidates`` are
    criteria worth a look first, since none is narrow for certain; ``most`` is how many matches
    are counted at all, None for every one; ``goes_through`` that rows are gone through one by
    one, so many for a page; ``spreads`` that it may start from the values rows are spread over.
    """

    shape: Shape
    values: list[Value]
    tenant: int
    narrow: bool
    candidates: tuple[int, ...] = ()
    has_reach: bool = False
    most: int | None = None
    goes_through: bool = False
    spreads: bool = False

    @property
    def counted(self) -> Shape:
        """The shape of a count, which visits all that match: so it starts where fewest are."""
        if self.narrow or not self.has_reach:
            return self.shape
        return replace(self.shape, start=starts.REACH)

    def count(self) -> Statement:
        """The statement that counts the matches, or a sample where no index answers."""
        if not source_of(self.shape.kinds[0]).merges:
            return pages.total(self.counted)
        if self.is_sampled:
            return merging.sample(self.shape, size=merging.GONE_THROUGH)
        return merging.total(self.shape, most=self.most)

    @property
    def is_sampled(self) -> bool:
        """Whether the number of matches is told by a sample alone."""
        return self.most is not None and self.shape.start is None

    @property
    def doubtful(self) -> Shape | None:
        """The criterion that it starts from, where it may be better to go by what is spread."""
        start, criteria = self.shape.start, self.shape.criteria
        if start in (None, merging.SPREAD) or self.most is None or not self.spreads:
            return None
        assert start is not None
        node = criteria[start]
        if isinstance(node, Compartment) or (isinstance(node, Param) and node.code == "patient"):
            return None  # of one person there are few
        if not source_of(self.shape.kinds[0]).spread_by(criteria):
            return None
        return replace(self.shape, criteria=(node,), start=0)

    def parts(self, position: Position | None) -> tuple[Part, ...]:
        """The parts of the page, in order.

        A wide search by an index goes through the index; what lacks the value comes after.
        """
        by_index = self.shape.sort and self.shape.sort[0].code not in _IN_ROW
        if self.narrow or not by_index or source_of(self.shape.kinds[0]) is not RESOURCES:
            return ("all",)
        if position is not None and position.order[0] is None:
            return ("absent",)
        return ("present", "absent")

    def after(self, position: Position | None, values: list[Value]) -> After | None:
        """The shape of a position; its values join ``values``."""
        if position is None:
            return None
        return After(
            tuple([self.slot(value, values) for value in position.order]),
            tuple([self.slot(value, values) for value in position.key]),
        )

    def edge(self, after: Position | None, values: list[Value], *, most: int) -> Statement:
        """The statement that asks how far back a page may go; its values join ``values``."""
        begin = after.key[0] if after and merging.is_in_time(self.shape) else None
        return merging.edge(self.shape, begin=self.slot(begin, values), most=most)

    def slot(self, value: Value, values: list[Value]) -> Value:
        """The slot of a value more, which joins ``values``."""
        shaper = Shaper()
        shaper.values = values
        return shaper.slot(value)

    def spread(self) -> Plan:
        """The plan that goes by the values that rows are spread over."""
        return replace(self, shape=replace(self.shape, start=merging.SPREAD))

    def looked(self, counts: Sequence[int]) -> Plan:
        """The plan after a look at its candidates."""
        narrowest = min(range(len(counts)), key=counts.__getitem__)
        if counts[narrowest] <= LOOK:
            start = self.candidates[narrowest]
            return replace(self, shape=replace(self.shape, start=start), narrow=True, candidates=())
        start_in_order = None
        if not self.shape.sort:
            ordered = (
                c
                for c in self.candidates
                if c != starts.REACH and ranks.is_ordered(self.shape.criteria[c])
            )
            start_in_order = next(ordered, None)
        return replace(self, shape=replace(self.shape, start=start_in_order), candidates=())


def plan(
    query: SearchQuery, *, visible: Visible, laterals: bool = False, whose: bool = False
) -> Plan:
    """How to carry out a search for one pair of eyes.

    ``laterals`` tells that the database can ask a question again for each row of another,
    ``whose`` that what is found shall name the patients it is about.
    """
    items = (*_own(query.kinds, visible), *ranks.criteria(query.where))
    shaper = Shaper()
    criteria = tuple([shaper.expression(item) for item in items])
    sight = visible.sight({*query.kinds, *kinds(And(items))}, shaper)
    shape = Shape(query.kinds, criteria, sight, query.sort, whose=whose)
    if source_of(query.kinds[0]) is not RESOURCES:
        most = None if _wants_number(query) else merging.COUNTED + 1
        merged = _merging(shape, laterals=laterals)
        return Plan(
            merged,
            shaper.values,
            visible.tenant,
            narrow=False,
            most=most,
            goes_through=merging.goes_through(merged),
            spreads=laterals,
        )
    ranked = [ranks.rank(item, query.kinds[0]) for item in items]
    if ranks.NARROW in ranked:
        start = ranked.index(ranks.NARROW)
        return Plan(replace(shape, start=start), shaper.values, visible.tenant, narrow=True)
    if len(query.kinds) > 1:
        return Plan(shape, shaper.values, visible.tenant, narrow=False)
    has_reach = starts.has_reach(sight, query.kinds[0])
    candidates = [i for i, rank in enumerate(ranked) if rank is not None]
    if has_reach:
        candidates.append(starts.REACH)
    return Plan(
        shape,
        shaper.values,
        visible.tenant,
        narrow=False,
        candidates=tuple(candidates),
        has_reach=has_reach,
    )


def _wants_number(query: SearchQuery) -> bool:
    return query.total == "accurate" or (query.only_total and query.total is None)


def _merging(shape: Shape, *, laterals: bool) -> Shape:
    """The shape that starts from the first criterion whose every way an index answers."""
    source = source_of(shape.kinds[0])
    rows = source.rows(shape.kinds)
    ways = (which for which, node in enumerate(shape.criteria) if source.ways(rows, node))
    start = next(ways, None)
    if start is None and laterals and source.spread_by(shape.criteria):
        start = merging.SPREAD
    return replace(shape, start=start)


def sees_one_patient(query: SearchQuery, visible: Visible) -> bool:
    """Whether all that the caller sees of the types is one patient's, or of a couple of theirs."""
    ways = [way for kind in query.kinds for way in visible.grants.get(kind, ())]
    patients = {_patient_of(way) for way in ways}
    return len(patients) == 1 and None not in patients


def _patient_of(way: Alternative) -> str | None:
    """Whose rows a way leads to, where it leads to one patient's."""
    match way.compartment, way.within:
        case (int(kind), str(id)), _ if kind == _PATIENT:
            return id
        case _, (_, Chain(_, "member", ((int(kind), Ids((str(id),))),))) if kind == _PATIENT:
            return id
    for item in () if way.constraint is None else ranks.criteria(way.constraint):
        match item:
            case Param(_, "patient", _, (Test("target", (int(kind), str(id))),)):
                if kind == _PATIENT:
                    return id
    return None


def _own(searched: tuple[int, ...], visible: Visible) -> tuple[Expression, ...]:
    """The compartment that all a caller sees of these types is in, as a criterion."""
    owners = {
        visible.grants[kind][0].compartment
        for kind in searched
        if len(visible.grants.get(kind, ())) == 1
    }
    if len(owners) != 1 or any(len(visible.grants.get(kind, ())) != 1 for kind in searched):
        return ()
    owner = owners.pop()
    return () if owner is None or isinstance(owner[1], tuple) else (Compartment(*owner),)

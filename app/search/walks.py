"""Statements that go through all of a type that a caller sees, by row number, newest first.

What an export is made of: which numbers there are, the rows themselves a few hundred at a time,
and what was deleted. A range is from ``down_to`` to before ``below``; ``below`` None: no end.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, select

from app.db.tables.resources import JOINT
from app.fhir.registry import REGISTRY, by_code
from app.search import starts
from app.search.compiler import Compiler
from app.search.expression import Compartment, Expression, Or, Value
from app.search.keeping import kept
from app.search.pages import row_key
from app.search.parser import parse_criteria
from app.search.shape import Shape
from app.search.sources.resource import RESOURCES
from app.search.values import between, bound, equals, number

_PATIENT = REGISTRY["Patient"].code


def of_patients(kind: int, patients: tuple[str, ...], *, base: str) -> Expression:
    """The rows of a type that are about one of these patients (ids), or a couple of theirs."""
    entry = by_code(kind)
    if entry.name == "Patient" or "Patient" in entry.compartments:
        return Or((Compartment(_PATIENT, patients), Compartment(JOINT, patients)))
    named = ",".join(f"Patient/{id}" for id in patients)
    return parse_criteria(entry.name, [("patient", named)], base=base).where


@kept
def numbers(shape: Shape, *, below: Value, down_to: Value, limit: int) -> Select[Any]:
    """The numbers of the rows that match."""
    return _numbers(Compiler(shape.sight), shape, below, down_to, limit)


@kept
def rows(shape: Shape, *, below: Value, down_to: Value, limit: int) -> Select[Any]:
    """What ``Source.columns`` names of the rows that match."""
    compiler = Compiler(shape.sight)
    chosen = _numbers(compiler, shape, below, down_to, limit).subquery("chosen")
    whole = RESOURCES.rows(shape.kinds)
    of_tenant = equals(RESOURCES.tenant(whole), compiler.sight.tenant_of(shape.kinds[0]))
    return (
        select(*RESOURCES.columns(whole, whose=shape.whose))
        .select_from(chosen)
        .join(whole.table, and_(of_tenant, whole.c.rid == chosen.c.rid))
        .order_by(chosen.c.rid.desc())
    )


@kept
def deletions(
    shape: Shape, *, since: Value, until: Value, below: Value, down_to: Value, limit: int
) -> Select[Any]:
    """Number and id of what was deleted meanwhile and may still be told of.

    As for the answer that a resource is gone: by whose it was and how it was labelled. The
    criteria are whose compartments it was in, which a deletion keeps.
    """
    compiler, kind = Compiler(shape.sight), shape.kinds[0]
    gone = RESOURCES.rows(shape.kinds)
    return (
        select(gone.c.rid, gone.c.id)
        .where(
            equals(RESOURCES.tenant(gone), compiler.sight.tenant_of(kind)),
            gone.c.kind == number(kind),
            gone.c.deleted == number(1),
            between(gone.c.updated, since, until),
            compiler.seen(gone, kind),
            *(compiler.where(node, gone) for node in shape.criteria),
            *_range(gone.c.rid, below, down_to),
        )
        .order_by(gone.c.rid.desc())
        .limit(number(limit))
    )


def _numbers(
    compiler: Compiler, shape: Shape, below: Value, down_to: Value, limit: int
) -> Select[Any]:
    found = starts.started(compiler, shape.kinds, shape.criteria, shape.start)
    (key,) = row_key(found.rows, found.begin)
    chosen = found.select().add_columns(key.label("rid")).where(*_range(key, below, down_to))
    if found.begin is not None and found.begin.repeats:
        chosen = chosen.distinct()
    return chosen.order_by(key.desc()).limit(number(limit))


def _range(key: ColumnElement[int], below: Value, down_to: Value) -> list[ColumnElement[bool]]:
    ends = [] if below is None else [key < bound(below, key)]
    return [key >= bound(down_to, key), *ends]

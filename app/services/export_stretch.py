"""A stretch of an export's file as lines of NDJSON, by what the client sees at this moment.

A resource comes as it stood at ``transactionTime``, its newest version where it was not changed
since; whether it may be seen, and whether it meets a ``_typeFilter``, is judged by what it is now.
So the version that met a filter is told, and what was deleted or hidden meanwhile is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.fhir import bundles, elements, json
from app.fhir.registry import by_code
from app.repositories.exports import ExportFile, ExportJob
from app.repositories.unit_of_work import UnitOfWork
from app.repositories.walks import Stretch
from app.search.found import Found
from app.search.visibility import Visible
from app.services.export_asked import Asked, Part

_BREAKS = bytes.maketrans(b"\r\n", b"  ")


@dataclass(frozen=True, slots=True)
class Lines:
    """What is told, of which rows, and the number below which the next stretch goes on."""

    text: bytes
    rids: Sequence[int]
    below: int | None


async def stretch(
    uow: UnitOfWork,
    job: ExportJob,
    asked: Asked,
    file: ExportFile,
    *,
    below: int | None,
    limit: int,
    visible: Visible,
    base: str,
) -> Lines:
    """At most ``limit`` rows of a file below a number, or its first; ``base`` is FHIR's."""
    part = Part(file.kind, file.deleted)
    query = asked.query(part, base=base, now=job.started)
    ends = Stretch(file.below if below is None else below, file.down_to, limit)
    if file.deleted:
        gone = await uow.walks.deletions(
            query, ends, since=asked.begin, until=job.until, visible=visible
        )
        told = [rid for rid, _ in gone]
        text = _deletions(by_code(file.kind).name, [id for _, id in gone])
        return Lines(text, told, _next(told, limit))
    found = await uow.walks.rows(query, ends, visible=visible)
    shown = await _as_of(uow, found, asked, job=job, visible=visible)
    names = _elements(asked, by_code(file.kind).name)
    text = b"".join(_line(text, names) for text in shown.values())
    return Lines(text, list(shown), _next([each.rid for each in found], limit))


def _next(rids: Sequence[int], limit: int) -> int | None:
    return rids[-1] if len(rids) == limit else None


async def _as_of(
    uow: UnitOfWork, found: Sequence[Found], asked: Asked, *, job: ExportJob, visible: Visible
) -> dict[int, bytes]:
    """By row number the text of each resource that was there at ``transactionTime``."""
    end = job.until
    changed = [each.rid for each in found if each.updated >= end]
    past = await uow.walks.as_of(changed, end, visible=visible)
    shown = {}
    for each in found:
        if each.updated < end:
            shown[each.rid] = each.text
        elif (before := past.get(each.rid)) is not None and before.updated >= asked.begin:
            shown[each.rid] = each.text if asked.is_filtered(each.kind) else before.text
    return shown


def _elements(asked: Asked, type_name: str) -> tuple[str, ...]:
    """The elements that were asked for of this type, by their names."""
    return tuple(
        name for name in asked.elements if "." not in name or name.startswith(f"{type_name}.")
    )


def _line(text: bytes, names: tuple[str, ...]) -> bytes:
    if names:
        text = json.dumps(elements.subset(json.parse_resource(text), elements=names))
    # In JSON a break is never part of a string, and a client may have written any.
    return text.translate(_BREAKS) + b"\n"


def _deletions(type_name: str, ids: Sequence[str]) -> bytes:
    """A transaction that would delete them."""
    if not ids:
        return b""
    return bundles.bundle("transaction", _entries(type_name, ids)) + b"\n"


def _entries(type_name: str, ids: Sequence[str]) -> Iterator[bundles.Entry]:
    for id in ids:
        yield bundles.Entry(request=bundles.Request("DELETE", f"{type_name}/{id}"))

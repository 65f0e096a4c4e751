"""history of an instance, a type, the system. https://hl7.org/fhir/R4/http.html#history"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from app.core.clock import format_instant
from app.core.errors import AppError, Category, Issue
from app.fhir import bundles, primitives
from app.fhir.registry import REGISTRY, Interaction, by_code
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.grounds import opened
from app.interactions.refusals import not_found
from app.repositories.histories import HistoryQuery
from app.repositories.resources import StoredVersion
from app.search.visibility import Visible
from app.services.records import METHODS

CURSOR = "_cursor"
_COUNT = re.compile(r"[0-9]{1,9}", re.ASCII)
# Said in the query, but not about which versions.
_ELSEWHERE = ("_summary", "_elements")


@dataclass(slots=True)
class _Asked:
    """What part of the history; ``used`` are the pairs that say so, for the links."""

    count: int
    since: int | None = None
    at: tuple[int, int] | None = None
    cursor: str | None = None
    used: list[tuple[str, str]] = field(default_factory=list)


async def history(context: Context, call: Call) -> Outcome:
    """A page of versions, newest first; deletions have no resource."""
    asked = _asked(context, call)
    visible = context.visible("r" if call.interaction is Interaction.HISTORY_INSTANCE else "s")
    await _check_there(context, call, visible)
    binding = f"{context.binding}|history|{call.type}|{call.id}|{asked.since}|{asked.at}"
    query = _query(context, call, asked, binding)
    total = await context.uow.histories.total(query, visible=visible)
    found = await context.uow.histories.page(query, visible=visible) if asked.count else ()
    page = found[: asked.count]
    await _name(context, page, visible)
    base = context.engine.settings.fhir_base
    links = {"self": _link(base, call, asked)}
    if len(found) > len(page):
        last = page[-1]
        place = [last.updated, last.rid, last.version]
        links["next"] = _link(
            base, call, asked, cursor=context.engine.cursors.seal(place, binding=binding)
        )
    document = bundles.bundle(
        "history",
        [_entry(call, version, base) for version in page],
        id=context.engine.ids.new_id(),
        timestamp=format_instant(context.engine.clock.now()),
        total=total,
        links=links,
    )
    return Outcome("ok", document=document)


async def _check_there(context: Context, call: Call, visible: Visible) -> None:
    """The history of what is hidden or never was is not there, whatever part is asked for."""
    if call.id is None or call.type is None:
        return
    kind = context.kind(call.type)
    if await context.uow.resources.read(kind, call.id, visible=visible) is None:
        raise not_found()


def _query(context: Context, call: Call, asked: _Asked, binding: str) -> HistoryQuery:
    before = None
    if asked.cursor is not None:
        updated, rid, version = context.engine.cursors.open(asked.cursor, binding=binding)
        before = (int(updated), int(rid), int(version))
    return HistoryQuery(
        kinds=tuple(
            definition.code
            for name, definition in REGISTRY.items()
            if definition.store == "resource" and call.type in (None, name)
        ),
        id=call.id,
        since=asked.since,
        at=asked.at,
        before=before,
        limit=asked.count + 1,
    )


async def _name(context: Context, page: Sequence[StoredVersion], visible: Visible) -> None:
    """What was shown and whose it is, for the audit log."""
    context.touched.extend(page)
    rids = {version.rid for version in page}
    context.whose = await context.uow.resources.whose(rids, visible=visible)
    context.grounds = await opened(context, sorted(rids))


def _entry(call: Call, stored: StoredVersion, base: str) -> bundles.Entry:
    name = by_code(stored.kind).name
    method = METHODS[stored.interaction]
    return bundles.Entry(
        resource=None if stored.deleted else call.part.of(stored.text),
        full_url=f"{base}/{name}/{stored.id}",
        request=bundles.Request(method, name if method == "POST" else f"{name}/{stored.id}"),
        response=bundles.Response(
            _status(stored),
            etag=f'W/"{stored.version}"',
            last_modified=format_instant(stored.updated),
        ),
    )


def _status(stored: StoredVersion) -> str:
    if stored.deleted:
        return "204 No Content"
    return "201 Created" if stored.version == 1 else "200 OK"


def _asked(context: Context, call: Call) -> _Asked:
    """The parameters as they were understood, or every complaint about them."""
    settings = context.engine.settings
    asked = _Asked(count=settings.search_page_default)
    if call.part.summary == "count":
        asked.count = 0
    issues = []
    for name, value in call.query:
        try:
            if not value or name in _ELSEWHERE:
                continue
            if name in _READ:
                _READ[name](asked, value)
            elif call.strict:
                issues.append(Issue("not-supported", "a history has no such parameter"))
        except (ValueError, AppError):
            issues.append(Issue("value", f"{name} has no usable value"))
    if issues:
        raise AppError(Category.INVALID, issues)
    asked.count = min(asked.count, settings.search_page_maximum)
    return asked


def _count(asked: _Asked, value: str) -> None:
    if not _COUNT.fullmatch(value):
        raise ValueError("not a number")
    asked.count = int(value)


def _since(asked: _Asked, value: str) -> None:
    asked.since = primitives.date_range(value.replace(" ", "+"))[0]
    asked.used.append(("_since", value))


def _at(asked: _Asked, value: str) -> None:
    asked.at = primitives.date_range(value.removeprefix("eq").replace(" ", "+"))
    asked.used.append(("_at", value))


def _cursor(asked: _Asked, value: str) -> None:
    asked.cursor = value


_READ = {"_count": _count, "_since": _since, "_at": _at, CURSOR: _cursor}


def _link(base: str, call: Call, asked: _Asked, *, cursor: str | None = None) -> str:
    path = "/".join(part for part in (call.type, call.id, "_history") if part)
    pairs = [*asked.used, *(pair for pair in call.query if pair[0] in _ELSEWHERE)]
    pairs.append(("_count", str(asked.count)))
    if cursor is not None:
        pairs.append((CURSOR, cursor))
    return f"{base}/{path}?{urlencode(pairs, quote_via=quote)}"

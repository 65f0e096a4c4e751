"""history of an instance, a type, the system. https://hl7.org/fhir/R4/http.html#history"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from app.core.clock import format_instant
from app.core.errors import AppError, Category, Issue
from app.fhir import bundles, primitives
from app.fhir.registry import REGISTRY, Interaction, by_code
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.refusals import not_found
from app.repositories.histories import HistoryQuery
from app.repositories.resources import StoredVersion
from app.services.records import METHODS

_STATUS = {"POST": "201 Created", "PUT": "200 OK", "PATCH": "200 OK", "DELETE": "204 No Content"}


@dataclass(frozen=True, slots=True)
class _Asked:
    count: int
    since: int | None
    at: tuple[int, int] | None
    cursor: str | None


async def history(context: Context, call: Call) -> Outcome:
    """A page of versions, newest first; deletions have no resource."""
    asked = _asked(context, call)
    settings = context.engine.settings
    visible = context.visible("r" if call.interaction == Interaction.HISTORY_INSTANCE else "s")
    kinds = tuple(
        definition.code
        for name, definition in REGISTRY.items()
        if definition.store == "resource" and call.type in (None, name)
    )
    binding = f"{context.binding}|history|{call.type}|{call.id}|{asked.since}|{asked.at}"
    before = None
    if asked.cursor is not None:
        values = context.engine.cursors.open(asked.cursor, binding=binding)
        before = (int(values[0]), int(values[1]), int(values[2]))
    query = HistoryQuery(
        kinds=kinds,
        id=call.id,
        since=asked.since,
        at=asked.at,
        before=before,
        limit=asked.count + 1,
    )
    total = await context.uow.histories.total(query, visible=visible)
    if call.id is not None and total == 0 and asked.since is None and asked.at is None:
        raise not_found()
    found = await context.uow.histories.page(query, visible=visible) if asked.count else []
    page = list(found[: asked.count])
    context.touched.extend(page)
    links = {"self": _link(settings.fhir_base, call, asked)}
    if asked.count and len(found) > asked.count:
        last = page[-1]
        cursor = context.engine.cursors.seal(
            [last.updated, last.rid, last.version], binding=binding
        )
        links["next"] = _link(settings.fhir_base, call, asked, cursor=cursor)
    document = bundles.bundle(
        "history",
        [_entry(version, settings.fhir_base) for version in page],
        id=context.engine.ids.new_id(),
        timestamp=format_instant(context.engine.clock.now()),
        total=total,
        links=links,
    )
    return Outcome("ok", document=document)


def _entry(stored: StoredVersion, base: str) -> bundles.Entry:
    name = by_code(stored.kind).name
    method = METHODS[stored.interaction]
    url = name if method == "POST" else f"{name}/{stored.id}"
    return bundles.Entry(
        resource=None if stored.deleted else stored.text,
        full_url=f"{base}/{name}/{stored.id}",
        request=bundles.Request(method, url),
        response=bundles.Response(
            _STATUS[method],
            etag=f'W/"{stored.version}"',
            last_modified=format_instant(stored.updated),
        ),
    )


def _asked(context: Context, call: Call) -> _Asked:
    settings = context.engine.settings
    count, since, at, cursor = settings.search_page_default, None, None, None
    issues = []
    for name, value in call.query:
        try:
            match name:
                case "_count":
                    count = min(int(value), settings.search_page_maximum)
                    if count < 0 or not value.isascii():
                        raise ValueError
                case "_since":
                    since = primitives.date_range(value)[0]
                case "_at":
                    at = primitives.date_range(value.removeprefix("eq"))
                case "_cursor":
                    cursor = value
                case _ if call.strict and not name.startswith("_"):
                    issues.append(Issue("not-supported", "unknown parameter of history"))
        except (ValueError, AppError):
            issues.append(Issue("value", f"{name} has no usable value"))
    if issues:
        raise AppError(Category.INVALID, issues)
    return _Asked(count, since, at, cursor)


def _link(base: str, call: Call, asked: _Asked, *, cursor: str | None = None) -> str:
    path = "/".join(part for part in (call.type, call.id, "_history") if part)
    pairs = [(name, value) for name, value in call.query if name in ("_since", "_at")]
    pairs.append(("_count", str(asked.count)))
    if cursor is not None:
        pairs.append(("_cursor", cursor))
    return f"{base}/{path}?{urlencode(pairs, quote_via=quote)}"

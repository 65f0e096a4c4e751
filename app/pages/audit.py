"""The audit console: who saw which record, when, why, under which Consent.

For the auditor role, in one clinic; without script, by keyboard. It shows no clinical content:
what a search asked for is named, its values are not. Looking is recorded like any access.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from app.core.clock import EPOCH, SECOND, format_instant
from app.core.errors import AppError, Category
from app.fhir.audit.kinds import KINDS, Shape
from app.fhir.audit.record import SUCCESS, AuditRecord, event_key
from app.fhir.registry import REGISTRY
from app.pages import audit_words
from app.pages.audit_timeline import form_of, picture, who
from app.pages.browser import Browser
from app.pages.route import PageRoute
from app.repositories.audit_queries import AuditQueries, Question, every
from app.repositories.audit_tree import AuditTree
from app.routers.dependencies import Services, services_of
from app.search.asker import Concern
from app.search.visibility import Alternative, Visible
from app.security import access
from app.security.principal import Principal
from app.security.sessions import principal_of
from app.services.audit_copies import FileCopy
from app.services.audit_standing import standing
from app.services.audit_tables import HEADER, csv_lines, event_lines, row_of

router = APIRouter(prefix="/audit", route_class=PageRoute, include_in_schema=False)

PAGE, PICTURE, ALERTS = 50, 400, 200
_LONGEST = 200
_EVENT = REGISTRY["AuditEvent"].code
_WORDS = {"role": audit_words.role, "purpose": audit_words.purpose, "alert": audit_words.alert}
_FILTERS = (
    "patient", "user", "program", "purpose", "since", "until", "outcome", "glass", "entity",
)  # fmt: skip
# What an index answers, however long the log is.
_QUICK = ("patient", "entity", "glass")
_WHILE = 30 * 86_400 * SECOND
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Console:
    """One look of one auditor."""

    browser: Browser
    services: Services
    principal: Principal
    visible: Visible

    @property
    def asked(self) -> Mapping[str, str]:
        """The filters that are filled in, with what can be text at all."""
        given = self.browser.request.query_params
        filled = {name: given.get(name, "").strip()[:_LONGEST] for name in _FILTERS}
        if "since" not in given and not (set(_QUICK) & set(given)):
            # Any other question is about a while, until the auditor says otherwise.
            filled["since"] = _when(self.services.clock.now() - _WHILE)[:10]
        return {name: value for name, value in filled.items() if value and value.isprintable()}

    async def page(self, template: str, **values: Any) -> Response:
        """A page of the console, with how the log stands."""
        copies = [FileCopy(self.services.settings.audit_copies)]
        stands = await standing(self.services.units, copies, clock=self.services.clock)
        asked = dict(self.asked)
        language = self.browser.language
        return self.browser.page(
            f"audit/{template}",
            stands=stands,
            asked=dict.fromkeys(_FILTERS, "") | asked,
            query=urlencode(asked),
            purposes=audit_words.PURPOSES,
            when=_when,
            who=who,
            form_of=form_of,
            did=lambda record: audit_words.event(record.event, language),
            word=lambda of, code: _WORDS[of](code, language),
            success=SUCCESS,
            link=urlencode,
            **values,
        )

    async def found(self, question: Question, *, limit: int) -> list[AuditRecord]:
        """The newest records, from where the address says."""
        after = event_key(self.browser.request.query_params.get("before", ""))
        async with self.services.units.database.read(self.principal.tenant) as connection:
            return await AuditQueries(connection).page(
                question, visible=self.visible, limit=limit, after=after
            )


@router.get("")
async def overview(request: Request) -> Response:
    """The search and what it finds."""
    console = await _console(request)
    if isinstance(console, Response):
        return console
    records = await console.found(_question(console.asked), limit=PAGE + 1)
    more = len(records) > PAGE
    return await console.page(
        "list.html",
        records=records[:PAGE],
        older=records[PAGE - 1].id if more else None,
        is_newest="before" not in request.query_params,
    )


@router.get("/event/{id}")
async def event(request: Request, id: str) -> Response:
    """One event: what, by whom, and why it was allowed."""
    console = await _console(request)
    if isinstance(console, Response):
        return console
    key = event_key(id)
    record, index = None, None
    if key is not None:
        async with console.services.units.database.read(console.principal.tenant) as connection:
            record = await AuditQueries(connection).one(key, visible=console.visible)
            index = await AuditTree(connection).index_of(console.principal.tenant, *key)
    if record is None:
        return console.browser.page(
            "message.html", status=404, title="title-problem", text="audit-none", link="/audit"
        )
    return await console.page("event.html", record=record, index=index, names=_names(record))


@router.get("/timeline")
async def timeline(request: Request) -> Response:
    """Who had access to one record, or to one client's, over time."""
    console = await _console(request)
    if isinstance(console, Response):
        return console
    records = await console.found(_question(console.asked), limit=PICTURE + 1)
    return await console.page(
        "timeline.html",
        records=records[:PICTURE],
        picture=picture(records[:PICTURE]),
        is_cut=len(records) > PICTURE,
    )


@router.get("/alerts")
async def alerts(request: Request) -> Response:
    """What the log itself found unusual."""
    console = await _console(request)
    if isinstance(console, Response):
        return console
    records = await console.found(Question(events=("alert",), failed=False), limit=ALERTS)
    return await console.page("alerts.html", records=records)


@router.get("/export.csv")
async def export_csv(request: Request) -> Response:
    """What the search finds, as a table."""
    return await _export(request, "audit.csv", "text/csv; charset=utf-8")


@router.get("/export.ndjson")
async def export_ndjson(request: Request) -> Response:
    """What the search finds, as AuditEvents with their salts."""
    return await _export(request, "audit.ndjson", "application/x-ndjson")


async def _export(request: Request, name: str, media_type: str) -> Response:
    browser = await Browser.of(request)
    if browser.person is not None and not browser.proved_recently:
        return browser.sign_in(f"{request.scope['path']}?{request.url.query}")
    console = await _console(request, event="audit-exported")
    if isinstance(console, Response):
        return console
    pieces = every(
        console.services.units.database, _question(console.asked), visible=console.visible
    )
    write = _csv(pieces) if name.endswith("csv") else _ndjson(pieces)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return console.browser.answer(StreamingResponse(write, media_type=media_type, headers=headers))


async def _csv(pieces: AsyncIterator[list[AuditRecord]]) -> AsyncIterator[bytes]:
    yield csv_lines([HEADER])
    async for records in pieces:
        yield csv_lines(map(row_of, records))


async def _ndjson(pieces: AsyncIterator[list[AuditRecord]]) -> AsyncIterator[bytes]:
    async for records in pieces:
        yield event_lines(records)


async def _console(request: Request, *, event: str = "audit-used") -> Console | Response:
    """The console, or where to go instead; that somebody looks is recorded first."""
    browser = await Browser.of(request)
    if browser.person is None:
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return browser.go("/login?" + urlencode({"next": target}))
    services = services_of(request)
    principal = replace(
        principal_of(browser.person, issuer=browser.server.issuer, now=services.clock.now()),
        purpose="HOPERAT",
    )
    facts = services.facts(request)
    visible = access.visible(principal, "s", Concern())
    if Alternative() not in visible.grants.get(_EVENT, ()):
        refusal = AppError.of(Category.FORBIDDEN, "forbidden", "this is for auditors")
        await services.units.audit.write(
            services.trail.failure(event, principal, facts, error=refusal)
        )
        return browser.page(
            "message.html", status=403, title="title-problem", text="audit-only", link=None
        )
    await services.units.audit.write(services.trail.success(event, principal, facts))
    return Console(browser, services, principal, visible)


def _question(asked: Mapping[str, str]) -> Question:
    """What the filters ask; a day that is none is left out."""
    outcome = asked.get("outcome")
    return Question(
        patient=asked.get("patient", "").removeprefix("Patient/") or None,
        user=asked.get("user"),
        client=asked.get("program"),
        purpose=asked.get("purpose"),
        entity=asked.get("entity"),
        since=_day(asked.get("since")),
        until=_day(asked.get("until"), later=_DAY),
        failed={"done": False, "refused": True}.get(outcome or ""),
        break_glass="glass" in asked,
    )


def _day(text: str | None, *, later: timedelta = timedelta(0)) -> int | None:
    try:
        day = datetime.strptime(text or "", "%Y-%m-%d").replace(tzinfo=UTC)
        return (day + later - EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        return None


def _when(micros: int) -> str:
    return format_instant(micros)[:19].replace("T", " ")


def _names(record: AuditRecord) -> str:
    """The address that was asked, and the names of its parameters without their values."""
    if record.query is None or KINDS[record.event].shape is not Shape.QUERY:
        return ""
    line, _, form = record.query.partition("\n\n")
    method, _, target = line.partition(" ")
    parts = urlsplit(target)
    pairs = [*parse_qsl(parts.query, keep_blank_values=True), *parse_qsl(form)]
    names = ", ".join(dict.fromkeys(name for name, _ in pairs))
    return f"{method} {parts.path}" + (f" ({names})" if names else "")

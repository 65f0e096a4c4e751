"""search, over a type, a compartment or the system. https://hl7.org/fhir/R4/search.html"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, urlencode

from app.core.clock import format_instant
from app.core.errors import AppError, Category, Issue
from app.fhir import bundles, json
from app.fhir.outcome import operation_outcome
from app.fhir.registry import by_code
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.grounds import opened
from app.interactions.part import Part
from app.interactions.refusals import not_found
from app.search import cursor as cursors
from app.search import parser
from app.search.cursor import Position
from app.search.found import Found, Page
from app.search.query import SearchQuery

CURSOR = "_cursor"


async def search(context: Context, call: Call) -> Outcome:
    """A page of what the caller can see and asked for, as a searchset."""
    return await page_of(context, call, understood(context, call), address=_address(call))


def understood(context: Context, call: Call) -> SearchQuery:
    """The search that a call asks for; raises ``invalid`` with every complaint."""
    settings = context.engine.settings
    return parser.parse(
        [pair for pair in call.query if pair[0] != CURSOR],
        type_name=call.type,
        base=settings.fhir_base,
        now=context.engine.clock.now(),
        compartment=call.compartment,
        strict=call.strict,
        count=settings.search_page_default,
        max_count=settings.search_page_maximum,
    )


async def page_of(context: Context, call: Call, query: SearchQuery, *, address: str) -> Outcome:
    """The page of a search that is asked for at an address below the base."""
    if call.compartment is not None:
        await _check_owner(context, call.compartment)
    binding = f"{context.binding}|search|{cursors.digest(query.used, address)}"
    await context.uow.resources.flush()
    page = await context.uow.searches.page(
        query, visible=context.visible("s"), after=_after(context, call, binding)
    )
    await _tell_whose(context, page)
    links = {"self": _link(context, address, query)}
    if page.next is not None:
        token = context.engine.cursors.seal(page.next.values(), binding=binding)
        links["next"] = _link(context, address, query, cursor=token)
    return Outcome("ok", document=_bundle(context, query, page, links))


def _after(context: Context, call: Call, binding: str) -> Position | None:
    tokens = [value for name, value in call.query if name == CURSOR]
    if not tokens:
        return None
    if len(tokens) > 1:
        raise AppError.of(Category.INVALID, "value", "one page link at a time")
    return Position.of(context.engine.cursors.open(tokens[0], binding=binding))


async def _check_owner(context: Context, owner: tuple[str, str]) -> None:
    """A compartment whose owner the caller cannot see is not there."""
    type_name, id = owner
    stored = await context.uow.resources.read(
        context.kind(type_name), id, visible=context.visible("r")
    )
    if stored is None:
        raise not_found()


async def _tell_whose(context: Context, page: Page) -> None:
    """Whose records were shown, for the audit log."""
    shown = (*page.matches, *page.includes)
    context.whose = page.whose
    context.grounds = await opened(context, [found.rid for found in shown if found.rid])


def _bundle(context: Context, query: SearchQuery, page: Page, links: dict[str, str]) -> bytes:
    issues = (*query.warnings, *page.issues)
    return bundles.bundle(
        "searchset",
        [
            *_entries(context, query, page.matches, "match"),
            *_entries(context, query, page.includes, "include"),
            *([_note(issues)] if issues else []),
        ],
        id=context.engine.ids.new_id(),
        timestamp=format_instant(context.engine.clock.now()),
        total=page.total,
        links=links,
    )


def _entries(
    context: Context, query: SearchQuery, rows: Iterable[Found], mode: bundles.SearchMode
) -> Iterable[bundles.Entry]:
    base = context.engine.settings.fhir_base
    part = Part(query.summary, query.elements)
    for found in rows:
        yield bundles.Entry(
            resource=part.of(found.text),
            full_url=f"{base}/{by_code(found.kind).name}/{found.id}",
            search=mode,
        )


def _note(issues: Iterable[Issue]) -> bundles.Entry:
    """What was ignored or left out, as an entry of its own."""
    return bundles.Entry(resource=json.dumps(operation_outcome(issues)), search="outcome")


def _address(call: Call) -> str:
    owner = call.compartment or ()
    return "/".join([*owner, call.type or "*"]) if owner else call.type or ""


def _link(context: Context, address: str, query: SearchQuery, *, cursor: str | None = None) -> str:
    pairs = [*query.used, *([] if cursor is None else [(CURSOR, cursor)])]
    base = context.engine.settings.fhir_base
    url = f"{base}/{address}" if address else base
    return f"{url}?{urlencode(pairs, quote_via=quote)}" if pairs else url

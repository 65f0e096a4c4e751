"""transaction: all or nothing, in the specification's order.

https://hl7.org/fhir/R4/http.html#trules. DELETE, POST, PUT and PATCH, then GET. First every
entry gets its identity (conditions are judged, ids are made), then references between entries
are rewritten, then the entries run in one unit of work. Entries with conditional references
run after the writes they may refer to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from urllib.parse import parse_qsl

from app.core.clock import format_instant
from app.core.errors import AppError, Category, Issue
from app.fhir import bundles, json, references, validation
from app.fhir.registry import Interaction
from app.interactions import conditional
from app.interactions.bundle.entries import Entry, answered, at
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.create import create

Perform = Callable[[Context, Call], Awaitable[Outcome]]

_ORDER = {
    Interaction.DELETE: 0,
    Interaction.CREATE: 1,
    Interaction.UPDATE: 2,
    Interaction.PATCH: 2,
}


async def transaction(
    context: Context, planned: Sequence[Entry], perform: Perform, *, minimal: bool
) -> bytes:
    """Runs the entries; the response Bundle in the order of the request."""
    identities = await _identities(context, planned)
    _check_overlap(planned, identities)
    urls = {
        entry.full_url: identities[entry.place]
        for entry in planned
        if entry.full_url is not None and entry.place in identities
    }
    outcomes: dict[int, Outcome] = {}
    plain = [entry for entry in planned if entry.writes and not _conditional(entry)]
    referring = [entry for entry in planned if entry.writes and _conditional(entry)]
    reading = [entry for entry in planned if not entry.writes]
    for group in (plain, referring):
        for entry in sorted(group, key=lambda entry: _ORDER[entry.call.interaction]):
            try:
                mapping = {**urls, **(await _resolved(context, entry))}
                outcomes[entry.place] = await _run(
                    context, _rewritten(entry, mapping), identities, perform
                )
            except AppError as error:
                raise at(error, entry.path) from None
    for entry in reading:
        try:
            outcomes[entry.place] = await perform(context, entry.call)
        except AppError as error:
            raise at(error, entry.path) from None
    base = context.engine.settings.fhir_base
    return bundles.bundle(
        "transaction-response",
        [answered(outcomes[entry.place], base=base, minimal=minimal) for entry in planned],
        id=context.engine.ids.new_id(),
        timestamp=format_instant(context.engine.clock.now()),
    )


async def _run(
    context: Context, entry: Entry, identities: dict[int, str], perform: Perform
) -> Outcome:
    call = entry.call
    if call.interaction is Interaction.CREATE:
        new_id = identities[entry.place].partition("/")[2]
        return await create(context, call, new_id=new_id)
    return await perform(context, call)


async def _identities(context: Context, planned: Sequence[Entry]) -> dict[int, str]:
    """The ``Type/id`` of every entry that writes, as far as it is known before it runs."""
    identities: dict[int, str] = {}
    for entry in planned:
        call = entry.call
        if not entry.writes:
            continue
        assert call.type is not None
        try:
            id = call.id
            criteria = call.condition if call.interaction is Interaction.CREATE else call.query
            if id is None and criteria:
                await conditional.hold(context, call.type)
                found = await conditional.one_match(context, call.type, criteria)
                id = found.id if found else None
            if id is None and call.interaction is Interaction.CREATE:
                id = context.engine.ids.new_id()
            if id is None and call.interaction is Interaction.UPDATE and call.tree is not None:
                id = call.tree.get("id")
            if id is not None:
                identities[entry.place] = f"{call.type}/{id}"
        except AppError as error:
            raise at(error, entry.path) from None
    return identities


def _check_overlap(planned: Sequence[Entry], identities: dict[int, str]) -> None:
    seen: dict[str, Entry] = {}
    issues = []
    for entry in planned:
        identity = identities.get(entry.place)
        if identity is None:
            continue
        if identity in seen and not (_only_finds(entry) and _only_finds(seen[identity])):
            issues.append(Issue("duplicate", "another entry changes the same resource", entry.path))
        seen[identity] = entry
    urls = [entry.full_url for entry in planned if entry.writes and entry.full_url]
    issues.extend(
        Issue("duplicate", "another entry has the same fullUrl", f"{entry.path}.fullUrl")
        for place, entry in enumerate(planned)
        if entry.writes and entry.full_url and entry.full_url in urls[: urls.index(entry.full_url)]
    )
    if issues:
        raise AppError(Category.INVALID, issues)


def _only_finds(entry: Entry) -> bool:
    return entry.call.condition is not None


def _conditional(entry: Entry) -> bool:
    return entry.call.tree is not None and any(
        references.parse(str(place.value)).query is not None
        for place in references.references(entry.call.tree)
    )


async def _resolved(context: Context, entry: Entry) -> dict[str, str]:
    """The entry's conditional references with the one resource that each means."""
    found: dict[str, str] = {}
    if entry.call.tree is None:
        return found
    for place in references.references(entry.call.tree):
        reference = references.parse(str(place.value))
        if reference.query is None or reference.raw in found:
            continue
        assert reference.type is not None
        criteria = tuple(parse_qsl(reference.query, keep_blank_values=True))
        match = await conditional.one_match(context, reference.type, criteria)
        if match is None:
            raise AppError.of(
                Category.PRECONDITION,
                "not-found",
                "a conditional reference matches nothing",
                place.expression,
            )
        found[reference.raw] = f"{reference.type}/{match.id}"
    return found


def _rewritten(entry: Entry, mapping: dict[str, str]) -> Entry:
    tree = entry.call.tree
    if tree is None or not mapping:
        return entry
    new = references.rewrite(tree, mapping)
    if new is tree:
        return entry
    # What a link leads to is known only now.
    issues = validation.check(new, str(entry.call.type))
    if issues:
        raise AppError(Category.UNPROCESSABLE, issues)
    return replace(entry, call=replace(entry.call, tree=new, body=json.dumps(new)))

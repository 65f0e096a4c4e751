"""transaction: all or nothing, in the specification's order.

https://hl7.org/fhir/R4/http.html#trules. DELETE, POST, PUT and PATCH, then GET. First every
entry that writes gets its identity: conditions are judged, ids are made. Then each runs with its
links rewritten; those with references by search after the writes that these may mean.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace

from app.core.clock import format_instant
from app.core.errors import AppError, Category, Issue
from app.fhir import bundles, json, references
from app.fhir.registry import REGISTRY, Interaction
from app.interactions import conditional, criteria
from app.interactions.bundle.entries import Entry, answered, at
from app.interactions.bundle.links import Links
from app.interactions.call import Call, Outcome, Pairs
from app.interactions.context import Context

Perform = Callable[[Context, Call], Awaitable[Outcome]]
Searching = tuple[references.Place, references.Reference]

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
    base = context.engine.settings.fhir_base
    entries = await _identified(context, planned)
    _check_overlap(entries)
    searching = {e.place: found for e in entries if (found := _by_search(e.call))}
    ordered = sorted(entries, key=lambda entry: _rank(entry, is_searching=entry.place in searching))
    await _hold(context, ordered)
    context.making = frozenset(
        f"{entry.call.type}/{entry.call.id}"
        for entry in entries
        if entry.call.type in ("Patient", "Group", "EpisodeOfCare")
        and entry.call.id
        and entry.call.interaction in (Interaction.CREATE, Interaction.UPDATE)
        and entry.call.identity != "found"
    )
    links = Links.to(
        ((e.full_url, identity) for e in entries if e.full_url and (identity := _identity(e))),
        base=base,
    )
    outcomes: dict[int, Outcome] = {}
    for entry in ordered:
        try:
            call = await _linked(context, entry, links, searching.get(entry.place, ()))
            outcomes[entry.place] = await perform(context, call)
        except AppError as error:
            raise at(error, entry.path) from None
    return bundles.bundle(
        "transaction-response",
        [answered(e.call, outcomes[e.place], base=base, minimal=minimal) for e in entries],
        id=context.engine.ids.new_id(),
        timestamp=format_instant(context.engine.clock.now()),
    )


def _identity(entry: Entry) -> str | None:
    """The ``Type/id`` that an entry writes."""
    return f"{entry.call.type}/{entry.call.id}" if entry.writes and entry.call.id else None


async def _identified(context: Context, planned: Sequence[Entry]) -> list[Entry]:
    """The entries with their conditions judged and every id made."""
    await conditional.hold(
        context, (str(entry.call.type) for entry in planned if entry.call.condition is not None)
    )
    made: dict[tuple[str | None, Pairs], str] = {}
    found = []
    for entry in planned:
        try:
            found.append(replace(entry, call=await _settled(context, entry.call, made)))
        except AppError as error:
            raise at(error, entry.path) from None
    return found


async def _settled(context: Context, call: Call, made: dict[tuple[str | None, Pairs], str]) -> Call:
    """One call; ``made`` are the creates under a condition so far, which a like one finds."""
    creates = call.interaction is Interaction.CREATE
    if creates and call.condition is None:
        return replace(call, id=context.engine.ids.new_id(), identity="made")
    key = (call.type, call.condition or ())
    if creates and key in made:
        return replace(call, condition=None, id=made[key], identity="found")
    settled = await conditional.settle(context, call)
    if creates and settled.identity == "made" and settled.id is not None:
        made[key] = settled.id
    return settled


def _check_overlap(entries: Iterable[Entry]) -> None:
    """Refuses two entries that are about one resource, or have one ``fullUrl``."""
    writers: dict[str, Entry] = {}
    urls: set[str] = set()
    issues = []
    for entry in entries:
        identity = _identity(entry)
        other = writers.setdefault(identity, entry) if identity else entry
        # Creates under one condition are about one resource, and only the first makes it.
        both_create = {entry.call.interaction, other.call.interaction} == {Interaction.CREATE}
        if other is not entry and not both_create:
            issues.append(Issue("duplicate", "another entry has this resource", entry.path))
        if entry.writes and entry.full_url in urls:
            path = f"{entry.path}.fullUrl"
            issues.append(Issue("duplicate", "another entry has this fullUrl", path))
        if entry.writes and entry.full_url:
            urls.add(entry.full_url)
    if issues:
        raise AppError(Category.INVALID, issues)


async def _hold(context: Context, ordered: Iterable[Entry]) -> None:
    """Holds what is addressed by its name's order, so that no two wait for each other.

    Most transactions write in that order anyhow, and hold each row as they come to it.
    """
    addressed = [
        identity
        for entry in ordered
        if entry.call.interaction is not Interaction.CREATE and (identity := _identity(entry))
    ]
    if addressed == sorted(addressed):
        return
    for identity in sorted(addressed):
        type_name, _, id = identity.partition("/")
        kind = context.kind(type_name)
        await context.uow.resources.lock(kind, id, visible=context.visible("u"))


def _rank(entry: Entry, *, is_searching: bool) -> tuple[int, int, str]:
    """The place in the specification's order, and by name within it."""
    call = entry.call
    if not entry.writes:
        return 3, 0, ""
    if call.identity == "found" and call.interaction is Interaction.CREATE:
        return 2, 0, ""  # what it found may be made by another entry
    creates = call.interaction is Interaction.CREATE
    return int(is_searching), _ORDER[call.interaction], "" if creates else f"{call.type}/{call.id}"


def _by_search(call: Call) -> Sequence[Searching]:
    """The references of a call's resource that are searches."""
    if call.tree is None or (call.body and not references.may_search(call.body)):
        return ()
    return [
        (place, reference)
        for place in references.references(call.tree)
        if (reference := references.parse(place.value)).query is not None
    ]


async def _linked(
    context: Context, entry: Entry, links: Links, searching: Sequence[Searching]
) -> Call:
    """The entry's call with the links in its resource rewritten."""
    call = entry.call
    if call.tree is None:
        return call
    mapping = dict(links.of(entry))
    for place, reference in searching:
        if reference.raw not in mapping:
            mapping[reference.raw] = await _meant(context, place, reference)
    tree = references.rewrite(call.tree, mapping)
    return call if tree is call.tree else replace(call, tree=tree, body=json.dumps(tree))


async def _meant(context: Context, place: references.Place, reference: references.Reference) -> str:
    """The one resource that a reference by search means."""
    type_name, query = str(reference.type), str(reference.query)
    try:
        match = None
        if type_name in REGISTRY:
            match = await conditional.one_match(context, type_name, criteria.pairs(query))
        if match is None:
            raise AppError.of(
                Category.PRECONDITION, "not-found", "a reference by search finds nothing"
            )
    except AppError as error:
        issues = [replace(issue, expression=place.expression) for issue in error.issues]
        raise AppError(error.category, issues) from None
    return f"{type_name}/{match.id}"

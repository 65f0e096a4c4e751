"""The log verified from inside: leaves against checkpoints, events against leaves, and copies.

What only a third party can show, that the whole database was exchanged, takes a copy that the
database's owner could not write.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.domain.transparency import Frontier, NoteRefused, leaf_hash
from app.fhir.audit.event import commitment
from app.fhir.audit.record import AuditRecord, event_id, leaf
from app.repositories.audit_log import THE_LOG
from app.repositories.audit_stored import StoredCheckpoint, StoredLogKey
from app.repositories.audit_tree import AuditTree
from app.repositories.unit_of_work import UnitsOfWork
from app.services.audit_copies import Copy
from app.services.audit_keys import opened
from app.services.audit_restore import Restore, restores

_CHUNK = 1000
_MOST = 20


@dataclass(slots=True)
class Verdict:
    """How many entries and events were checked, how many past retention; what is wrong.

    ``restored`` are the restores that the log tells of: no finding, and no secret either.
    """

    entries: int = 0
    events: int = 0
    gone: int = 0
    restored: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def find(self, text: str) -> None:
        """Adds a finding; the first ones tell enough."""
        if len(self.findings) < _MOST:
            self.findings.append(text)


async def verify_log(units: UnitsOfWork, copies: Sequence[Copy] = ()) -> Verdict:
    """Reads the whole log and says what does not fit."""
    verdict = Verdict()
    async with units.database.read(THE_LOG) as connection:
        tree = AuditTree(connection)
        keys = await tree.keys()
        wanted = _signed(await tree.checkpoints(), keys, verdict)
        given_up = await restores(tree)
        verdict.restored = [
            f"set back from {each.size} entries to {each.start}: {each.reason}" for each in given_up
        ]
        for place in copies:
            await _add_copy(place, keys, wanted, verdict, given_up=given_up)
        await _walk(tree, wanted, verdict)
        for recorded, aid in await tree.strays(limit=_MOST):
            verdict.find(f"AuditEvent/{event_id(recorded, aid)} was not recorded by the log")
    return verdict


_Roots = dict[int, list[tuple[str, bytes]]]


def _signed(
    checkpoints: Sequence[StoredCheckpoint], keys: list[StoredLogKey], verdict: Verdict
) -> _Roots:
    """The roots that the log's own checkpoints vouch for, by size."""
    wanted: _Roots = {}
    for stored in checkpoints:
        try:
            seen = opened(stored.note, keys)
        except NoteRefused:
            seen = None
        if seen is None or seen.size != stored.size:
            verdict.find(f"the checkpoint of {stored.size} entries is forged")
        else:
            wanted.setdefault(seen.size, []).append(("the checkpoint", seen.root))
    if not checkpoints:
        verdict.find("there is no checkpoint")
    return wanted


async def _add_copy(
    place: Copy,
    keys: list[StoredLogKey],
    wanted: _Roots,
    verdict: Verdict,
    *,
    given_up: Sequence[Restore],
) -> None:
    try:
        note = await place.last()
        seen = opened(note, keys) if note is not None else None
    except (OSError, NoteRefused):
        verdict.find(f"{place.name}: its checkpoint cannot be read")
        return
    if note is not None and seen is None:
        verdict.find(f"{place.name}: its checkpoint is of another log")
    elif seen is not None and not any(each.covers(seen) for each in given_up):
        wanted.setdefault(seen.size, []).append((place.name, seen.root))


async def _walk(tree: AuditTree, wanted: _Roots, verdict: Verdict) -> None:
    size, retained = await tree.size(), await tree.retained_from()
    frontier = Frontier()
    _compare(frontier, wanted, verdict)
    while frontier.size < size:
        rows = await tree.events(frontier.size, min(size, frontier.size + _CHUNK))
        if not rows:
            verdict.find(f"entry {frontier.size} is missing")
            break
        for (recorded, aid, committed), record in rows:
            _open(record, (recorded, aid, bytes(committed)), retained, verdict)
            for _ in frontier.append(leaf_hash(leaf(recorded, aid, bytes(committed)))):
                pass
            _compare(frontier, wanted, verdict)
    verdict.entries = frontier.size
    for larger in sorted(each for each in wanted if each > frontier.size):
        for who, _ in wanted[larger]:
            verdict.find(f"{who} has seen {larger} entries, here are {frontier.size}")


def _open(
    record: AuditRecord | None, entry: tuple[int, int, bytes], retained: int, verdict: Verdict
) -> None:
    recorded, aid, committed = entry
    if record is not None:
        verdict.events += 1
        if commitment(record) != committed:
            verdict.find(f"AuditEvent/{record.id} is not what was recorded")
    elif recorded >= retained:
        verdict.find(f"AuditEvent/{event_id(recorded, aid)} was removed")
    else:
        verdict.gone += 1


def _compare(frontier: Frontier, wanted: _Roots, verdict: Verdict) -> None:
    for who, root in wanted.get(frontier.size, ()):
        if root != frontier.root():
            verdict.find(f"{who} has another root for the first {frontier.size} entries")

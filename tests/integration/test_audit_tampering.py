"""Whoever owns the database can change the log, and cannot hide it.

Each tampering is done past every trigger; then the log is exported as the server would show it,
and a stranger's program, which knows only what it saw before, says what is wrong.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from app.db.tables.audit import audit_event
from app.domain.transparency import Checkpoint, Signature, key_hash, signed_note, verifier_key
from app.fhir.audit.event import render
from app.repositories.audit_tree import AuditTree
from app.search.sources.audit_rows import COLUMNS, record_of
from app.services.audit_copies import FileCopy
from app.services.audit_export import exported
from app.services.audit_proofs import Proofs
from app.services.audit_verification import verify_log
from tests.support.audit_log import Log, a_log
from tests.support.databases import ANYBODY, Database

PROGRAM = Path(__file__).parents[2] / "examples" / "verify-audit" / "verify_audit.py"
EARLIER, ALL = 150, 300


@dataclass
class Exhibit:
    """A log of two days, what was seen of it on the first, and where copies went."""

    log: Log
    directory: Path
    copy: FileCopy

    async def export(self) -> Path:
        """What the server shows now."""
        shown = self.directory / "shown"
        shutil.rmtree(shown, ignore_errors=True)
        shown.mkdir()
        async for name, piece in exported(Proofs(self.log.units)):
            with (shown / name).open("ab") as file:
                file.write(piece)
        async with self.log.database.read(ANYBODY) as connection:
            rows = await connection.fetch(select(*(audit_event.c[name] for name in COLUMNS)))
        events = [json.dumps(render(record_of(row))) for row in rows]
        (shown / "events.ndjson").write_text("\n".join(events) + "\n")
        return shown

    def verify(self, *options: str) -> tuple[int, str]:
        """The stranger's verdict: exit status and words."""
        done = subprocess.run(
            [sys.executable, PROGRAM, self.directory / "shown", *options],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout + done.stderr

    def found(self, *options: str) -> str:
        """What a stranger finds who was here before."""
        status, words = self.verify(
            *("--state", str(self.directory / "state"), "--open", "--complete"), *options
        )
        assert status == 1, words
        assert words.startswith("TAMPERED: ")
        return words

    async def found_inside(self) -> str:
        """What the server itself finds."""
        verdict = await verify_log(self.log.units, [self.copy])
        assert not verdict.is_sound
        return "\n".join(verdict.findings)


@pytest_asyncio.fixture(params=["sqlite", "postgresql"], scope="module")
async def original(request, databases, tmp_path_factory) -> tuple[Database, Path]:
    """The database and the directory of a log that everyone has seen."""
    database = await databases.make(request.param)
    directory: Path = tmp_path_factory.mktemp("original")
    async with a_log(database) as log:
        copy = FileCopy(directory / "copies")
        for _ in range(2):
            await log.add(EARLIER)
            await log.sequencer(copy).step()
        made = Exhibit(log, directory, copy)
        await made.export()
        status, words = made.verify("--state", str(directory / "state"), "--open", "--complete")
        assert status == 0, words
        assert f"{ALL} entries of rapport.test/audit, {ALL} events opened" in words
        assert (await verify_log(log.units, [copy])).findings == []
    return database, directory


@pytest_asyncio.fixture
async def exhibit(original, databases, tmp_path: Path) -> AsyncIterator[Exhibit]:
    """A copy of it all, to be tampered with."""
    database, directory = original
    for name in ("copies", "shown"):
        shutil.copytree(directory / name, tmp_path / name)
    shutil.copy(directory / "state", tmp_path / "state")
    async with a_log(await databases.copy(database)) as log:
        log.count = ALL
        yield Exhibit(log, tmp_path, FileCopy(tmp_path / "copies"))


UPDATE_LEAF = "UPDATE audit_leaf SET commitment = {} WHERE leaf_index = 7"


def flipped(exhibit: Exhibit) -> str:
    if exhibit.log.owner.startswith("sqlite"):
        return UPDATE_LEAF.format("zeroblob(32)")
    return UPDATE_LEAF.format("set_byte(commitment, 3, get_byte(commitment, 3) # 1)")


SWAP = [
    "UPDATE audit_leaf SET leaf_index = -1 WHERE leaf_index = 10",
    "UPDATE audit_leaf SET leaf_index = 10 WHERE leaf_index = 290",
    "UPDATE audit_leaf SET leaf_index = 290 WHERE leaf_index = -1",
]
CUT_OFF = [
    f"DELETE FROM audit_leaf WHERE leaf_index >= {EARLIER}",
    f"DELETE FROM audit_checkpoint WHERE size > {EARLIER}",
    f"DELETE FROM audit_event WHERE aid > {EARLIER}",
    f"DELETE FROM audit_node WHERE position >= {EARLIER // 256}",
]
CLOSE_THE_GAP = [
    "DELETE FROM audit_leaf WHERE leaf_index = 20",
    "DELETE FROM audit_event WHERE aid = 21",
    *(f"UPDATE audit_leaf SET leaf_index = {n - 1} WHERE leaf_index = {n}" for n in range(21, ALL)),
]


async def test_a_bit_is_flipped_in_a_leaf(exhibit: Exhibit):
    await exhibit.log.execute(flipped(exhibit))
    await exhibit.export()
    assert "not what was recorded" in exhibit.found()
    # Without the events, and to one who was never here, the root tells.
    status, words = exhibit.verify()
    assert (status, "do not hash to the root" in words) == (1, True)
    assert "not what was recorded" in await exhibit.found_inside()


@pytest.mark.parametrize(
    "change",
    [
        "outcome = '8'",
        "actor_id = 'somebody-else'",
        "recorded = recorded + 1000",
        "patient = NULL",
        "request = 'request-2'",
        "basis = 'consent'",
    ],
)
async def test_an_event_is_changed(exhibit: Exhibit, change):
    await exhibit.log.execute(f"UPDATE audit_event SET {change} WHERE aid = 7")
    await exhibit.export()
    exhibit.found()
    await exhibit.found_inside()


async def test_an_event_is_removed(exhibit: Exhibit):
    await exhibit.log.execute("DELETE FROM audit_event WHERE aid = 7")
    await exhibit.export()
    assert "1 entries have no AuditEvent" in exhibit.found()
    assert "was removed" in await exhibit.found_inside()


async def test_a_leaf_is_removed(exhibit: Exhibit):
    await exhibit.log.execute("DELETE FROM audit_leaf WHERE leaf_index = 20")
    await exhibit.export()
    exhibit.found()
    await exhibit.found_inside()


async def test_an_event_and_its_leaf_are_removed_and_the_gap_closed(exhibit: Exhibit):
    for statement in CLOSE_THE_GAP:
        await exhibit.log.execute(statement)
    await exhibit.export()
    assert "cut off" in exhibit.found()
    assert "differ" in exhibit.found("--seen", str(exhibit.directory / "copies" / "history"))
    assert "another root" in await exhibit.found_inside()


async def test_an_event_is_put_in_past_the_log(exhibit: Exhibit):
    await exhibit.log.execute(
        "INSERT INTO audit_event (tenant, recorded, aid, form, event, outcome, site, salt,"
        " commitment) SELECT tenant, recorded, 9999, form, event, outcome, site, salt, commitment"
        " FROM audit_event WHERE aid = 7"
    )
    await exhibit.log.execute("DELETE FROM audit_pending")
    await exhibit.export()
    assert "has no entry" in exhibit.found()
    assert "was not recorded by the log" in await exhibit.found_inside()


async def test_a_leaf_is_put_in(exhibit: Exhibit):
    await exhibit.log.execute(
        "INSERT INTO audit_leaf (leaf_index, tenant, recorded, aid, commitment)"
        f" SELECT {ALL}, tenant, recorded, 9999, commitment FROM audit_leaf WHERE leaf_index = 1"
    )
    shown = await exhibit.export()
    # The server shows no more than it signed for; one that does is caught.
    with (shown / "entries.ndjson").open("ab") as entries:
        entries.write((shown / "entries.ndjson").read_bytes().splitlines(keepends=True)[0])
    assert "more entries" in exhibit.found()
    assert "was removed" in await exhibit.found_inside()


async def test_two_leaves_are_swapped(exhibit: Exhibit):
    for statement in SWAP:
        await exhibit.log.execute(statement)
    await exhibit.export()
    assert "differ" in exhibit.found("--seen", str(exhibit.directory / "copies" / "history"))
    assert "another root" in await exhibit.found_inside()


async def test_the_end_is_cut_off(exhibit: Exhibit):
    for statement in CUT_OFF:
        await exhibit.log.execute(statement)
    await exhibit.export()
    assert f"it has {EARLIER} entries, and had {ALL}" in exhibit.found()
    assert f"has seen {ALL} entries, here are {EARLIER}" in await exhibit.found_inside()
    # To one who was never here it is a sound log: only what was seen elsewhere tells.
    status, words = exhibit.verify("--open", "--complete")
    assert status == 0, words
    copies = str(exhibit.directory / "copies" / "history")
    status, words = exhibit.verify("--seen", copies)
    assert (status, "set back or cut off" in words) == (1, True)


async def test_the_whole_database_is_set_back_and_goes_on(exhibit: Exhibit):
    for statement in CUT_OFF:
        await exhibit.log.execute(statement)
    await exhibit.log.execute("DELETE FROM audit_pending")
    # Somebody lets it grow past what was seen, with the real key and no copy to ask.
    await exhibit.log.add(EARLIER + 50, outcome="8")
    await exhibit.log.sequencer().step()
    await exhibit.export()
    assert f"its first {ALL} entries differ" in exhibit.found()
    assert f"another root for the first {ALL}" in await exhibit.found_inside()


async def test_the_end_is_lost_but_the_checkpoint_stays(exhibit: Exhibit):
    await exhibit.log.execute(f"DELETE FROM audit_leaf WHERE leaf_index >= {ALL - 5}")
    await exhibit.export()
    assert f"cut off: {ALL - 5} entries, signed for are {ALL}" in exhibit.found()
    await exhibit.found_inside()


# ------------------------------------------------------------------------------ checkpoints


def stranger() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)


def forged(checkpoint: Checkpoint, *, name: str | None = None) -> str:
    private = stranger()
    name = name or checkpoint.origin
    hash = key_hash(name, private.public_key().public_bytes_raw())
    signature = private.sign(checkpoint.text().encode())
    return signed_note(checkpoint, [Signature(name, hash, signature)])


async def newest(exhibit: Exhibit) -> Checkpoint:
    root = await exhibit.log.tree(lambda tree: tree.root(ALL))
    return Checkpoint("rapport.test/audit", ALL, root)


Spoil = Callable[[Exhibit, str], Awaitable[str]]


async def signed_by_another(exhibit: Exhibit, note: str) -> str:
    return forged(await newest(exhibit))


async def with_another_size(exhibit: Exhibit, note: str) -> str:
    return note.replace(f"\n{ALL}\n", f"\n{ALL - 1}\n")


async def with_a_leading_zero(exhibit: Exhibit, note: str) -> str:
    return note.replace(f"\n{ALL}\n", f"\n0{ALL}\n")


async def with_bytes_after_it(exhibit: Exhibit, note: str) -> str:
    return note + "and more"


async def of_another_origin(exhibit: Exhibit, note: str) -> str:
    other = await newest(exhibit)
    return forged(Checkpoint("elsewhere.test/audit", other.size, other.root))


async def without_a_signature(exhibit: Exhibit, note: str) -> str:
    return note.partition("\n\n")[0] + "\n\n"


async def with_a_flipped_signature(exhibit: Exhibit, note: str) -> str:
    head, _, last = note.rpartition(" ")
    swapped = "B" if last[20] == "A" else "A"
    return f"{head} {last[:20]}{swapped}{last[21:]}"


SPOILT = [
    (signed_by_another, "forged"),
    (with_another_size, "forged"),
    (with_a_leading_zero, "no number"),
    (with_bytes_after_it, "no signed note"),
    (of_another_origin, "of another log: origin 'elsewhere.test/audit'"),
    (without_a_signature, "no signed note"),
    (with_a_flipped_signature, "forged"),
]


@pytest.mark.parametrize("spoilt", SPOILT, ids=lambda each: each[0].__name__)
async def test_the_checkpoint_is_forged(exhibit: Exhibit, spoilt: tuple[Spoil, str]):
    spoil, words = spoilt
    shown = exhibit.directory / "shown"
    note = await spoil(exhibit, (shown / "checkpoint").read_text())
    (shown / "checkpoint").write_text(note)
    # Its own key beside it convinces nobody who knows the log's.
    public = stranger().public_key().public_bytes_raw()
    (shown / "key").write_text(verifier_key("rapport.test/audit", public) + "\n")
    assert words in exhibit.found()


async def test_a_forged_checkpoint_stands_in_the_database(exhibit: Exhibit):
    note = forged(await newest(exhibit)).replace("'", "''")
    await exhibit.log.execute(f"UPDATE audit_checkpoint SET note = '{note}' WHERE size = {ALL}")
    await exhibit.export()
    assert "forged" in exhibit.found()
    assert "is forged" in await exhibit.found_inside()


async def test_two_logs_are_shown_under_one_name(exhibit: Exhibit):
    """A fork: the holder of the key signs another tree of the same size for somebody else."""
    other = Checkpoint("rapport.test/audit", ALL, bytes(32))
    [key] = await exhibit.log.tree(AuditTree.keys)
    note = exhibit.log.keys.sign(key, size=ALL, root=other.root)
    (exhibit.directory / "seen").write_text(note)
    status, words = exhibit.verify("--seen", str(exhibit.directory / "seen"))
    assert (status, f"its first {ALL} entries differ" in words) == (1, True)


async def test_a_key_that_does_not_match_its_hash(exhibit: Exhibit):
    shown = exhibit.directory / "shown"
    key = (shown / "key").read_text()
    (exhibit.directory / "keys").write_text(key.replace("+", "+0000", 1)[:-4] + "\n")
    status, words = exhibit.verify("--key-file", str(exhibit.directory / "keys"))
    assert (status, "a key" in words) == (1, True)


async def test_a_node_taken_for_a_leaf(exhibit: Exhibit):
    shown = exhibit.directory / "shown"
    lines = (shown / "entries.ndjson").read_bytes().splitlines(keepends=True)
    (shown / "entries.ndjson").write_bytes(b"".join([*lines[:4], b"\x01" * 64 + b"\n", *lines[5:]]))
    assert "entry 4 is no leaf" in exhibit.found()


async def test_nothing_can_be_said_of_what_is_not_there(exhibit: Exhibit):
    shutil.rmtree(exhibit.directory / "shown")
    status, words = exhibit.verify()
    assert status == 2, words


async def test_a_log_that_grew_verifies_against_what_was_seen(exhibit: Exhibit):
    await exhibit.log.add(77)
    await exhibit.log.sequencer(exhibit.copy).step()
    await exhibit.export()
    options: list[Any] = ["--state", str(exhibit.directory / "state"), "--open", "--complete"]
    options += ["--seen", str(exhibit.directory / "copies" / "history")]
    status, words = exhibit.verify(*options)
    assert status == 0, words
    assert "377 entries" in words
    assert "3 earlier checkpoints" in words

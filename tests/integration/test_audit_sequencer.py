"""Every record gets its leaf, every leaf is vouched for, and nothing else is signed."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import func, select

from app.core.clock import SECOND
from app.core.errors import AppError
from app.db.tables.audit import audit_event, audit_leaf, audit_node, audit_pending
from app.domain.transparency import (
    Frontier,
    consistency_ranges,
    extends,
    includes,
    inclusion_ranges,
    leaf_hash,
    parse_note,
)
from app.fhir import json as fhir_json
from app.fhir.audit.event import commitment, render
from app.fhir.audit.record import event_key, leaf
from app.repositories.audit_log import AuditLog
from app.repositories.audit_tree import AuditTree
from app.search.sources.audit_rows import COLUMNS, record_of
from app.services.audit_copies import Behind, FileCopy, ObjectCopy, WitnessCopy
from app.services.audit_export import exported
from app.services.audit_keys import opened, written
from app.services.audit_proofs import Proofs
from app.services.audit_restore import accept_restore
from app.services.audit_sequencer import Diverged
from app.services.audit_verification import verify_log
from tests.support.audit_log import Log, a_log
from tests.support.audit_records import NOON, a_record
from tests.support.databases import ANYBODY


@pytest_asyncio.fixture
async def log(dialect, databases) -> AsyncIterator[Log]:
    async with a_log(await databases.make(dialect)) as made:
        yield made


async def test_empty_log_has_a_checkpoint(log: Log):
    made = await log.sequencer().step()
    assert made is not None
    checkpoint = opened(made.note, await log.tree(AuditTree.keys))
    assert checkpoint is not None
    assert (checkpoint.origin, checkpoint.size) == ("rapport.test/audit", 0)
    assert await log.sequencer().step() is None


async def test_every_record_has_one_leaf_and_indexes_are_dense(log: Log):
    records = await log.add(1200)
    made = await log.sequencer().step()
    assert made is not None
    async with log.database.read(ANYBODY) as connection:
        rows = await connection.fetch(
            select(audit_leaf.c.leaf_index, audit_leaf.c.aid, audit_leaf.c.commitment).order_by(
                audit_leaf.c.leaf_index
            )
        )
        waiting = await connection.fetch(select(func.count()).select_from(audit_pending))
        nodes = await connection.fetch(select(audit_node.c.level, audit_node.c.position))
    assert [row[0] for row in rows] == list(range(1200))
    assert {row[1]: bytes(row[2]) for row in rows} == {r.aid: commitment(r) for r in records}
    assert waiting[0][0] == 0
    assert {tuple(row) for row in nodes} == {(8, n) for n in range(1200 // 256)}
    frontier = Frontier()
    async with log.database.read(ANYBODY) as connection:
        async for text in AuditTree(connection).leaves(0, 1200):
            list(frontier.append(leaf_hash(text)))
    assert parse_note(made.note)[0].root == frontier.root()
    assert made.size == 1200


async def test_proofs_of_the_stored_tree_hold(log: Log):
    sequencer, seeded = log.sequencer(), random.Random(5)
    sizes, roots = [0], {}
    for count in (1, 6, 250, 1, 300, 42):
        await log.add(count)
        made = await sequencer.step()
        assert made is not None
        sizes.append(made.size)
        roots[made.size] = parse_note(made.note)[0].root
    async with log.database.read(ANYBODY) as connection:
        tree = AuditTree(connection)
        leaves = [text async for text in tree.leaves(0, sizes[-1])]
        for size in sizes[1:]:
            assert await tree.root(size) == roots[size]
            for index in {0, size - 1, *seeded.choices(range(size), k=12)}:
                proof = await tree.hashes(inclusion_ranges(index, size))
                hash = leaf_hash(leaves[index])
                assert includes(hash, index, size, proof=proof, root=roots[size])
            for first in sizes[1:]:
                if first > size:
                    continue
                proof = await tree.hashes(consistency_ranges(first, size))
                old, new = roots[first], roots[size]
                assert extends(first, size, proof=proof, old_root=old, new_root=new)


async def test_leaf_of_a_record_is_found_by_its_id_and_tenant(log: Log):
    [record] = await log.add(1)
    await log.sequencer().step()
    key = event_key(record.id)
    assert key is not None
    assert await log.tree(lambda tree: tree.index_of(1, *key)) == 0
    assert await log.tree(lambda tree: tree.index_of(2, *key)) is None
    [text] = [text async for text in leaves_of(log)]
    assert text == leaf(record.recorded, record.aid, commitment(record))
    assert json.loads(text).keys() == {"commitment", "id", "recorded"}


async def leaves_of(log: Log):
    async with log.database.read(ANYBODY) as connection:
        async for text in AuditTree(connection).leaves(0, 1):
            yield text


async def test_one_process_has_the_role(log: Log):
    one, other = log.sequencer(holder="one"), log.sequencer(holder="other")
    await log.add(3)
    assert await one.step() is not None
    await log.add(3)
    assert await other.step() is None
    assert await one.step() is not None
    await log.add(1)
    log.clock.at += 60 * SECOND
    assert await other.step() is not None, "the lease ran out, another process goes on"


async def test_a_record_that_was_undone_leaves_no_gap(log: Log):
    await log.add(2)
    with suppress(ZeroDivisionError):
        async with log.database.write(ANYBODY) as connection:
            await AuditLog(connection).append([a_record(aid=900)])
            raise ZeroDivisionError
    await log.add(2)
    made = await log.sequencer().step()
    assert made is not None
    assert made.size == 4


async def test_clock_set_back_is_an_event_and_the_order_stays(log: Log):
    sequencer = log.sequencer()
    await log.add(3, recorded=NOON)
    await sequencer.step()
    await log.add(2, recorded=NOON - 86_400 * SECOND)
    await sequencer.step()
    await sequencer.step()
    await sequencer.step()
    async with log.database.read(ANYBODY) as connection:
        events = await connection.fetch(
            select(audit_event.c.detail).where(audit_event.c.event == "clock-set-back")
        )
        size = await AuditTree(connection).size()
    assert [json.loads(row[0]) for row in events] == [{"seconds": "86400"}]
    assert size == 6


async def test_old_key_still_vouches_for_what_it_signed(log: Log):
    await log.add(1)
    first = await log.sequencer().step()
    async with log.units.write(ANYBODY) as unit:
        await log.keys.rotate(AuditTree(unit.connection))
    await log.add(1)
    second = await log.sequencer().step()
    assert first is not None
    assert second is not None
    keys = await log.tree(AuditTree.keys)
    assert len(written(keys).splitlines()) == 2
    for note in (first.note, second.note):
        assert opened(note, keys) is not None
    assert opened(second.note, keys[:1]) is None
    assert opened(first.note.replace("/audit\n1\n", "/audit\n2\n"), keys) is None


# -------------------------------------------------------------------------------- copies


async def test_directory_keeps_the_newest_and_every_checkpoint(log: Log, tmp_path: Path):
    copy = FileCopy(tmp_path / "elsewhere")
    sequencer = log.sequencer(copy)
    notes = []
    for count in (2, 3):
        await log.add(count)
        made = await sequencer.step()
        assert made is not None
        notes.append(made.note)
    assert await copy.last() == notes[-1]
    assert (tmp_path / "elsewhere" / "history").read_text().count("\n\n\N{EM DASH}") == 2
    assert [(place.size, place.trouble) for place in sequencer.places] == [(5, "")]


class Bucket:
    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.down = False

    async def get(self, key):
        return self.objects.get(key)

    async def put(self, key, body):
        if self.down:
            raise OSError("unreachable")
        self.objects[key] = body


async def test_bucket_has_one_object_a_checkpoint_and_may_be_away_for_a_while(log: Log):
    bucket = Bucket()
    sequencer = log.sequencer(ObjectCopy(bucket))
    bucket.down = True
    await log.add(2)
    assert await sequencer.step() is not None
    assert sequencer.places[0].trouble == "unreachable"
    bucket.down = False
    await sequencer.step()
    assert sequencer.places[0].trouble == ""
    assert sorted(bucket.objects) == ["audit/checkpoint", f"audit/checkpoint/{2:019d}"]


async def test_witness_is_given_proof_and_told_where_to_go_on(log: Log):
    seen: list[bytes] = []

    async def post(url: str, body: bytes) -> tuple[int, str]:
        assert url == "https://witness.test/add-checkpoint"
        seen.append(body)
        return (409, "3") if len(seen) == 1 else (200, "")

    await log.add(3)
    await log.sequencer().step()
    await log.add(4)
    sequencer = log.sequencer(WitnessCopy("https://witness.test/", post=post))
    made = await sequencer.step()
    assert made is not None
    assert sequencer.places[0].size == 3
    await sequencer.step()
    head, _, note = seen[1].decode().partition("\n\n")
    assert note == made.note
    old, *proof = head.split("\n")
    assert old == "old 3"
    assert len(proof) == len(consistency_ranges(3, 7))
    assert sequencer.places[0].size == 7


def test_behind_says_where_the_place_is():
    assert Behind(3).size == 3


# ---------------------------------------------------------------- what must never be signed


async def test_nothing_is_signed_after_the_database_was_set_back(log: Log, tmp_path: Path):
    copy = FileCopy(tmp_path / "elsewhere")
    await log.add(5)
    await log.sequencer(copy).step()
    await log.execute("DELETE FROM audit_leaf WHERE leaf_index >= 3")
    await log.execute("DELETE FROM audit_checkpoint")
    await log.add(1)
    with pytest.raises(Diverged, match="has seen 5 leaves, here are 4"):
        await log.sequencer(copy).step()


async def test_nothing_is_signed_over_another_past(log: Log, tmp_path: Path):
    copy = FileCopy(tmp_path / "elsewhere")
    await log.add(5)
    await log.sequencer(copy).step()
    await log.execute("UPDATE audit_leaf SET aid = aid + 1000 WHERE leaf_index = 2")
    await log.add(1)
    with pytest.raises(Diverged, match="another root for 5 leaves"):
        await log.sequencer(copy).step()


async def test_a_copy_of_another_log_is_not_written_over(log: Log, tmp_path: Path):
    copy = FileCopy(tmp_path / "elsewhere")
    await log.add(1)
    await log.sequencer().step()
    made = await log.tree(AuditTree.checkpoint)
    await copy.put(
        replace(made, note=made.note.replace("rapport", "other")).note, size=1, since=0, proof=[]
    )
    await log.add(1)
    with pytest.raises(Diverged, match="another log"):
        await log.sequencer(copy).step()


# ---------------------------------------------------------------- a restore on purpose


async def set_back(log: Log, copy: FileCopy) -> None:
    await log.add(3)
    await log.sequencer(copy).step()
    for _ in range(2):
        await log.add(1)
        await log.sequencer(copy).step()
    await log.execute("DELETE FROM audit_leaf WHERE leaf_index >= 3")
    await log.execute("DELETE FROM audit_event WHERE aid > 3")
    await log.execute("DELETE FROM audit_checkpoint WHERE size > 3")


async def test_a_restore_that_is_said_lets_the_log_go_on(log: Log, tmp_path: Path):
    copy = FileCopy(tmp_path / "elsewhere")
    await set_back(log, copy)
    assert not (await verify_log(log.units, [copy])).is_sound
    [told] = await accept_restore(log.units, log.trail, [copy], reason="disk lost")
    assert (told.start, told.size) == (3, 5)
    made = await log.sequencer(copy).step()
    assert made is not None
    assert made.size == 4
    assert await copy.last() == made.note
    verdict = await verify_log(log.units, [copy])
    assert verdict.findings == []
    assert verdict.restored == ["set back from 5 entries to 3: disk lost"]
    assert await accept_restore(log.units, log.trail, [copy], reason="again") == []


async def test_a_stranger_is_told_of_the_restore(log: Log, tmp_path: Path):
    copy = FileCopy(tmp_path / "elsewhere")
    await set_back(log, copy)
    await accept_restore(log.units, log.trail, [copy], reason="disk lost")
    await log.sequencer(copy).step()
    async for name, piece in exported(Proofs(log.units)):
        with (tmp_path / name).open("ab") as file:
            file.write(piece)
    events = tmp_path / "events.ndjson"
    async with log.database.read(ANYBODY) as connection:
        rows = await connection.fetch(select(*(audit_event.c[name] for name in COLUMNS)))
    events.write_bytes(b"\n".join(fhir_json.dumps(render(record_of(row))) for row in rows))

    def verified(*more: str) -> subprocess.CompletedProcess[str]:
        script = Path("examples/verify-audit/verify_audit.py")
        seen = str(tmp_path / "elsewhere" / "history")
        command = [sys.executable, str(script), str(tmp_path), "--seen", seen, *more]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    blind = verified()
    assert blind.returncode == 1
    assert "set back or cut off" in blind.stderr
    opened_ = verified("--open")
    assert opened_.returncode == 0, opened_.stderr
    assert "RESTORED: set back from 5 entries to 3: disk lost" in opened_.stdout


async def test_a_restore_excuses_nothing_else(log: Log, tmp_path: Path):
    copy = FileCopy(tmp_path / "elsewhere")
    await set_back(log, copy)
    with pytest.raises(AppError):
        await accept_restore(log.units, log.trail, [copy], reason=" ")
    await accept_restore(log.units, log.trail, [copy], reason="disk lost")
    await log.sequencer(copy).step()
    await log.execute("DELETE FROM audit_leaf WHERE leaf_index >= 2")
    await log.execute("DELETE FROM audit_checkpoint WHERE size > 2")
    await log.add(1)
    with pytest.raises(Diverged):
        await log.sequencer(copy).step()
    assert not (await verify_log(log.units, [copy])).is_sound

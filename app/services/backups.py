"""Backup and restore: an installation in encrypted files, for either database.

The records are in one file; the keys that open them are in another beside it, ``rapport.keys``,
one for all backups in a directory and always the newest. So what was destroyed is destroyed in
every backup, however old.

A frame is its length (4 bytes), a nonce and AES-256-GCM of compressed JSON lines, bound to its
number and to whether it is the last, so a file that was cut, reordered or taken from another
installation does not open. The key follows from the root key, which is not in the backup.
"""

from __future__ import annotations

import base64
import os
import struct
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.core.clock import Clock
from app.core.errors import AppError, Category
from app.core.ids import IdSource
from app.db.engine import Database
from app.fhir import json
from app.repositories.dump import INSTALLATION, KEY_TABLES, TABLES, Dump
from app.repositories.key_copies import KeyCopies
from app.security.root_key import RootKey

KEYS = "rapport.keys"  # the file's name
_MAGIC = b"RAPPORT-BACKUP-2\n"
_NONCE = 12
_LENGTH = struct.Struct(">I")
_LONGEST_FRAME = 256 * 1024 * 1024
_BYTES = "b64:"
_TEXT = "txt:"


class Backups:
    """Writes and reads backup files."""

    def __init__(
        self, database: Database, *, root: RootKey, ids: IdSource, clock: Clock, schema: str
    ) -> None:
        """``schema`` is the revision of the tables; a backup of another one is refused."""
        self._database = database
        self._ciphers = [AESGCM(key) for key in root.derivations("backup")]
        self._ids = ids
        self._clock = clock
        self._schema = schema

    async def save(self, path: Path) -> int:
        """Writes one consistent state to a new file, and the keys beside it; the number of rows."""
        keys = path.parent / KEYS
        if keys.exists():
            self._check(keys)  # another installation's is not written over
        with path.open("xb") as file:
            count = await self._write(file, TABLES)
        return count + await self._save_keys(keys)

    async def renew_keys(self) -> list[str]:
        """Writes the keys as they are now wherever copies are; the places that it could not."""
        async with self._database.read(INSTALLATION) as connection:
            paths = await KeyCopies(connection).paths()
        missed = []
        for path in paths:
            try:
                self._check(Path(path))
                await self._save_keys(Path(path))
            except (OSError, AppError):
                missed.append(path)
        return missed

    async def _save_keys(self, path: Path) -> int:
        made = path.with_suffix(".new")
        async with self._database.write(INSTALLATION) as connection:
            await KeyCopies(connection).written(str(Path.cwd() / path), at=self._clock.now())
        with made.open("wb") as file:
            count = await self._write(file, KEY_TABLES)
            file.flush()
            os.fsync(file.fileno())
        made.chmod(0o600)
        made.replace(path)
        return count

    async def _write(self, file: BinaryIO, tables: Iterable[str]) -> int:
        count = 0
        file.write(_MAGIC)
        writer = _Writer(file, self._ciphers[0], self._ids)
        writer.frame({"schema": self._schema})
        async with self._database.snapshot(INSTALLATION) as connection:
            dump = Dump(connection)
            for name in tables:
                async for rows in dump.rows(name):
                    writer.frame({"table": name, "rows": [_out(row) for row in rows]})
                    count += len(rows)
        writer.frame({"rows": count}, last=True)
        return count

    def _check(self, path: Path) -> None:
        with path.open("rb") as file:
            next(self._frames(file))

    async def load(self, path: Path) -> int:
        """Puts a backup and the keys beside it into a database that holds nothing yet.

        Gives the number of rows. What was sealed with a key that is destroyed by now is as if it
        had been destroyed before.

        Raises ``invalid`` for a file that this root key did not seal, or that is not whole, and
        ``conflict`` for a database in use; nothing is stored then.
        """
        count = 0
        beside = path.parent / KEYS
        if not beside.exists():
            raise _refused(f"there is no {KEYS} beside the backup: nothing could be read")
        with path.open("rb") as file, beside.open("rb") as keys:
            frames, key_frames = self._whole(file), self._whole(keys)
            async with self._database.write(INSTALLATION) as connection:
                dump = Dump(connection)
                if not await dump.is_empty():
                    raise AppError.of(
                        Category.CONFLICT, "conflict", "the database is in use already"
                    )
                await dump.clear()
                tenants: set[int] = set()
                async for name, rows in _tables(frames):
                    tenants |= {row["id"] for row in rows if name == "tenant"}
                    await dump.add(name, rows)
                    count += len(rows)
                async for name, rows in _tables(key_frames):
                    known = [row for row in rows if row["tenant"] in tenants]
                    await dump.add(name, known)
                    count += len(known)
                await dump.withdraw()
        return count

    def _whole(self, file: BinaryIO) -> Iterator[Mapping[str, Any]]:
        frames = self._frames(file)
        if next(frames).get("schema") != self._schema:
            raise _refused("the backup is of another schema: restore it with that version")
        return frames

    def _frames(self, file: BinaryIO) -> Iterator[Mapping[str, Any]]:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise _refused("the file is not a backup")
        number = 0
        while header := file.read(_LENGTH.size):
            if len(header) != _LENGTH.size:
                raise _refused("the backup was cut")
            size = _LENGTH.unpack(header)[0]
            sealed = file.read(size) if size <= _LONGEST_FRAME else b""
            if len(sealed) != size or size < _NONCE:
                raise _refused("the backup was cut")
            frame, last = self._open(sealed, number)
            yield frame
            if last:
                return
            number += 1
        raise _refused("the backup was cut")

    def _open(self, sealed: bytes, number: int) -> tuple[Mapping[str, Any], bool]:
        for cipher, last in product(self._ciphers, (False, True)):
            try:
                packed = cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], _about(number, last=last))
            except InvalidTag:
                continue
            return json.parse_resource(zlib.decompress(packed)), last
        raise _refused("the backup was altered, or sealed under another root key")


class _Writer:
    def __init__(self, file: BinaryIO, cipher: AESGCM, ids: IdSource) -> None:
        self._file = file
        self._cipher = cipher
        self._ids = ids
        self._number = 0

    def frame(self, content: Mapping[str, Any], *, last: bool = False) -> None:
        """Adds a frame."""
        nonce = self._ids.random(_NONCE)
        packed = zlib.compress(json.dumps(content), 6)
        sealed = nonce + self._cipher.encrypt(nonce, packed, _about(self._number, last=last))
        self._file.write(_LENGTH.pack(len(sealed)) + sealed)
        self._number += 1


async def _tables(
    frames: Iterator[Mapping[str, Any]],
) -> AsyncIterator[tuple[str, list[Mapping[str, Any]]]]:
    for frame in frames:
        if "table" in frame:
            yield frame["table"], [_in(row) for row in frame["rows"]]


def _about(number: int, *, last: bool) -> bytes:
    return f"frame {number}{' last' if last else ''}".encode()


def _out(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value_out(value) for name, value in row.items()}


def _value_out(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _BYTES + base64.b64encode(bytes(value)).decode()
    return _TEXT + value if isinstance(value, str) else value


def _in(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value_in(value) for name, value in row.items()}


def _value_in(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.startswith(_BYTES):
        return base64.b64decode(value.removeprefix(_BYTES))
    return value.removeprefix(_TEXT)


def _refused(why: str) -> AppError:
    return AppError.of(Category.INVALID, "invalid", why)

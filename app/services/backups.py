"""Backup and restore: the whole installation in one encrypted file, for either database.

A frame is its length (4 bytes), a nonce and AES-256-GCM of compressed JSON lines, bound to its
number and to whether it is the last, so a file that was cut, reordered or taken from another
installation does not open. The key follows from the root key, which is not in the backup.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.core.errors import AppError, Category
from app.core.ids import IdSource
from app.db.engine import Database
from app.fhir import json
from app.repositories.dump import TABLES, Dump
from app.security.keys import RootKey

_MAGIC = b"RAPPORT-BACKUP-1\n"
_NONCE = 12
_LENGTH = struct.Struct(">I")
_LONGEST_FRAME = 256 * 1024 * 1024
_BYTES = "b64:"
_TEXT = "txt:"


class Backups:
    """Writes and reads backup files."""

    def __init__(self, database: Database, *, root: RootKey, ids: IdSource, schema: str) -> None:
        """``schema`` is the revision of the tables; a backup of another one is refused."""
        self._database = database
        self._cipher = AESGCM(root.derive("backup"))
        self._ids = ids
        self._schema = schema

    async def save(self, path: Path) -> int:
        """Writes one consistent state to a new file; the number of rows."""
        count = 0
        with path.open("xb") as file:
            file.write(_MAGIC)
            writer = _Writer(file, self._cipher, self._ids)
            writer.frame({"schema": self._schema})
            async with self._database.snapshot() as connection:
                dump = Dump(connection)
                for name in TABLES:
                    async for rows in dump.rows(name):
                        writer.frame({"table": name, "rows": [_out(row) for row in rows]})
                        count += len(rows)
            writer.frame({"rows": count}, last=True)
        return count

    async def load(self, path: Path) -> int:
        """Puts a backup into a database that holds nothing yet; the number of rows.

        Raises ``invalid`` for a file that this root key did not seal, or that is not whole, and
        ``conflict`` for a database in use; nothing is stored then.
        """
        count = 0
        with path.open("rb") as file:
            frames = self._frames(file)
            if next(frames).get("schema") != self._schema:
                raise _refused("the backup is of another schema: restore it with that version")
            async with self._database.write() as connection:
                dump = Dump(connection)
                if not await dump.is_empty():
                    raise AppError.of(
                        Category.CONFLICT, "conflict", "the database is in use already"
                    )
                await dump.clear()
                async for name, rows in _tables(frames):
                    if name == "audit_pending":
                        await dump.forget_pending()
                    await dump.add(name, rows)
                    count += len(rows)
        return count

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
        for last in (False, True):
            try:
                packed = self._cipher.decrypt(
                    sealed[:_NONCE], sealed[_NONCE:], _about(number, last=last)
                )
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

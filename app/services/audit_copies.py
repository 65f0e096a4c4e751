"""Copies of checkpoints in places that the owner of the database cannot write.

A log in one database can be cut off or set back with the database; a copy elsewhere tells. A
place that cannot be reached never stops the log: it is behind, and says so.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

import httpx


class Copy(Protocol):
    """A place for checkpoints."""

    @property
    def name(self) -> str:
        """What the place is called in the console and in logs."""
        ...

    async def last(self) -> str | None:
        """The newest note there, None where there is none or it cannot be read back."""
        ...

    async def put(self, note: str, *, size: int, since: int, proof: Sequence[bytes]) -> None:
        """Adds a note; ``proof`` shows that it extends the one of ``since`` leaves.

        Raises ``OSError`` when the place cannot take it.
        """
        ...


class FileCopy:
    """A directory: the newest checkpoint in one file, every one in another that only grows."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.name = f"file {directory.name}"

    async def last(self) -> str | None:
        """The newest note."""
        try:
            return await asyncio.to_thread((self._directory / "checkpoint").read_text, "utf-8")
        except FileNotFoundError:
            return None

    async def put(self, note: str, *, size: int, since: int, proof: Sequence[bytes]) -> None:
        """Replaces the newest note in one step and adds it to the history."""
        await asyncio.to_thread(self._write, note)

    def _write(self, note: str) -> None:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._directory / "history").open("a", encoding="utf-8") as history:
            history.write(note + "\n")
        temporary = self._directory / "checkpoint.new"
        with temporary.open("w", encoding="utf-8") as file:
            file.write(note)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._directory / "checkpoint")


class ObjectStore(Protocol):
    """A bucket as S3 has it; with object lock, what was put stays."""

    async def get(self, key: str) -> bytes | None:
        """The object, None where there is none."""
        ...

    async def put(self, key: str, body: bytes) -> None:
        """Stores an object; raises ``OSError`` when it cannot."""
        ...


class ObjectCopy:
    """An object store: one object for each checkpoint, and one that names the newest."""

    def __init__(self, store: ObjectStore, *, prefix: str = "audit/") -> None:
        self._store = store
        self._prefix = prefix
        self.name = "object store"

    async def last(self) -> str | None:
        """The newest note."""
        found = await self._store.get(f"{self._prefix}checkpoint")
        return None if found is None else found.decode()

    async def put(self, note: str, *, size: int, since: int, proof: Sequence[bytes]) -> None:
        """Stores the note under its size, then as the newest."""
        await self._store.put(f"{self._prefix}checkpoint/{size:019d}", note.encode())
        await self._store.put(f"{self._prefix}checkpoint", note.encode())


# Sends a body to a URL; gives the status and the answer's text.
Post = Callable[[str, bytes], Awaitable[tuple[int, str]]]


async def over_http(url: str, body: bytes) -> tuple[int, str]:
    """Posts to a URL that the operator chose; raises ``OSError`` where nobody answers."""
    try:
        async with httpx.AsyncClient(timeout=5, follow_redirects=False) as client:
            answer = await client.post(url, content=body)
    except httpx.HTTPError as error:
        raise OSError(type(error).__name__) from error
    return answer.status_code, answer.text


class WitnessCopy:
    """A witness (https://c2sp.org/tlog-witness): it signs only what extends what it saw."""

    def __init__(self, url: str, *, post: Post = over_http) -> None:
        self._url = f"{url.rstrip('/')}/add-checkpoint"
        self._post = post
        self.name = "witness"

    async def last(self) -> str | None:
        """A witness does not give checkpoints back; it refuses what does not fit."""
        return None

    async def put(self, note: str, *, size: int, since: int, proof: Sequence[bytes]) -> None:
        """Submits the note with the proof that it extends the last one submitted."""
        lines = [f"old {since}", *(base64.b64encode(hash).decode() for hash in proof)]
        body = "\n".join([*lines, "", note])
        status, answer = await self._post(self._url, body.encode())
        if status == 409 and answer.strip().isdigit():
            raise Behind(int(answer.strip()))
        if status != 200:
            raise OSError(f"the witness answered {status}")


class Behind(OSError):
    """The place has a checkpoint of another size than was assumed."""

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(f"the place has a checkpoint of {size} leaves")

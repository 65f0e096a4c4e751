"""Passwords: what one may be, and Argon2id in a bounded pool.

RFC 9106's second choice: 64 MiB, three passes. Hashing takes a quarter of a second of a core,
so a few threads do it and the rest of the server goes on; who comes when the queue is full is
told to come back. Somebody unknown costs as much as somebody known.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import resources
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from app.core.errors import AppError, Category

_T = TypeVar("_T")

SHORTEST: Final = 10
LONGEST: Final = 1024
_THREADS: Final = 2
_MOST_WAITING: Final = 400
_TRAILING: Final = "0123456789!@#$%^&*.,?_-+= "


def flaw(password: str, *, about: tuple[str, ...] = ()) -> str:
    """Why a password will not do, as a key of the pages' texts; empty when it will.

    ``about`` are words that an attacker knows: username, name, address.
    """
    text = normalised(password)
    if len(text) < SHORTEST:
        return "password-short"
    if len(text) > LONGEST:
        return "password-long"
    folded = text.casefold()
    if folded in _common() or folded.rstrip(_TRAILING) in _common() or len(set(folded)) < 5:
        return "password-common"
    known = {word.casefold() for word in about if len(word) >= 4}
    if any(word in folded and len(folded) - len(word) < 6 for word in known):
        return "password-about-you"
    return ""


def normalised(password: str) -> str:
    """The text that is hashed: one form for what looks the same (NIST SP 800-63B, NFKC)."""
    return unicodedata.normalize("NFKC", password)


class Passwords:
    """Hashes and verifies passwords, a few at a time."""

    def __init__(
        self, *, memory_kib: int = 64 * 1024, passes: int = 3, threads: int = _THREADS
    ) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="password")
        self._waiting = 0
        # Costs what a real one does, and no password is known to match it.
        self._nobodys = (
            f"$argon2id$v=19$m={memory_kib},t={passes},p=1$"
            "bm9ib2R5J3Mgc2FsdCEhIQ$bm9ib2R5J3MgaGFzaCwgb2Z0aGlydHl0d28gb2N0ZXQ"
        )

    async def hash(self, password: str) -> str:
        """The encoded Argon2id hash of a password."""
        return await self._run(lambda: self._hasher.hash(normalised(password)))

    async def verify(self, password: str, encoded: str | None) -> bool:
        """Whether it is the password. ``encoded`` None (nobody such) takes as long and fails."""
        if len(password) > LONGEST * 4:
            return False
        target = self._nobodys if encoded is None else encoded
        return await self._run(lambda: self._matches(password, target)) and encoded is not None

    def is_outdated(self, encoded: str) -> bool:
        """Whether a hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(encoded)

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _matches(self, password: str, encoded: str) -> bool:
        try:
            return self._hasher.verify(encoded, normalised(password))
        except (Argon2Error, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], _T]) -> _T:
        if self._waiting >= _MOST_WAITING:
            raise AppError.of(
                Category.THROTTLED, "throttled", "too many sign-ins at once", retry_after=5
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1


@cache
def _common() -> frozenset[str]:
    text = resources.files("app.definitions").joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(text.split("\n"))

"""Slowing down who guesses: per account and per address, kept in the database.

Only failures count. An attempt is counted before the secret is looked at, and uncounted when it
was right, so that attempts made at once do not slip by. Nobody is locked out for ever: a block
lasts a quarter of an hour at most, and the last administrator of a clinic, or the last who need
not wait, is slowed by address only, since otherwise a stranger could keep the clinic shut.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from typing import Final

from app.core.clock import SECOND
from app.core.errors import AppError, Category
from app.repositories.accounts_sessions import Sessions

FREE_PER_ACCOUNT: Final = 5
FREE_PER_ADDRESS: Final = 60
_LONGEST_ACCOUNT: Final = 900
_LONGEST_ADDRESS: Final = 60
_FORGOTTEN_AFTER: Final = 3600 * SECOND


@dataclass(frozen=True, slots=True)
class Attempt:
    """The buckets that an attempt counts in."""

    account: str | None
    address: str | None


def attempt(*, account: str, address: str | None, spare_account: bool = False) -> Attempt:
    """The buckets of an attempt on an account (by folded name or id) from an address."""
    return Attempt(
        None if spare_account else "account:" + _digest(account),
        None if address is None else "address:" + _digest(_network(address)),
    )


async def begin(sessions: Sessions, which: Attempt, *, now: int) -> None:
    """Counts an attempt, or raises ``throttled`` while its account or address is blocked."""
    for bucket in (which.account, which.address):
        found = None if bucket is None else await sessions.failures(bucket)
        if found is not None and found.blocked_until > now:
            raise throttled(found.blocked_until - now)
    for bucket, free, longest in (
        (which.account, FREE_PER_ACCOUNT, _LONGEST_ACCOUNT),
        (which.address, FREE_PER_ADDRESS, _LONGEST_ADDRESS),
    ):
        if bucket is None:
            continue
        failures = await sessions.count(bucket, at=now, fresh_since=now - _FORGOTTEN_AFTER)
        if failures >= free:
            seconds = min(1 << min(failures - free, 12), longest)
            await sessions.block(bucket, until=now + seconds * SECOND)


async def is_blocked(sessions: Sessions, account: str, *, now: int) -> bool:
    """Whether an account (by folded name or id) has to wait."""
    found = await sessions.failures("account:" + _digest(account))
    return found is not None and found.blocked_until > now


async def succeed(sessions: Sessions, which: Attempt) -> None:
    """Clears the account after a success; of its address only the attempt itself."""
    if which.account is not None:
        await sessions.forget(which.account)
    if which.address is not None:
        await sessions.take_back(which.address)
        await sessions.block(which.address, until=0)


def throttled(micros: int) -> AppError:
    """Too many failures: come back later."""
    seconds = max(1, -(-micros // SECOND))
    return AppError.of(
        Category.THROTTLED, "throttled", "too many failed sign-ins", retry_after=seconds
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _network(address: str) -> str:
    """An IPv4 address, or the network that one IPv6 customer has."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)

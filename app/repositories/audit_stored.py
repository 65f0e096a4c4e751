"""What is stored beside the leaves of the audit log: signed checkpoints and the log's keys."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A signed note and when it was made, in microseconds."""

    size: int
    recorded: int
    note: str


@dataclass(frozen=True, slots=True)
class StoredLogKey:
    """A key of the log; ``id`` is its hash in hexadecimal, ``sealed`` nonce and secret."""

    id: str
    created: int
    origin: str
    public: bytes
    sealed: bytes


class TreeDamaged(Exception):
    """Rows of the tree are missing that must be there."""

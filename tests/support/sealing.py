"""A codec with keys of its own, for tests below the application."""

from __future__ import annotations

import hashlib
import os

from app.core.clock import SystemClock
from app.core.ids import RandomIds
from app.db.engine import Connection
from app.repositories.codec import EnvelopeCodec
from app.repositories.consents import Consents
from app.repositories.data_keys import DataKeys
from app.repositories.index_keys import IndexKeys
from app.repositories.resources import Resources
from app.search.secrecy import IndexKey
from app.security.root_key import RootKey


def derive(purpose: str) -> bytes:
    """A key for a purpose."""
    return hashlib.sha256(purpose.encode()).digest()


CODEC = EnvelopeCodec(derive, os.urandom)


INDEX_KEY = IndexKey(bytes(range(32)))
ROOT = RootKey(bytes(range(32)), RandomIds())


class _Open(IndexKeys):
    """The key above, which no database holds."""

    def __init__(self) -> None:
        self._key = INDEX_KEY


INDEX_KEYS: IndexKeys = _Open()


def data_keys(connection: Connection) -> DataKeys:
    """The repository of keys on a connection."""
    return DataKeys(connection, CODEC, ROOT, SystemClock())


def resources(connection: Connection) -> Resources:
    """The repository of resources on a connection."""
    consents = Consents(connection, INDEX_KEYS)
    return Resources(connection, CODEC, data_keys(connection), consents, INDEX_KEYS)

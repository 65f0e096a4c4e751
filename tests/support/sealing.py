"""A codec with keys of its own, for tests below the application."""

from __future__ import annotations

import hashlib
import os

from app.core.clock import SystemClock
from app.db.engine import Connection
from app.repositories.codec import EnvelopeCodec
from app.repositories.consents import Consents
from app.repositories.data_keys import DataKeys
from app.repositories.resources import Resources

CODEC = EnvelopeCodec(lambda purpose: hashlib.sha256(purpose.encode()).digest(), os.urandom)


def resources(connection: Connection) -> Resources:
    """The repository of resources on a connection."""
    keys = DataKeys(connection, CODEC, SystemClock())
    return Resources(connection, CODEC, keys, Consents(connection))

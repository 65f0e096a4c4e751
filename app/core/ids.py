"""Identifiers and randomness, injected."""

from __future__ import annotations

import secrets
import uuid
from typing import Protocol


class IdSource(Protocol):
    """Makes identifiers that tell nothing: not order, not time."""

    def new_id(self) -> str:
        """A FHIR ``id``: a random UUID in lower case."""
        ...

    def random(self, size: int) -> bytes:
        """``size`` random bytes."""
        ...


class RandomIds:
    """Identifiers from the operating system's randomness."""

    def new_id(self) -> str:
        """A FHIR ``id``: a random UUID in lower case."""
        return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))

    def random(self, size: int) -> bytes:
        """``size`` random bytes."""
        return secrets.token_bytes(size)

"""How stored text becomes bytes at rest and comes back: sealed once, opened before use.

Every body in the database passes through one ``Codec``. ``cipher`` names how a row was
sealed, so rows sealed in different ways live side by side.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from app.core.errors import AppError, Category

IDENTITY = 0


class Sealed(NamedTuple):
    """Bytes at rest: the body, the cipher's number, the key's id and the nonce."""

    body: bytes
    cipher: int
    key_id: str | None
    nonce: bytes | None


class Codec(Protocol):
    """Seals text for storage and opens it again."""

    def seal(self, text: bytes, *, owner: str, context: str) -> Sealed:
        """Seals a text under its key owner; ``context`` is ``tenant|type|id|version``."""
        ...

    def open(self, sealed: Sealed, *, owner: str, context: str) -> bytes:
        """The text that was sealed for this owner and context."""
        ...


class IdentityCodec:
    """Stores text as it is."""

    def seal(self, text: bytes, *, owner: str, context: str) -> Sealed:
        """The text itself."""
        return Sealed(text, IDENTITY, None, None)

    def open(self, sealed: Sealed, *, owner: str, context: str) -> bytes:
        """The text itself; a row sealed in another way cannot be opened here."""
        if sealed.cipher != IDENTITY:
            raise AppError.of(Category.UNAVAILABLE, "exception", "the key is not available")
        return sealed.body

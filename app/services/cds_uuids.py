"""The uuids of cards: they follow from what a card is about, so that nothing need be kept of it.

A version 8 UUID (RFC 9562) of two halves under a key of the installation. The first names the
service and what the card is about; the second tells that this clinic's server gave it to this
client. So feedback is taken for cards that were given only, and whoever holds an alert finds what
was said of its cards, while a uuid by itself tells nobody anything.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from dataclasses import dataclass
from typing import Final

KEY: Final = "cds-card"  # what the root key's own of it is called
_HALF: Final = 8
_LOW_12: Final = 0x0FFF
_LOW_62: Final = (1 << 62) - 1


@dataclass(frozen=True, slots=True)
class CardUuids:
    """The uuids of one clinic's cards for one client of it."""

    key: bytes
    tenant: int
    client: str
    service: str

    def of(self, about: str) -> str:
        """The uuid of the card about something (``Task/x``, an occasion of alerts)."""
        return self._sealed(self._digest("about", about))

    def half(self, about: str) -> str:
        """What the uuids of the cards about something have in common, for whichever client."""
        return self.of(about)[:18]

    def suggestion(self, card: str) -> str:
        """The uuid of the one suggestion of a card."""
        return self._sealed(self._digest("suggestion", card))

    def gave(self, card: str) -> bool:
        """Whether a card with this uuid is one that the client may have been given."""
        try:
            known = uuid.UUID(card)
        except ValueError:
            return False
        return hmac.compare_digest(
            self._sealed(known.bytes[:_HALF]).encode(), card.lower().encode()
        )

    def _sealed(self, first: bytes) -> str:
        head = int.from_bytes(first, "big")
        head = (head >> 16 << 16) | 0x8000 | (head & _LOW_12)  # version 8
        seal = self._digest("given", f"{self.client}|{head:016x}")
        tail = (0b10 << 62) | (int.from_bytes(seal, "big") & _LOW_62)  # the RFC's variant
        return str(uuid.UUID(int=head << 64 | tail))

    def _digest(self, what: str, of: str) -> bytes:
        text = f"{what}|{self.tenant}|{self.service}|{of}".encode()
        return hmac.new(self.key, text, hashlib.sha256).digest()[:_HALF]

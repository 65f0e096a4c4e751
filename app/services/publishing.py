"""Figures about clients, published so that no two releases tell of fewer than five.

What was told is kept under pseudonyms, since what is told next must not differ from it by fewer
than five clients (``domain/aggregate.py``).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from app.core.clock import Clock
from app.domain.aggregate import differ, release_together
from app.fhir import json
from app.repositories.unit_of_work import UnitOfWork

Values = Mapping[str, str]


class Publishing:
    """Releases figures; ``key`` makes pseudonyms that nobody else can make."""

    def __init__(self, *, clock: Clock, key: bytes) -> None:
        self._clock = clock
        self._key = key

    async def released_together(
        self, uow: UnitOfWork, cells: Mapping[str, Values], *, tenant: int
    ) -> Mapping[str, Values | None]:
        """What may be told of cells that can be computed from each other, by their places.

        These values by pseudonym, those told last, or nothing.
        """
        earlier = {
            place: [_opened(body) for body in await uow.releases.of(tenant, place)]
            for place in cells
        }
        released = release_together(cells, earlier)
        for place, told in released.items():
            known = earlier[place]
            if told is not None and all(differ(told, each) for each in known):
                now = self._clock.now()
                await uow.releases.add(tenant, place, _kept(told), number=len(known), now=now)
        return released

    def pseudonym(self, person: str, *, tenant: int) -> str:
        """What stands for a person wherever figures are kept."""
        return hmac.digest(self._key, f"{tenant}|{person}".encode(), "sha256")[:12].hex()


def _kept(values: Values) -> bytes:
    return json.dumps(dict(sorted(values.items())))


def _opened(body: bytes) -> Values:
    return json.parse_stored(body)

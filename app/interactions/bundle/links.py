"""Links between the entries of a transaction.

https://hl7.org/fhir/R4/bundle.html#references. A link names an entry by its ``fullUrl``; a
relative one is read from the server that the ``fullUrl`` of its own entry is of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.fhir import references
from app.interactions.bundle.entries import Entry


@dataclass(frozen=True, slots=True)
class Links:
    """What the links of an entry become; ``base`` is the own base URL."""

    base: str
    _everywhere: Mapping[str, str]
    _relative: Mapping[str, Mapping[str, str]]

    @classmethod
    def to(cls, targets: Iterable[tuple[str, str]], *, base: str) -> Links:
        """Links to entries, each a ``fullUrl`` and the ``Type/id`` that it stands for."""
        everywhere = dict(targets)
        relative: dict[str, dict[str, str]] = {}
        for url, target in everywhere.items():
            server, key = _split(url)
            if key is not None:
                relative.setdefault(server or base, {})[key] = target
        return cls(
            base, everywhere, {server: {**everywhere, **keys} for server, keys in relative.items()}
        )

    def of(self, entry: Entry) -> Mapping[str, str]:
        """What the links of one entry become."""
        server = _split(entry.full_url)[0] if entry.full_url else None
        return self._relative.get(server or self.base, self._everywhere)


def _split(url: str) -> tuple[str | None, str | None]:
    """The server and the ``Type/id`` of a RESTful address."""
    link = references.parse(url)
    return link.base, None if link.id is None else f"{link.type}/{link.id}"

"""Entity tags: which versions ``If-Match`` and ``If-None-Match`` name. RFC 9110, 8.8.3

FHIR's are weak and hold the version, ``W/"3"``; a tag without ``W/`` or quotes is understood.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tags:
    """Any version at all (``*``), or those that are named; a name that is not ours is of none."""

    names: frozenset[str]

    @classmethod
    def of(cls, text: str) -> Tags:
        """Reads a header or an entry's member."""
        parts = (part.strip().removeprefix("W/").strip('"') for part in text.split(","))
        return cls(frozenset(part for part in parts if part))

    def include(self, version: int, *, there: bool = True) -> bool:
        """Whether a version is among them; ``*`` is any version of what is there."""
        return ("*" in self.names and there) or str(version) in self.names

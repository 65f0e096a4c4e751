"""Who may see what: an argument of every read, compiled into every row source.

A ``Visible`` names, for each type that may be seen at all, the ways in which its rows may be
seen. Without an entry a type is invisible, and what is invisible is not there: not as a
match, not as the target of a chain, not in a total, not in the order of others.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeVar

from app.domain import withholding
from app.fhir.audit.event import as_told
from app.fhir.registry import ENTRIES, REGISTRY
from app.search.expression import Shaper
from app.search.sight import SHARED, SHARED_TENANT, Alternative, Sight, Ways, merged

__all__ = ["Alternative", "Visible"]

T = TypeVar("T")

_RESPONSE = REGISTRY["QuestionnaireResponse"].code
_EVENT = REGISTRY["AuditEvent"].code
_NOTHING: Mapping[int, Ways] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Visible:
    """The tenant, and for each type number the ways to see its rows.

    Several ways are ORed; a row that meets a denial is hidden all the same. ``withholds`` tells
    that answers for the person and the clinical lead are left out of what is seen, ``rated`` of
    whose responses (patients, ids) they are left out because they may be about the caller.
    """

    tenant: int
    grants: Mapping[int, Ways]
    denials: Mapping[int, Ways] = field(default_factory=lambda: _NOTHING)
    withholds: bool = False
    rated: frozenset[str] = frozenset()
    _known: dict[Hashable, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    @classmethod
    def everything(cls, tenant: int, *, reason: str) -> Visible:
        """All that a tenant has, for the server's own reactions; ``reason`` is for readers."""
        if not reason:
            raise ValueError("say why everything is to be seen")
        return _everything(tenant)

    def shown(self, kind: int, text: bytes) -> bytes:
        """A stored text as it may be seen."""
        if kind == _EVENT and Alternative() not in self.grants.get(kind, ()):
            return as_told(text)  # the rest is for who sees the whole log
        if kind != _RESPONSE or not (self.withholds or self.rated):
            return text
        return withholding.shown(text, rated=None if self.withholds else self.rated)

    def tenant_of(self, kind: int) -> int:
        """The tenant that has the rows of a type."""
        return SHARED_TENANT if kind in SHARED else self.tenant

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What follows from this and the key alone, worked out once."""
        if key not in self._known:
            self._known[key] = make()
        found: T = self._known[key]
        return found

    def sight(self, kinds: Iterable[int], shaper: Shaper) -> Sight:
        """What may be seen of these types, with slots for its values."""
        wanted = sorted(set(kinds))
        known: dict[Any, Any] = {}

        def shaped(ways: Mapping[int, Ways]) -> tuple[tuple[int, Ways], ...]:
            return tuple(
                (kind, tuple([way.shaped(shaper, known) for way in merged(ways[kind])]))
                for kind in wanted
                if kind in ways
            )

        return Sight(shaper.slot(self.tenant), shaped(self.grants), shaped(self.denials))


@lru_cache(maxsize=256)
def _everything(tenant: int) -> Visible:
    return Visible(tenant, {code: (Alternative(),) for code, _, _ in ENTRIES})

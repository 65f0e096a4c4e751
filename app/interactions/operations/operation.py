"""What an operation declares: its name, where it may be called, whether it writes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from app.core.errors import AppError, Category
from app.fhir.capability import Offered
from app.interactions.address import NotAllowed
from app.interactions.call import Call, Outcome
from app.interactions.context import Context


@dataclass(frozen=True, slots=True)
class Operation:
    """A named operation.

    ``types`` are the types it is offered on (empty: all); ``system_level``, ``type_level`` and
    ``instance_level`` say where, ``instance_types`` of whose resources where that is of others.
    ``definitions`` are those of single types where they have their own. ``get`` tells whether GET
    may call it; ``media_types`` are what it may answer with besides JSON. ``stores`` is how many
    resources it writes about at most.
    """

    name: str
    definition: str
    run: Callable[[Context, Call], Awaitable[Outcome]]
    types: frozenset[str] = frozenset()
    system_level: bool = False
    type_level: bool = False
    instance_level: bool = False
    writes: bool = False
    get: bool = True
    media_types: tuple[str, ...] = ()
    stores: int = 1
    instance_types: frozenset[str] = frozenset()
    definitions: Mapping[str, str] = field(default_factory=dict)

    @property
    def offered(self) -> Offered:
        """The operation as a CapabilityStatement tells of it."""
        return Offered(
            name=self.name,
            definition=self.definition,
            types=tuple(sorted(self.types)),
            type_level=self.type_level,
            instance_level=self.instance_level,
            get=self.get,
            instance_types=tuple(sorted(self.instance_types)),
            definitions=self.definitions,
        )

    def check(self, type_name: str | None, id: str | None, *, method: str) -> None:
        """Refuses a call where or how the operation is not offered."""
        if type_name is None:
            offered = self.system_level
        else:
            offered = self.offered.on(type_name, instance=id is not None)
        if not offered:
            raise unknown()
        if method != "POST" and not self.get:
            raise NotAllowed(["POST"])
        if method == "HEAD" and self.writes:  # who only wants to know starts nothing
            raise NotAllowed(["GET", "POST"])


def unknown() -> AppError:
    """There is no such operation here."""
    return AppError.of(Category.NOT_FOUND, "not-supported", "no such operation")

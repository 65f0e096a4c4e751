"""What an operation declares: its name, where it may be called, whether it writes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.core.errors import AppError, Category
from app.interactions.address import NotAllowed
from app.interactions.call import Call, Outcome
from app.interactions.context import Context


@dataclass(frozen=True, slots=True)
class Operation:
    """A named operation.

    ``types`` are the types it is offered on (empty: all); ``system_level``, ``type_level`` and
    ``instance_level`` say where. ``get`` tells whether GET may call it; ``media_types`` are what
    it may answer with besides JSON. ``stores`` is how many resources it writes about at most.
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

    def check(self, type_name: str | None, id: str | None, *, method: str) -> None:
        """Refuses a call where or how the operation is not offered."""
        if type_name is None:
            offered = self.system_level
        elif self.types and type_name not in self.types:
            offered = False
        else:
            offered = self.type_level if id is None else self.instance_level
        if not offered:
            raise unknown()
        if method != "POST" and not self.get:
            raise NotAllowed(["POST"])


def unknown() -> AppError:
    """There is no such operation here."""
    return AppError.of(Category.NOT_FOUND, "not-supported", "no such operation")

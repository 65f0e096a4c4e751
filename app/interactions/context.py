"""What an interaction works with: the engine that outlives requests, and one request's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.core.clock import Clock
from app.core.config import Settings
from app.core.errors import Category
from app.core.ids import IdSource
from app.fhir.registry import REGISTRY
from app.interactions.call import Shown
from app.interactions.services import Services
from app.repositories.unit_of_work import UnitOfWork, UnitsOfWork
from app.search.asker import Concern
from app.search.cursor import CursorCipher
from app.search.found import NOBODY, Whose
from app.search.visibility import Visible
from app.security import access
from app.security.principal import Principal
from app.services.audit import AuditTrail, Grounds, RequestFacts
from app.services.grounds import learnt
from app.services.records import Records


@dataclass(frozen=True, slots=True)
class Engine:
    """Built once in ``main.py`` and handed to every request.

    ``statuses`` are what a batch says of an entry that was refused.
    """

    settings: Settings
    clock: Clock
    ids: IdSource
    units: UnitsOfWork
    records: Records
    audit: AuditTrail
    cursors: CursorCipher
    services: Services
    statuses: Mapping[Category, int]


@dataclass(slots=True)
class Context:
    """One request inside its unit of work.

    ``touched`` and ``whose`` (those not named by ``touched``) are what the audit
    record will tell, ``grounds`` (by patient) what opened to the caller what was found of them.
    ``making`` are the Patients, Groups and courses (``Type/id``) that a transaction makes, before
    or after what is theirs.
    """

    engine: Engine
    principal: Principal
    facts: RequestFacts
    uow: UnitOfWork
    touched: list[Shown] = field(default_factory=list)
    whose: Whose = NOBODY
    making: frozenset[str] = frozenset()
    concern: Concern = field(default_factory=Concern)
    grounds: Mapping[str, Grounds] = field(default_factory=dict)

    @property
    def binding(self) -> str:
        """Whose page links are: the person and the program, whatever their token."""
        return f"{self.principal.tenant}|{self.principal.client_id}|{self.principal.subject}"

    def visible(self, action: str) -> Visible:
        """The caller's visible set for a SMART action: c r u d s."""
        return access.visible(self.principal, action, self.concern)

    async def learn(self) -> None:
        """Reads anew how Consents concern the caller."""
        self.concern = await learnt(self.uow, self.principal)

    def kind(self, type_name: str) -> int:
        """The type's number in the database."""
        return REGISTRY[type_name].code

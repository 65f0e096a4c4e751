"""What somebody sees, asked of the engine as a request would ask it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.core.clock import SECOND
from app.fhir import json
from app.fhir.json import Tree
from app.fhir.registry import REGISTRY, by_code
from app.repositories.unit_of_work import UnitOfWork
from app.search import parser
from app.search.visibility import Visible
from app.security import access
from app.security.principal import Principal
from app.security.scopes import ResourceScope, Scopes
from tests.support.application import ORIGIN, Clinic

BASE = f"{ORIGIN}/fhir"


@dataclass(frozen=True, slots=True)
class Eyes:
    """A caller of a clinic."""

    clinic: Clinic
    principal: Principal

    @property
    def now(self) -> Principal:
        """The caller as one who signed in just now, unless it is told when, and asks now."""
        now = self.clinic.application.services.clock.now()
        signed_in = self.principal.auth_time or now // SECOND
        return replace(self.principal, at=now, auth_time=signed_in)

    async def visible(self, uow: UnitOfWork, action: str) -> Visible:
        """The rows within sight."""
        caller = self.now
        concern = await uow.consents.concern(
            caller.known_as, tenant=caller.tenant, now=caller.at, rated=caller.may_be_rated
        )
        return access.visible(caller, action, concern)

    async def read(self, reference: str) -> Tree | None:
        """What a read gives; None where nothing is found."""
        type_name, id = reference.split("/")
        async with self.clinic.application.services.units.read(self.clinic.tenant.id) as uow:
            visible = await self.visible(uow, "r")
            stored = await uow.resources.read(REGISTRY[type_name].code, id, visible=visible)
        return json.parse_resource(stored.text) if stored and not stored.deleted else None

    async def finds_deleted(self, reference: str) -> bool:
        """Whether a read tells that it was deleted."""
        type_name, id = reference.split("/")
        async with self.clinic.application.services.units.read(self.clinic.tenant.id) as uow:
            visible = await self.visible(uow, "r")
            stored = await uow.resources.read(REGISTRY[type_name].code, id, visible=visible)
        return stored is not None and stored.deleted

    async def sees(self, reference: str) -> bool:
        """Whether it is there by read, and then also by search."""
        type_name, id = reference.split("/")
        seen = await self.read(reference) is not None
        found, total = await self.finds(type_name, ("_id", id))
        assert (found, total) == (({reference}, 1) if seen else (set(), 0)), reference
        return seen

    async def finds(self, type_name: str, *query: tuple[str, str]) -> tuple[set[str], int]:
        """The references that a search finds, includes too, and the total."""
        async with self.clinic.application.services.units.read(self.clinic.tenant.id) as uow:
            page = await uow.searches.page(
                parser.parse(
                    [*query, ("_total", "accurate")],
                    type_name=type_name,
                    base=BASE,
                    now=self.now.at,
                    count=1000,
                    max_count=1000,
                ),
                visible=await self.visible(uow, "s"),
            )
        found = {f"{by_code(each.kind).name}/{each.id}" for each in (*page.matches, *page.includes)}
        assert page.total is not None
        return found, page.total


def eyes(
    clinic: Clinic, role: str, actor: str, *, purpose: str | None = None, clearance: str = "R"
) -> Eyes:
    """Somebody who signed in; systems by themselves, the others through a client."""
    system = role in ("system", "outside_system")
    context = "system" if system else "patient" if role == "client" else "user"
    return Eyes(
        clinic,
        Principal(
            tenant=clinic.tenant.id,
            tenant_slug=clinic.tenant.slug,
            client_id="client",
            subject="client" if system else actor,
            actor=actor,
            role=role,
            scopes=Scopes((ResourceScope(context, "*", "cruds"),)),
            patient=actor.partition("/")[2] if role == "client" else None,
            purpose=purpose or ("PATRQT" if role == "client" else "TREAT"),
            token_id="token",
            issuer=ORIGIN,
            name=actor,
            clearance=clearance,
        ),
    )

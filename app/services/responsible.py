"""Who is responsible: the therapist of a course, the clinical lead of a clinic, their deputy.

The therapist is the care manager of the episode. Lead and deputy are named by a PractitionerRole,
active and within its period, whose ``code`` is ``clinical-lead`` or ``deputy-clinical-lead`` of
``/CodeSystem/practitioner-role``; one at the episode's managing organization comes before others.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from app.core.clock import Clock
from app.fhir import primitives, references
from app.fhir.json import Tree
from app.repositories.unit_of_work import UnitOfWork
from app.search.visibility import Visible
from app.services.courses import id_in
from app.services.instruments import BASE
from app.services.trees import current, matching

ROLES = f"{BASE}/CodeSystem/practitioner-role"
LEAD, DEPUTY = "clinical-lead", "deputy-clinical-lead"
_OPEN = ("active", "onhold", "waitlist", "planned", "finished")
_MOST = 200


@dataclass(frozen=True, slots=True)
class Treating:
    """Who treats in a course: references ``Practitioner/x``; ``rated`` are all who may be meant."""

    therapist: str | None
    rated: frozenset[str]
    organization: str | None


class Responsible:
    """Finds who is responsible."""

    def __init__(self, *, clock: Clock, base: str) -> None:
        self._clock = clock
        self._base = base

    async def treating(self, uow: UnitOfWork, response: Tree, *, tenant: int) -> Treating:
        """Who treats the person that answers are about, in the course they belong to."""
        visible = _all(tenant)
        about = references.local(response.get("subject"), self._base) or ""
        encounter = await self._session(uow, response, about, tenant=tenant)
        episodes = [
            episode
            for reference in encounter.get("episodeOfCare", ())
            if (
                episode := await current(
                    uow,
                    "EpisodeOfCare",
                    id_in(reference, "EpisodeOfCare", self._base),
                    visible=visible,
                )
            )
        ]
        patient = id_in(response.get("subject"), "Patient", self._base)
        mine = [
            each
            for each in episodes
            if id_in(each.get("patient"), "Patient", self._base) == patient
        ]
        if not mine and patient is not None:
            mine = await self._episodes(uow, patient, tenant=tenant)
        therapists = [self._practitioner(each.get("careManager")) for each in mine]
        present = [
            self._practitioner(each.get("individual")) for each in encounter.get("participant", ())
        ]
        found = [each for each in (*therapists, *present) if each is not None]
        teams = await self._teams(uow, patient, tenant=tenant)
        return Treating(
            therapist=found[0] if found else None,
            rated=frozenset((*found, *teams)),
            organization=next(
                (
                    id_in(each.get("managingOrganization"), "Organization", self._base)
                    for each in mine
                ),
                None,
            ),
        )

    async def _session(self, uow: UnitOfWork, response: Tree, about: str, *, tenant: int) -> Tree:
        """The session that answers name, unless it is somebody else's: that tells nobody anything.

        ``about`` is whom the answers are about, as ``Patient/x``.
        """
        named = id_in(response.get("encounter"), "Encounter", self._base)
        session = await current(uow, "Encounter", named, visible=_all(tenant))
        subject = references.local(session.get("subject"), self._base)
        if "subject" not in session or subject == about:
            return session
        members = await uow.consents.members(subject, tenant=tenant) if subject else []
        return session if about in {member for member, _, _ in members} else {}

    async def lead(
        self, uow: UnitOfWork, treating: Treating, *, tenant: int, rated: bool
    ) -> str | None:
        """The clinical lead; the deputy where there is none, or where the lead was ``rated``."""
        for code in (LEAD, DEPUTY):
            for holder in await self._holders(uow, code, treating.organization, tenant=tenant):
                if not rated or holder not in treating.rated:
                    return holder
        return None

    async def _holders(
        self, uow: UnitOfWork, code: str, organization: str | None, *, tenant: int
    ) -> list[str]:
        roles = await self._find(
            uow,
            "PractitionerRole",
            [("role", f"{ROLES}|{code}"), ("active", "true")],
            tenant=tenant,
        )
        now = self._clock.now()
        open_now = [each for each in roles if _is_open(each.get("period", {}), now)]
        open_now.sort(
            key=lambda each: (
                id_in(each.get("organization"), "Organization", self._base) != organization,
                each["id"],
            )
        )
        named = (self._practitioner(each.get("practitioner")) for each in open_now)
        return list(dict.fromkeys(each for each in named if each is not None))

    async def _teams(self, uow: UnitOfWork, patient: str | None, *, tenant: int) -> list[str]:
        """Who is or was in a team of the person."""
        if patient is None:
            return []
        teams = await self._find(
            uow, "CareTeam", [("subject", f"Patient/{patient}")], tenant=tenant
        )
        members = [each.get("member") for team in teams for each in team.get("participant", ())]
        return [each for each in map(self._practitioner, members) if each is not None]

    async def _episodes(self, uow: UnitOfWork, patient: str, *, tenant: int) -> list[Tree]:
        """The courses of a person, those under way first, the newest first."""
        found = await self._find(
            uow, "EpisodeOfCare", [("patient", f"Patient/{patient}")], tenant=tenant
        )
        known = [each for each in found if each.get("status") in _OPEN]
        known.sort(key=lambda each: each.get("period", {}).get("start", ""), reverse=True)
        known.sort(key=lambda each: _OPEN.index(each["status"]))
        return known

    def _practitioner(self, reference: object) -> str | None:
        id = id_in(reference, "Practitioner", self._base)
        return f"Practitioner/{id}" if id else None

    async def _find(
        self,
        uow: UnitOfWork,
        type_name: str,
        criteria: Collection[tuple[str, str]],
        *,
        tenant: int,
    ) -> list[Tree]:
        return await matching(
            uow, type_name, criteria, visible=_all(tenant), limit=_MOST, base=self._base
        )


def _all(tenant: int) -> Visible:
    return Visible.everything(tenant, reason="who is responsible must be told")


def _is_open(period: Tree, now: int) -> bool:
    start, end = period.get("start"), period.get("end")
    begun = start is None or primitives.date_range(start)[0] <= now
    return begun and (end is None or now < primitives.date_range(end)[1])

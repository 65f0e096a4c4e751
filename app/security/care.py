"""Who treats whom, and who oversees that: conditions on a Patient, as searches.

A therapist treats a patient as the care manager of an episode, or by an open participation in
the patient's CareTeam. A supervisor oversees the therapists with whom an open CareTeam of the
category ``supervision`` joins them. Nothing here is cached: what a row says now is what counts.
"""

from __future__ import annotations

from typing import Final

from app.core.clock import format_instant
from app.fhir.registry import REGISTRY
from app.search.expression import And, Chain, Expression, Has, Missing, Or
from app.search.parser import parse_criteria

SUPERVISION: Final = "https://rapport.example.org/CodeSystem/care-team-category|supervision"
_EPISODE: Final = REGISTRY["EpisodeOfCare"].code
_TEAM: Final = REGISTRY["CareTeam"].code
_PRACTITIONER: Final = REGISTRY["Practitioner"].code
# An episode that was called off or entered by mistake makes nobody a therapist.
_EPISODE_STATUSES: Final = "planned,waitlist,active,onhold,finished"


def treated_by(actor: str, *, base: str, now: int) -> Expression:
    """Patients whom ``actor`` (``Practitioner/x``) treats; ``now`` in microseconds."""
    manages = _of(
        "EpisodeOfCare", ("care-manager", actor), ("status", _EPISODE_STATUSES), base=base
    )
    belongs = And((_open_team(base, now), _of("CareTeam", ("participant", actor), base=base)))
    return Or((Has(_EPISODE, "patient", manages), Has(_TEAM, "patient", belongs)))


def supervised_by(actor: str, *, base: str, now: int) -> Expression:
    """Patients treated by somebody whom ``actor`` supervises now."""
    supervision = And(
        (
            _open_team(base, now),
            _of("CareTeam", ("category", SUPERVISION), ("participant", actor), base=base),
        )
    )
    supervisee = Has(_TEAM, "participant", supervision)
    manages = And(
        (
            Chain(_EPISODE, "care-manager", ((_PRACTITIONER, supervisee),)),
            _of("EpisodeOfCare", ("status", _EPISODE_STATUSES), base=base),
        )
    )
    belongs = And(
        (_open_team(base, now), Chain(_TEAM, "participant", ((_PRACTITIONER, supervisee),)))
    )
    return Or((Has(_EPISODE, "patient", manages), Has(_TEAM, "patient", belongs)))


def _open_team(base: str, now: int) -> Expression:
    moment = format_instant(now)
    running = _of("CareTeam", ("date", f"le{moment}"), ("date", f"ge{moment}"), base=base)
    return And(
        (
            _of("CareTeam", ("status", "active"), base=base),
            Or((running, Missing(_TEAM, "date", "date"))),
        )
    )


def _of(type_name: str, *pairs: tuple[str, str], base: str) -> Expression:
    return parse_criteria(type_name, pairs, base=base).where

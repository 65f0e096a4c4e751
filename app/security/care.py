"""Who treats whom, and who oversees that: conditions on a Patient, as searches.

A therapist treats a patient as the care manager of an episode, or by an open participation in
the patient's CareTeam. A supervisor oversees the therapists with whom an open CareTeam of the
category ``supervision`` joins them. Nothing here is cached: what a row says now is what counts.
"""

from __future__ import annotations

from typing import Final

from app.core.clock import format_instant
from app.fhir.registry import REGISTRY
from app.search.expression import And, Chain, Expression, Has, Missing, Not, Or
from app.search.parser import parse_criteria

SUPERVISION: Final = "https://rapport.example.org/CodeSystem/care-team-category|supervision"
_EPISODE: Final = REGISTRY["EpisodeOfCare"].code
_TEAM: Final = REGISTRY["CareTeam"].code
_PRACTITIONER: Final = REGISTRY["Practitioner"].code
# An episode that was called off or entered by mistake makes nobody a therapist.
_EPISODE_STATUSES: Final = "planned,waitlist,active,onhold,finished"


def treated_by(actor: str, *, base: str, now: int) -> Expression:
    """Patients whom ``actor`` (``Practitioner/x``) treats; ``now`` in microseconds."""
    manages = _of("EpisodeOfCare", ("care-manager", actor), base=base)
    return _patients(manages, _participates(actor, base=base, now=now), base=base, now=now)


def supervised_by(actor: str, *, base: str, now: int) -> Expression:
    """Patients treated by somebody whom ``actor`` supervises now."""
    supervision = _supervision(actor, base=base, now=now)
    supervisee = ((_PRACTITIONER, Has(_TEAM, "participant", supervision)),)
    manages = Chain(_EPISODE, "care-manager", supervisee)
    return _patients(manages, Chain(_TEAM, "participant", supervisee), base=base, now=now)


def supervises(actor: str, therapist: str, *, base: str, now: int) -> Expression:
    """The CareTeams by which ``actor`` supervises a therapist now."""
    belongs = _participates(therapist, base=base, now=now)
    return And((_supervision(actor, base=base, now=now), belongs))


def _supervision(actor: str, *, base: str, now: int) -> Expression:
    return And(
        (
            _of("CareTeam", ("category", SUPERVISION), base=base),
            _open_team(base, now),
            _participates(actor, base=base, now=now),
        )
    )


def _patients(manages: Expression, belongs: Expression, *, base: str, now: int) -> Expression:
    """Patients with an episode that ``manages`` or a team that ``belongs``, judged as of now."""
    stands = _of("EpisodeOfCare", ("status", _EPISODE_STATUSES), base=base)
    team = And((belongs, _open_team(base, now)))
    of_episode = Or((manages, Chain(_EPISODE, "team", ((_TEAM, team),))))
    return Or((Has(_EPISODE, "patient", And((of_episode, stands))), Has(_TEAM, "patient", team)))


def _participates(actor: str, *, base: str, now: int) -> Expression:
    """Teams in which ``actor`` takes part now: in a period that covers now, or without any."""
    moment = format_instant(now)
    running = _of("CareTeam", ("participation", f"{actor}$le{moment}$ge{moment}"), base=base)
    dated = _of("CareTeam", ("participation", f"{actor}$ge0001$ge0001"), base=base)
    member = _of("CareTeam", ("participant", actor), base=base)
    return Or((running, And((member, Not(dated)))))


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

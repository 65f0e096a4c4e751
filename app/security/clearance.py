"""How confidential a row a role may see.

Ranks are those of v3-Confidentiality (U L M N R V); sensitivity is a set of v3-ActCode codes
as bits, in the order of ``definitions/labels.json``. A psychotherapy note (PSYTHPN) is its
author's alone, whatever the role.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from app.fhir.security_labels import sensitivities

RANKS: Final = {"U": 0, "L": 1, "M": 2, "N": 3, "R": 4, "V": 5}
VERY_RESTRICTED: Final = "V"
VIOLENCE: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode|SDV"

# What a role may see of the rows its conditions reach; a client system has its own limit.
ROLE_CLEARANCE: Final = {
    "client": "R",
    "therapist": "R",
    "co_therapist": "R",
    "supervisor": "R",
    "clinical_lead": "V",
    "reception": "N",
    "researcher": "N",
    "auditor": "R",
    "admin": "N",
    "system": "V",
    "outside_system": "V",
}
# These see what was labelled for domestic violence, of the people in their care.
SEES_VIOLENCE: Final = frozenset({"therapist"})


def rank(role: str, client_clearance: str) -> int:
    """The highest rank that a role may see through a client of that clearance."""
    return min(RANKS[ROLE_CLEARANCE.get(role, "U")], RANKS.get(client_clearance, 0))


def all_but_notes() -> int:
    """Every sensitivity bit but that of psychotherapy notes."""
    return ~_bit("PSYTHPN")


def in_emergency() -> int:
    """Every sensitivity bit but those that no emergency opens."""
    return ~(_bit("PSYTHPN") | _bit("SDV"))


@cache
def _bit(code: str) -> int:
    return 1 << sensitivities().index(code)

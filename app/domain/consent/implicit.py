"""What holds where no Consent of a patient says anything: the clinic's implicit policy.

IHE PCF, Implicit Policy Option (https://profiles.ihe.net/ITI/PCF/volume-1.html). A policy only
narrows what roles and care relationships open; a Consent that permits overrides it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

TREATMENT: Final = frozenset(("TREAT", "ETREAT", "BTG"))
CLINICIANS: Final = frozenset(
    ("therapist", "co_therapist", "supervisor", "clinical_lead", "system")
)


class Implicit(StrEnum):
    """The policies that a clinic may choose from."""

    CLINIC = "clinic"  # the clinic's roles and clearances, for treatment
    BASIC_NORMAL = "basic-normal"  # clinicians, for treatment
    ALL_NORMAL = "all-normal"  # every use that a role allows
    BREAK_GLASS_ONLY = "break-glass-only"  # nobody, but who declared an emergency
    DENY = "deny"  # nobody


def leaves_open(policy: Implicit, *, role: str, purpose: str) -> bool:
    """Whether a policy leaves to a caller what their role opens, without any emergency."""
    match policy:
        case Implicit.CLINIC:
            return purpose in TREATMENT
        case Implicit.BASIC_NORMAL:
            return purpose in TREATMENT and role in CLINICIANS
        case Implicit.ALL_NORMAL:
            return True
    return False

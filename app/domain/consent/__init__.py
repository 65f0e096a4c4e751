"""Privacy consents: what a Consent says, read strictly, and what follows from it.

IHE Privacy Consent on FHIR (https://profiles.ihe.net/ITI/PCF/), on R4 Consent.
"""

from app.domain.consent.decision import Data, Decision, Outcome, Request, decide
from app.domain.consent.implicit import Implicit, leaves_open
from app.domain.consent.membership import Member, members
from app.domain.consent.policy import Label, Policy, Rule, Uncomputable, read

__all__ = [
    "Data",
    "Decision",
    "Implicit",
    "Label",
    "Member",
    "Outcome",
    "Policy",
    "Request",
    "Rule",
    "Uncomputable",
    "decide",
    "leaves_open",
    "members",
    "read",
]

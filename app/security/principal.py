"""The caller of one request, as its token and the current rows describe it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from app.repositories.accounts_clients import Client
from app.security.scopes import Scopes

# Purposes of use (HL7 v3 ActReason).
TREATMENT: Final = "TREAT"
PATIENT_REQUEST: Final = "PATRQT"

_NOBODY = "-"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, through which client, for what purpose, and with which rights.

    ``actor`` (``Practitioner/x``, ``Patient/x``, ``Organization/x``) is what clinical resources
    and Consents call the caller. ``patient`` is the id of the patient in context, which a
    ``patient/`` scope is about. ``clearance`` is the highest confidentiality code (N, R, V) the
    client may see. ``auth_time`` (seconds) and ``amr`` tell when and how the person signed in;
    ``at`` (microseconds) is when the request was let in: what is open is judged by it.
    """

    tenant: int
    tenant_slug: str
    client_id: str
    subject: str
    actor: str | None
    role: str
    scopes: Scopes
    patient: str | None
    purpose: str
    token_id: str
    issuer: str
    name: str
    clearance: str = "R"
    auth_time: int | None = None
    amr: tuple[str, ...] = ()
    at: int = 0

    @classmethod
    def of_client(
        cls, client: Client, scopes: Scopes, *, slug: str, issuer: str, at: int, token_id: str = ""
    ) -> Self:
        """A system that acts by itself, as it is registered now; ``slug`` is its tenant's."""
        return cls(
            tenant=client.tenant,
            tenant_slug=slug,
            client_id=client.client_id,
            subject=client.client_id,
            actor=client.actor,
            role=client.role,
            scopes=scopes,
            patient=None,
            purpose=client.purpose,
            token_id=token_id,
            issuer=issuer,
            name=client.name,
            clearance=client.clearance,
            at=at,
        )

    @property
    def known_as(self) -> str:
        """What Consents call the caller: a system without an actor is nobody they can name."""
        return self.actor or _NOBODY

    @property
    def base(self) -> str:
        """The own FHIR base URL: what is below it is this server's."""
        return f"{self.issuer}/fhir"

    @property
    def may_be_rated(self) -> bool:
        """Whether the caller hears of private answers, and may be the one whom they are about."""
        return self.role == "clinical_lead" and self.is_person

    @property
    def is_person(self) -> bool:
        """Whether a person signed in, rather than a system by itself."""
        return self.subject != self.client_id

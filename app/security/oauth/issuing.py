"""Access tokens: JWTs of RFC 9068 with a row behind each, so that they can be taken back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.core.clock import SECOND, Clock
from app.core.ids import IdSource
from app.repositories.accounts import Accounts
from app.repositories.accounts_clients import Client
from app.repositories.accounts_tokens import IssuedToken
from app.security import jose
from app.security.authentication import ACCESS_TOKEN
from app.security.keyring import KeyRing
from app.security.scopes import Scopes


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token and its life in seconds."""

    text: str
    token_id: str
    expires_in: int


class TokenIssuer:
    """Makes access tokens for one issuer and one audience, the FHIR base."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        ring: KeyRing,
        clock: Clock,
        ids: IdSource,
        lifetime: int,
    ) -> None:
        self.issuer = issuer
        self.audience = audience
        self.ring = ring
        self._clock = clock
        self._ids = ids
        self._lifetime = lifetime

    async def issue(
        self,
        accounts: Accounts,
        client: Client,
        *,
        signer: jose.KeyPair,
        scopes: Scopes,
        subject: str,
        grant_id: str | None = None,
        fhir_user: str | None = None,
        patient: str | None = None,
    ) -> AccessToken:
        """A signed token, recorded in the caller's unit of work."""
        now = self._clock.now() // SECOND
        token_id = jose.encode(self._ids.random(16))
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": subject,
            "aud": self.audience,
            "client_id": client.client_id,
            "tenant": client.tenant,
            "scope": str(scopes),
            "iat": now,
            "exp": now + self._lifetime,
            "jti": token_id,
        }
        if fhir_user is not None:
            claims["fhirUser"] = f"{self.audience}/{fhir_user}"
        if patient is not None:
            claims["patient"] = patient
        text = jose.sign(claims, signer, typ=ACCESS_TOKEN)
        await accounts.tokens.add(
            IssuedToken(
                tenant=client.tenant,
                token_id=token_id,
                client_id=client.client_id,
                grant_id=grant_id,
                kid=signer.kid,
                client_generation=client.generation,
                expires=(now + self._lifetime) * SECOND,
            )
        )
        return AccessToken(text, token_id, self._lifetime)

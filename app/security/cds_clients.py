"""Who calls a CDS Service: a record system that signs each call with its own key.

https://cds-hooks.hl7.org/2.0/#trusting-cds-clients. The token is a client assertion (RFC 7523)
whose audience is the address that is called: the same keys, the same algorithms, good for five
minutes and once, in whatever process it comes first. Every bad token gets the same answer.
"""

from __future__ import annotations

import re
from typing import Final

from app.core.clock import Clock
from app.db.engine import UniqueViolation
from app.security import jose
from app.security.authentication import missing, rejected
from app.security.oauth.clients import ClientAuthenticator
from app.security.oauth.errors import OAuthError
from app.security.oauth.token import system_scopes
from app.security.ports import Units
from app.security.principal import Principal

_BEARER = re.compile(r"bearer ([A-Za-z0-9._-]+)", re.IGNORECASE)
_JTI = re.compile(r"[!-~]{1,128}")
_BY_ITSELF: Final = "client_credentials"


class CdsClients:
    """Says which client signed a call."""

    def __init__(
        self, units: Units, *, clients: ClientAuthenticator, clock: Clock, issuer: str
    ) -> None:
        self._units = units
        self._clients = clients
        self._clock = clock
        self._issuer = issuer

    async def authenticate(self, authorization: str | None, *, audience: str) -> Principal:
        """The client as a caller, its token used up; or ``Unauthenticated``."""
        if authorization is None:
            raise missing()
        bearer = _BEARER.fullmatch(authorization)
        if bearer is None:
            raise rejected("header")
        try:
            return await self._principal(bearer[1], audience)
        except (jose.TokenRefused, OAuthError) as refusal:
            raise rejected(refusal.reason) from None
        except UniqueViolation:
            raise rejected("replay") from None

    async def _principal(self, text: str, audience: str) -> Principal:
        proven = await self._clients.by_bearer(text, audience=audience)
        client = proven.client
        if _BY_ITSELF not in client.grants:
            raise jose.TokenRefused("grant type")
        if not _JTI.fullmatch(proven.jti):
            raise jose.TokenRefused("claim jti")
        scopes = system_scopes(None, client)
        async with self._units.write() as unit:
            await proven.spend(unit.accounts)
            clinic = await unit.accounts.clients.tenant(client.tenant)
        return Principal.of_client(
            client,
            scopes,
            slug=clinic.slug if clinic else "",
            issuer=self._issuer,
            at=self._clock.now(),
            token_id=proven.jti,
        )

"""Who signed in, for the client that they let know (OpenID Connect Core section 5.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.security.authentication import Authenticator
from app.security.oauth.code import person_claims
from app.security.ports import Unauthenticated, Units


class UserInfo:
    """Answers userinfo requests."""

    def __init__(self, units: Units, *, authenticator: Authenticator, audience: str) -> None:
        self._units = units
        self._authenticator = authenticator
        self._audience = audience

    async def answer(self, authorization: str | None) -> Mapping[str, Any]:
        """The person's claims, or ``Unauthenticated``."""
        async with self._units.read() as unit:
            caller = await self._authenticator.authenticate(authorization, unit.accounts.tokens)
            account = await unit.accounts.people.find(caller.tenant, caller.subject)
        if account is None or "openid" not in caller.scopes:
            raise Unauthenticated(
                "the token is not for this",
                challenge='Bearer realm="rapport", error="insufficient_scope", scope="openid"',
                reason="scope",
            )
        return {
            "sub": caller.subject,
            **person_claims(account, caller.scopes, base=self._audience),
        }

"""What a person's approval makes: a grant, and a code that stands for it for a minute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.core.clock import SECOND, Clock
from app.core.ids import IdSource
from app.repositories.accounts_grants import Code, Grant, Launch
from app.security import jose
from app.security.oauth.authorization import AuthorizationRequest, Redirectable
from app.security.oauth.token import Caller
from app.security.ports import AuditSink, EventName, SecurityEvent, Unit, Units
from app.security.scopes import Scopes
from app.security.sessions import SignedIn, hash_of

CODE_LIFE: Final = 60 * SECOND
OFFLINE_LIFE: Final = 90 * 86_400 * SECOND
PLAIN_LIFE: Final = 3600 * SECOND
LAUNCH_LIFE: Final = 300 * SECOND


@dataclass(frozen=True, slots=True)
class Context:
    """What a client is told of where it was opened."""

    patient: str | None = None
    encounter: str | None = None
    intent: str | None = None


class Granting:
    """Turns approvals into codes and refusals into answers."""

    def __init__(
        self, units: Units, *, audit: AuditSink, clock: Clock, ids: IdSource, issuer: str
    ) -> None:
        self._units = units
        self._audit = audit
        self._clock = clock
        self._ids = ids
        self._issuer = issuer

    async def launch(self, request: AuthorizationRequest) -> Launch | None:
        """The launch context that a request names; ``Redirectable`` where it is not good."""
        if request.launch is None or "launch" not in request.asked:
            return None
        async with self._units.read() as unit:
            found = await unit.accounts.grants.launch(
                hash_of(request.launch), now=self._clock.now()
            )
        client = request.client
        if found is None or (found.tenant, found.client_id) != (client.tenant, client.client_id):
            raise Redirectable(request.destination, "invalid_request", "launch is not known")
        return found

    async def create_launch(
        self, *, tenant: int, client_id: str, context: Context, by: str, caller: Caller
    ) -> str:
        """A launch handle for a client, good once within five minutes."""
        handle, now = jose.encode(self._ids.random(24)), self._clock.now()
        async with self._units.write() as unit:
            await unit.accounts.grants.add_launch(
                Launch(
                    launch_hash=hash_of(handle),
                    tenant=tenant,
                    client_id=client_id,
                    patient=context.patient,
                    encounter=context.encounter,
                    intent=context.intent,
                    created=now,
                    expires=now + LAUNCH_LIFE,
                )
            )
            await self._record(EventName.LAUNCH_CREATED, unit, caller, tenant=tenant, client_id=by)
        return handle

    async def approve(
        self,
        request: AuthorizationRequest,
        signed_in: SignedIn,
        *,
        context: Context,
        caller: Caller,
    ) -> str:
        """The address that takes the person back to the client with a code."""
        account, session, client = signed_in.account, signed_in.session, request.client
        granted = request.granted_to(account.role, patient=context.patient)
        if not granted:
            raise Redirectable(
                request.destination, "invalid_scope", "none of the scopes can be granted"
            )
        now, code, grant_id = (
            self._clock.now(),
            jose.encode(self._ids.random(32)),
            self._ids.new_id(),
        )
        async with self._units.write() as unit:
            grants = unit.accounts.grants
            named_launch = request.launch if "launch" in request.asked else None
            if named_launch is not None and not await grants.use_launch(
                hash_of(named_launch), at=now
            ):
                raise Redirectable(request.destination, "invalid_request", "launch is not known")
            session_hash, expires = _life(granted, signed_in, now)
            await grants.add(
                Grant(
                    tenant=client.tenant,
                    grant_id=grant_id,
                    client_id=client.client_id,
                    account_id=account.account_id,
                    scope=str(granted),
                    patient=context.patient,
                    encounter=context.encounter,
                    intent=context.intent,
                    session_hash=session_hash,
                    client_generation=client.generation,
                    account_generation=account.generation,
                    auth_time=session.auth_time,
                    amr=session.amr,
                    nonce=request.nonce,
                    created=now,
                    expires=expires,
                )
            )
            await grants.add_code(
                Code(
                    code_hash=hash_of(code),
                    tenant=client.tenant,
                    grant_id=grant_id,
                    client_id=client.client_id,
                    redirect_uri=request.destination.redirect_uri,
                    challenge=request.challenge,
                    expires=now + CODE_LIFE,
                )
            )
            await self._record(
                EventName.AUTHORIZATION_GRANTED,
                unit,
                caller,
                tenant=client.tenant,
                client_id=client.client_id,
                subject=account.account_id,
            )
        return request.destination.address(self._issuer, {"code": code})

    async def deny(
        self, request: AuthorizationRequest, signed_in: SignedIn, *, caller: Caller
    ) -> str:
        """The address that takes the person back to the client without anything."""
        client = request.client
        async with self._units.write() as unit:
            await self._record(
                EventName.AUTHORIZATION_DENIED,
                unit,
                caller,
                tenant=client.tenant,
                client_id=client.client_id,
                subject=signed_in.account.account_id,
            )
        return request.destination.address(
            self._issuer, {"error": "access_denied", "error_description": "the person declined"}
        )

    async def _record(
        self,
        name: EventName,
        unit: Unit,
        caller: Caller,
        *,
        tenant: int,
        client_id: str,
        subject: str | None = None,
    ) -> None:
        await self._audit.record(
            SecurityEvent(
                name,
                at=self._clock.now(),
                outcome="refused" if name is EventName.AUTHORIZATION_DENIED else "success",
                tenant=tenant,
                client_id=client_id,
                subject=subject,
                address=caller.address,
                request_id=caller.request_id,
            ),
            unit=unit,
        )


def _life(granted: Scopes, signed_in: SignedIn, now: int) -> tuple[bytes | None, int]:
    """The session that a grant ends with, if with one, and when it ends anyway."""
    if "offline_access" in granted:
        return None, now + OFFLINE_LIFE
    if "online_access" in granted:
        return signed_in.session.session_hash, signed_in.session.expires
    return None, now + PLAIN_LIFE

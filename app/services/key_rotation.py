"""Turning over the root key and tenants' keys while serving goes on.

What a former key wrapped can be opened as long as that key is there, so processes that have not
heard yet go on; only then is it forgotten.
"""

from __future__ import annotations

from app.core.errors import AppError, Category
from app.db.engine import EveryTenant
from app.repositories.audit_tree import AuditTree
from app.repositories.codec import KeyEncryption
from app.repositories.unit_of_work import UnitsOfWork
from app.security.key_service import KeyService
from app.security.root_key import RootKey, Sealed
from app.services.audit import AuditTrail
from app.services.audit_keys import LogKeys

_CLINICS = EveryTenant("every clinic's key is under the root key")
_HOME = 0  # the tenant of what concerns the whole installation


class KeyRotation:
    """Carries rotations out; each is in the audit log."""

    def __init__(
        self,
        units: UnitsOfWork,
        trail: AuditTrail,
        *,
        root: RootKey,
        encryption: KeyEncryption,
        log_keys: LogKeys,
    ) -> None:
        self._units = units
        self._trail = trail
        self._root = root
        self._encryption = encryption
        self._log_keys = log_keys

    async def turn_root(self) -> tuple[int, int]:
        """A new root key: how many tenants' keys and how many other secrets are under it now."""
        self._root.turn_over()
        if isinstance(self._encryption, KeyService):
            await self._encryption.turn_over()
        async with self._units.write(_CLINICS, resources=0) as uow:
            wrapped = await uow.keys.rewrap()
            sealed = await uow.sealed_secrets.reseal(self._reseal)
            await self._log_keys.rotate(AuditTree(uow.connection))
            uow.audited.append(
                self._trail.internal("key-rotated", tenant=_HOME, name=f"root {self._root.name}")
            )
        return wrapped, sealed

    async def finish(self) -> None:
        """Forgets the root keys before; ``conflict`` while something is still under them."""
        async with self._units.read(_CLINICS) as uow:
            left = {root for root in await uow.keys.roots() if root.startswith("file:")}
        if left - {self._root.name}:
            raise AppError.of(
                Category.CONFLICT, "conflict", "tenants' keys are still under a former root key"
            )
        record = self._trail.internal("key-destroyed", tenant=_HOME, name="former root keys")
        await self._units.audit.write([record])
        self._root.forget_former()

    async def turn_tenant(self, tenant: int) -> int:
        """A new key for a tenant: how many owners' keys are under it now."""
        async with self._units.write(tenant, resources=0) as uow:
            wrapped = await uow.keys.rotate(tenant)
            uow.audited.append(
                self._trail.internal("key-rotated", tenant=tenant, name="tenant key")
            )
        return wrapped

    def _reseal(self, octets: bytes, nonce: bytes, purpose: str, about: str) -> tuple[bytes, bytes]:
        plain = self._root.open(Sealed(octets, nonce), purpose=purpose, about=about)
        sealed = self._root.seal(plain, purpose=purpose, about=about)
        return sealed.octets, sealed.nonce

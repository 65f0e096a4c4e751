"""The demo clinic: two tenants with people, courses of therapy and sessions.

Everything is written through the interactions that clients use. Keys and passwords are new
for each installation and are written once to ``<data dir>/demo/credentials.json``.
"""

from __future__ import annotations

from app.main import Core

LOADED = "demo-clinic"


async def is_loaded(core: Core) -> bool:
    """Whether the clinic is there; asked at every start, so this imports nothing more."""
    async with core.units.accounts.read() as uow:
        return await uow.installation.fact(LOADED) is not None

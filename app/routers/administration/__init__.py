"""The administrator's API: clients, people, the clinic. JSON in and out, errors as on ``/oauth``.

It takes a token of a person whose role is admin, granted ``rapport/admin``, signed in within
the last five minutes (RFC 9470). An auditor reads the role table as well, and nothing else.
"""

from __future__ import annotations

from fastapi import APIRouter

from app.routers.administration import clients, people, tenant

router = APIRouter(prefix="/admin")
router.include_router(clients.router)
router.include_router(people.router)
router.include_router(tenant.router)

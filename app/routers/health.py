"""Is it alive, is it ready. Neither says anything of what is stored."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from app.db.engine import DatabaseBusy
from app.interactions.relay import QUEUE
from app.routers.dependencies import services_of

router = APIRouter(prefix="/health", include_in_schema=False)


@router.get("/live")
async def live() -> JSONResponse:
    """The process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/ready")
async def ready(request: Request) -> JSONResponse:
    """The database answers too."""
    try:
        services = services_of(request)
        async with services.units.read(QUEUE) as unit:
            await unit.outbox.backlog(services.clock.now())
    except DatabaseBusy:
        return JSONResponse({"status": "unavailable"}, status_code=503)
    return JSONResponse({"status": "ok"})

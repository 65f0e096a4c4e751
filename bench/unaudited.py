"""Rapport without audit records of reads and writes, to tell what they cost. Nothing else may be.

There is no setting for this: it is a composition root of the benchmark's own.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from app import main
from app.core import logs
from app.core.config import Settings
from app.fhir.audit.record import AuditRecord
from app.services.audit import AuditTrail


class SilentTrail(AuditTrail):
    """Has nothing to say of what callers do."""

    def _of_caller(self, *_: Any, **__: Any) -> list[AuditRecord]:
        return []


def application() -> FastAPI:
    """The application as ``rapport serve --no-relay`` has it, but for its trail."""
    logs.configure()
    setattr(main, "AuditTrail", SilentTrail)  # noqa: B010 - not part of what main exports
    return main.create_app(Settings(), relay=False)

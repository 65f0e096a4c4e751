"""What makes an application's search index anew."""

from __future__ import annotations

from app.services.reindexing import Reindexing
from app.services.relabelling import Relabelling
from tests.support.application import Application


def indexing(application: Application) -> Reindexing:
    """As `rapport migrate` and `rapport reindex` do it."""
    services, base = application.services, application.settings.fhir_base
    relabelling = Relabelling(derived=services.engine.services.derived, base=base)
    return Reindexing(services.units, relabelling=relabelling, base=base)

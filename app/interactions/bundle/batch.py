"""batch: each entry as if it came alone. https://hl7.org/fhir/R4/http.html#brules"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

from app.core.clock import format_instant
from app.core.errors import AppError
from app.db.engine import DatabaseBusy
from app.fhir import bundles
from app.interactions.bundle.entries import Entry, Refused, answered, refused
from app.interactions.call import Call, Outcome
from app.interactions.context import Engine
from app.interactions.refusals import unavailable
from app.security.principal import Principal

Run = Callable[[Engine, Principal, Call], Awaitable[Outcome]]


async def batch(
    engine: Engine,
    principal: Principal,
    entries: Sequence[Entry | Refused],
    run: Run,
    *,
    minimal: bool,
) -> bytes:
    """Runs the entries one by one; the response Bundle in the order of the request."""
    return bundles.bundle(
        "batch-response",
        [await _answer(engine, principal, entry, run, minimal=minimal) for entry in entries],
        id=engine.ids.new_id(),
        timestamp=format_instant(engine.clock.now()),
    )


async def _answer(
    engine: Engine, principal: Principal, entry: Entry | Refused, run: Run, *, minimal: bool
) -> bundles.Entry:
    try:
        if isinstance(entry, Refused):
            raise entry.error
        outcome = await run(engine, principal, entry.call)
        return answered(entry.call, outcome, base=engine.settings.fhir_base, minimal=minimal)
    except AppError as error:
        return _refusal(engine, error)
    except DatabaseBusy:  # the entries before this one have been done, and must be answered
        return _refusal(engine, unavailable())


def _refusal(engine: Engine, error: AppError) -> bundles.Entry:
    status = HTTPStatus(engine.statuses[error.category])
    return refused(error, f"{status.value} {status.phrase}")

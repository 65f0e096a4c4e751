"""batch: each entry as if it came alone. https://hl7.org/fhir/R4/http.html#brules"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

from app.core.clock import format_instant
from app.core.errors import AppError
from app.fhir import bundles
from app.interactions.bundle.entries import Entry, answered, refused
from app.interactions.call import Call, Outcome
from app.interactions.context import Engine
from app.security.principal import Principal

Run = Callable[[Engine, Principal, Call], Awaitable[Outcome]]


async def batch(
    engine: Engine,
    principal: Principal,
    parsed: Sequence[Entry | tuple[int, AppError]],
    run: Run,
    *,
    minimal: bool,
) -> bytes:
    """Runs the entries one by one; the response Bundle in the order of the request."""
    answers = []
    for item in parsed:
        try:
            if not isinstance(item, Entry):
                raise item[1]
            outcome = await run(engine, principal, item.call)
        except AppError as error:
            status = HTTPStatus(engine.statuses[error.category])
            answers.append(refused(error, f"{status.value} {status.phrase}"))
        else:
            answers.append(answered(outcome, base=engine.settings.fhir_base, minimal=minimal))
    return bundles.bundle(
        "batch-response",
        answers,
        id=engine.ids.new_id(),
        timestamp=format_instant(engine.clock.now()),
    )

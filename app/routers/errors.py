"""Errors as answers: the only place that knows status codes.

On ``/fhir`` every error is an OperationOutcome, on ``/oauth`` the JSON of RFC 6749. What is
unexpected is logged by its type and place and answered with nothing of what happened.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping

import structlog
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.core.errors import AppError, Category
from app.db.engine import DatabaseBusy
from app.fhir import json
from app.fhir.outcome import operation_outcome
from app.interactions.address import NotAllowed
from app.interactions.refusals import unavailable
from app.routers import oauth
from app.routers.negotiation import NotTaken
from app.security.ports import Unauthenticated

log = structlog.get_logger("rapport.http")

FHIR_JSON = "application/fhir+json"

STATUS: Mapping[Category, int] = {
    Category.INVALID: 400,
    Category.UNAUTHENTICATED: 401,
    Category.FORBIDDEN: 403,
    Category.NOT_FOUND: 404,
    Category.NOT_ALLOWED: 405,
    Category.NOT_ACCEPTABLE: 406,
    Category.CONFLICT: 409,
    Category.GONE: 410,
    Category.PRECONDITION: 412,
    Category.TOO_LARGE: 413,
    Category.TOO_SLOW: 408,
    Category.URI_TOO_LONG: 414,
    Category.UNSUPPORTED_MEDIA: 415,
    Category.UNPROCESSABLE: 422,
    Category.TOO_COSTLY: 400,
    Category.THROTTLED: 429,
    Category.UNAVAILABLE: 503,
    Category.FAULT: 500,
}
_RETRY_SECONDS = 2


def respond(error: AppError) -> Response:
    """The refusal as an OperationOutcome."""
    headers: dict[str, str] = {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = error.challenge
    if error.category == Category.FORBIDDEN:  # RFC 6750 section 3
        headers["WWW-Authenticate"] = 'Bearer realm="rapport", error="insufficient_scope"'
    if isinstance(error, NotAllowed):
        headers["Allow"] = ", ".join(error.methods)
    if isinstance(error, NotTaken):
        headers[error.header] = error.taken
    if error.category in (Category.UNAVAILABLE, Category.THROTTLED):
        headers["Retry-After"] = str(error.retry_after or _RETRY_SECONDS)
    if error.category == Category.TOO_LARGE:
        headers["Connection"] = "close"  # the rest of the body is not waited for
    return Response(
        json.dumps(operation_outcome(error.issues)),
        status_code=STATUS[error.category],
        headers=headers,
        media_type=FHIR_JSON,
    )


def answer_to(error: Exception) -> Response:
    """What is said of an error, whichever it is."""
    if isinstance(error, AppError):
        return respond(error)
    if isinstance(error, DatabaseBusy):
        log.warning("database busy", cause=type(error.__cause__).__name__)
        return respond(unavailable())
    return _fault(error)


async def _on_error(_request: Request, error: Exception) -> Response:
    return answer_to(error)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        category, text = Category.NOT_ALLOWED, "this address does not take that method"
    else:
        category, text = Category.NOT_FOUND, "no such address"
    refusal = AppError.of(category, "not-supported", text)
    is_oauth = request.url.path.startswith("/oauth/")
    response = oauth.refused(refusal, request) if is_oauth else respond(refusal)
    response.headers.update(error.headers or {})
    return response


def _fault(error: Exception) -> Response:
    # The log gets the type and the place of what should not happen, never the value.
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "?"
    log.error("fault", error=type(error).__name__, place=place)
    return respond(AppError.of(Category.FAULT, "exception", "an unexpected error occurred"))


def install(app: FastAPI) -> None:
    """Registers the answers."""
    app.add_exception_handler(AppError, _on_error)
    app.add_exception_handler(DatabaseBusy, _on_error)
    app.add_exception_handler(HTTPException, _on_http_error)

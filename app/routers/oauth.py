"""The OAuth endpoints that programs call. Errors are RFC 6749 JSON; nothing is cached."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse, Response

from app.core.errors import AppError, Category
from app.db.engine import DatabaseBusy
from app.routers.dependencies import services_of
from app.routers.fields import fields_of
from app.routers.forms import form_of
from app.routers.peers import address_of
from app.security.oauth.errors import OAuthError
from app.security.oauth.server import AuthorizationServer
from app.security.oauth.token import Caller, TokenRequest
from app.security.ports import Unauthenticated

_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_STATUS = {
    Category.UNAUTHENTICATED: 401,
    Category.FORBIDDEN: 403,
    Category.NOT_FOUND: 404,
    Category.NOT_ALLOWED: 405,
    Category.CONFLICT: 409,
    Category.UNPROCESSABLE: 422,
    Category.THROTTLED: 429,
    Category.TOO_LARGE: 413,
    Category.UNAVAILABLE: 503,
}


class OAuthRoute(APIRoute):
    """A route whose every refusal is the JSON of RFC 6749 section 5.2."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """The handler, with refusals turned into answers."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await _recorded(handle, request)
            except AppError as refusal:
                return refused(refusal, request)
            except DatabaseBusy:
                return _error(503, "temporarily_unavailable", "try again", {"Retry-After": "2"})

        return answer


async def _recorded(handle: Callable[[Request], Awaitable[Response]], request: Request) -> Response:
    """The answer; a caller whose token is none is counted before being told so."""
    try:
        return await handle(request)
    except Unauthenticated as refusal:
        if not refusal.is_recorded:
            await services_of(request).record_stranger(request, refusal.reason)
        raise


router = APIRouter(prefix="/oauth", route_class=OAuthRoute, include_in_schema=False)


def server_of(request: Request) -> AuthorizationServer:
    """The application's authorization server."""
    return cast("AuthorizationServer", request.app.state.authorization_server)


def caller_of(request: Request) -> Caller:
    """Where the request came from, for the audit log."""
    trusted = server_of(request).trusted_proxies
    return Caller(
        address=address_of(request, trusted),
        request_id=request.scope.get("state", {}).get("request_id"),
    )


Server = Annotated[AuthorizationServer, Depends(server_of)]


async def _token_request(request: Request) -> TokenRequest:
    return TokenRequest(
        form=await form_of(request),
        authorization=request.headers.get("authorization"),
        caller=caller_of(request),
    )


Form = Annotated[TokenRequest, Depends(_token_request)]


@router.post("/token")
async def token(form: Form, server: Server) -> Response:
    """RFC 6749 section 3.2."""
    return answer(await server.tokens.answer(form))


@router.post("/introspect")
async def introspect(form: Form, server: Server) -> Response:
    """RFC 7662."""
    return answer(await server.status.introspect(form))


@router.post("/revoke")
async def revoke(form: Form, server: Server) -> Response:
    """RFC 7009."""
    await server.status.revoke(form)
    return Response(status_code=200, headers=_NO_STORE)


@router.get("/userinfo")
@router.post("/userinfo")
async def userinfo(request: Request, server: Server) -> Response:
    """OpenID Connect Core section 5.3."""
    return answer(await server.userinfo.answer(fields_of(request.scope).get("authorization")))


@router.get("/jwks")
async def jwks(server: Server) -> Response:
    """RFC 7517; verifiers may keep it for as long as a new key waits before it signs."""
    return JSONResponse(
        await server.ring.jwks(),
        headers={
            "Cache-Control": "public, max-age=300",
            "Access-Control-Allow-Origin": "*",
            "Cross-Origin-Resource-Policy": "cross-origin",
        },
        media_type="application/jwk-set+json",
    )


def answer(content: Mapping[str, Any]) -> Response:
    """A JSON answer that nobody keeps."""
    return JSONResponse(dict(content), headers=_NO_STORE)


def refused(refusal: AppError, request: Request) -> Response:
    """The answer of RFC 6749 section 5.2."""
    status = _STATUS.get(refusal.category, 400)
    headers = {}
    if refusal.retry_after is not None or status == 503:
        headers["Retry-After"] = str(refusal.retry_after or 2)
    challenge = getattr(refusal, "challenge", None)
    if challenge is not None:
        headers["WWW-Authenticate"] = challenge
    elif status == 401 and "authorization" in request.headers:
        headers["WWW-Authenticate"] = 'Basic realm="rapport"'
    if isinstance(refusal, OAuthError):
        return _error(status, refusal.error, refusal.description, headers)
    code = _code(challenge)
    if status == 503:
        code = "temporarily_unavailable"
    if status == 403:
        code = "insufficient_scope"
    description = "; ".join(issue.diagnostics for issue in refusal.issues) or "refused"
    return _error(status, code, description, headers)


def _code(challenge: str | None) -> str:
    """The RFC 6750 or RFC 9470 code that a challenge names."""
    if challenge is None:
        return "invalid_request"
    named = re.search(r'error="(\w+)"', challenge)
    return named[1] if named else "invalid_token"


def _error(status: int, error: str, description: str, headers: Mapping[str, str]) -> Response:
    return JSONResponse(
        {"error": error, "error_description": description},
        status_code=status,
        headers={**_NO_STORE, **headers},
    )

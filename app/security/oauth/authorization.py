"""The authorization request: what a client asks a person for, checked in an order that matters.

RFC 6749 section 4.1, RFC 7636, RFC 9207, RFC 9700, OpenID Connect Core, SMART App Launch 2.2.
Nothing is ever sent to an address that is not registered, so client and address come first and
their flaws are told to the person; everything after is told to the client.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from app.fhir.registry import REGISTRY
from app.repositories.accounts_clients import Client, Tenant
from app.security import scopes
from app.security.oauth.errors import OAuthError
from app.security.oauth.token import narrowed, parsed
from app.security.scopes import Scopes

PARAMETERS: Final = (
    "response_type", "client_id", "redirect_uri", "scope", "state", "aud", "launch",
    "code_challenge", "code_challenge_method", "nonce", "prompt", "max_age", "response_mode",
    "login_hint", "ui_locales",
)  # fmt: skip
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_SECONDS = re.compile(r"[0-9]{1,9}")
_PROMPTS: Final = frozenset({"none", "login", "consent", "select_account"})
_MOST_TEXT: Final = 2048


class NotRedirectable(OAuthError):
    """A flaw that must not be told to the address in the request."""

    def __init__(self, reason: str) -> None:
        super().__init__("invalid_request", "the request cannot be trusted", reason=reason)


class Redirectable(OAuthError):
    """A flaw that is told to the client, at its registered address."""

    def __init__(self, request: Destination, error: str, description: str) -> None:
        self.destination = request
        super().__init__(error, description)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an answer goes: a registered address, with the client's state."""

    client: Client
    redirect_uri: str
    state: str | None

    def address(self, issuer: str, answer: Mapping[str, str]) -> str:
        """The address with an answer, the state and the issuer (RFC 9207)."""
        extra = {**answer, "iss": issuer}
        if self.state is not None:
            extra["state"] = self.state
        parts = urlsplit(self.redirect_uri)
        pairs = [*parse_qsl(parts.query, keep_blank_values=True), *extra.items()]
        if not parts.netloc and parts.scheme not in ("http", "https"):
            # An app's own scheme: urlunsplit would drop the empty authority it may have.
            return f"{self.redirect_uri.partition('?')[0]}?{urlencode(pairs)}"
        return urlunsplit(parts._replace(query=urlencode(pairs)))


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request that may be put before a person. ``asked`` is within what is registered."""

    destination: Destination
    asked: Scopes
    challenge: str
    launch: str | None
    nonce: str | None
    prompts: frozenset[str]
    max_age: int | None

    @property
    def client(self) -> Client:
        """Who asks."""
        return self.destination.client

    def granted_to(self, role: str, *, patient: str | None) -> Scopes:
        """What a person of this role can grant; without a patient nothing that is about one."""
        granted = narrowed(self.asked, role)
        return granted if patient is not None else granted.without_patient()


def registration(
    parameters: Mapping[str, str], known: Sequence[Client], *, tenant: int | None
) -> Client | None:
    """Which of a program's registrations a request is to: the person's own clinic's.

    Before somebody signed in, and for somebody whose clinic does not have the program, any that
    knows the address to return to.
    """
    redirect_uri = parameters.get("redirect_uri")
    fitting = [client for client in known if redirect_uri in client.redirect_uris]
    own = [client for client in known if client.tenant == tenant]
    return next(iter([*own, *fitting, *known]), None)


def destination(
    parameters: Mapping[str, str], *, client: Client | None, tenant: Tenant | None
) -> Destination:
    """Where the answer may go, or ``NotRedirectable``."""
    if client is None or not client.enabled or tenant is None or tenant.suspended:
        raise NotRedirectable("client")
    if "authorization_code" not in client.grants:
        raise NotRedirectable("grant type")
    redirect_uri = parameters.get("redirect_uri")
    if redirect_uri not in client.redirect_uris:
        raise NotRedirectable("redirect_uri")
    return Destination(client, redirect_uri, parameters.get("state"))


def checked(
    parameters: Mapping[str, str], to: Destination, *, audience: str
) -> AuthorizationRequest:
    """The request, or ``Redirectable``. ``audience`` is the FHIR base."""

    def refuse(error: str, description: str) -> Redirectable:
        return Redirectable(to, error, description)

    if "request" in parameters:
        raise refuse("request_not_supported", "request objects are not taken")
    if "request_uri" in parameters:
        raise refuse("request_uri_not_supported", "request objects are not taken")
    if parameters.get("response_type") != "code":
        error = (
            "invalid_request" if "response_type" not in parameters else "unsupported_response_type"
        )
        raise refuse(error, "response_type must be code")
    if parameters.get("response_mode", "query") != "query":
        raise refuse("invalid_request", "response_mode must be query")
    if parameters.get("code_challenge_method") != "S256":
        raise refuse("invalid_request", "code_challenge_method must be S256")
    challenge = parameters.get("code_challenge", "")
    if not _CHALLENGE.fullmatch(challenge):
        raise refuse("invalid_request", "code_challenge must be of a SHA-256")
    if any(len(parameters.get(name, "")) > _MOST_TEXT for name in ("state", "nonce", "launch")):
        raise refuse("invalid_request", "a parameter is too long")
    try:
        asked = parsed(parameters.get("scope", ""))
    except OAuthError as error:
        raise refuse(error.error, error.description) from None
    asked = asked.intersect(scopes.parse(to.client.scope, types=REGISTRY))
    if not asked:
        raise refuse("invalid_scope", "none of the scopes can be granted")
    aud = parameters.get("aud", "" if asked.resources else audience)
    if aud.removesuffix("/") != audience:
        raise refuse("invalid_request", "aud must be the FHIR base")
    return AuthorizationRequest(
        destination=to,
        asked=asked,
        challenge=challenge,
        launch=parameters.get("launch"),
        nonce=parameters.get("nonce"),
        prompts=_prompts(parameters.get("prompt", ""), to),
        max_age=_max_age(parameters.get("max_age"), to),
    )


def _prompts(text: str, to: Destination) -> frozenset[str]:
    prompts = frozenset(text.split())
    if not prompts <= _PROMPTS or ("none" in prompts and len(prompts) > 1):
        raise Redirectable(to, "invalid_request", "prompt is not one that is known")
    return prompts


def _max_age(text: str | None, to: Destination) -> int | None:
    if text is None:
        return None
    if not _SECONDS.fullmatch(text):
        raise Redirectable(to, "invalid_request", "max_age is a number of seconds")
    return int(text)

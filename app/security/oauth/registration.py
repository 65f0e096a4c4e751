"""Registering a client: who it is, how it proves so, and the most it may ever be granted."""

from __future__ import annotations

import json as stdlib_json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from app.core.errors import AppError, Category, Issue
from app.core.ids import IdSource
from app.db.engine import UniqueViolation
from app.fhir.registry import REGISTRY
from app.repositories.accounts import Accounts
from app.repositories.accounts_clients import Client
from app.security import egress, jose, roles, scopes
from app.security.keys import client_keys
from app.security.oauth.clients import secret_hash
from app.security.ports import FetchRefused

KINDS: Final = ("public", "confidential", "backend", "resource-server")
_CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ACTOR = re.compile(r"(Organization|Practitioner|PractitionerRole|Device)/[A-Za-z0-9.-]{1,64}")
_NATIVE = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+")  # com.example.app, RFC 8252 section 7.1
_LOOPBACK: Final = ("127.0.0.1", "[::1]")
_CLEARANCES: Final = ("N", "R", "V")
_INTERACTIVE: Final = ("public", "confidential")
_GRANTS: Final = {
    "public": ("authorization_code", "refresh_token"),
    "confidential": ("authorization_code", "refresh_token"),
    "backend": ("client_credentials",),
    "resource-server": (),
}


@dataclass(frozen=True, slots=True)
class NewClient:
    """What is asked for a client.

    Exactly one of ``jwks``, ``jwks_url`` and ``with_secret`` suits a client that can keep a
    secret; a public one has none.
    """

    tenant: int
    name: str
    kind: str
    scope: str = ""
    client_id: str | None = None
    role: str = "system"
    jwks: Mapping[str, Any] | None = None
    jwks_url: str | None = None
    with_secret: bool = False
    redirect_uris: Sequence[str] = ()
    launch_uri: str | None = None
    actor: str | None = None
    purpose: str = "TREAT"
    clearance: str | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    """A client as registered, and its secret, which is shown this once."""

    client: Client
    secret: str | None


async def register_client(
    accounts: Accounts, new: NewClient, *, ids: IdSource, now: int, demo: bool
) -> Registered:
    """Registers a client, or raises ``unprocessable`` with every complaint."""
    complaints = list(_complaints(new, demo=demo))
    if complaints:
        raise AppError(
            Category.UNPROCESSABLE, [Issue("value", complaint) for complaint in complaints]
        )
    secret = jose.encode(ids.random(32)) if new.with_secret else None
    client = Client(
        tenant=new.tenant,
        client_id=new.client_id or ids.new_id(),
        name=new.name,
        kind=new.kind,
        grants=_GRANTS[new.kind],
        scope=str(scopes.parse(new.scope, types=REGISTRY)),
        role=new.role,
        created=now,
        secret_hash=secret_hash(secret) if secret else None,
        jwks=stdlib_json.dumps(dict(new.jwks)) if new.jwks is not None else None,
        jwks_url=new.jwks_url,
        redirect_uris=tuple(new.redirect_uris),
        launch_uri=new.launch_uri,
        actor=new.actor,
        purpose=new.purpose,
        # A person's role limits what is seen through an interactive client; a system has no other.
        clearance=new.clearance or ("V" if new.kind in _INTERACTIVE else "R"),
    )
    await accounts.clients.add(client)
    return Registered(client, secret)


async def share_client(accounts: Accounts, client: Client, *, tenant: int) -> None:
    """Lets the people of another clinic use a program too, under the same name and secret.

    Raises ``unprocessable`` for a program that acts by itself (it is one clinic's), ``conflict``
    where the clinic has it.
    """
    if client.kind not in _INTERACTIVE:
        raise AppError.of(
            Category.UNPROCESSABLE, "value", "only a program that people sign in to is shared"
        )
    try:
        await accounts.clients.share(client, tenant=tenant)
    except UniqueViolation:
        raise AppError.of(Category.CONFLICT, "duplicate", "the clinic has this program") from None


def _complaints(new: NewClient, *, demo: bool) -> Sequence[str]:
    found = [
        *_identity_complaints(new),
        *_proof_complaints(new, demo=demo),
        *(
            f"redirect_uri: {why}"
            for uri in new.redirect_uris
            if (why := redirect_flaw(uri, demo=demo))
        ),
    ]
    interactive = new.kind in _INTERACTIVE
    if interactive != bool(new.redirect_uris):
        found.append("redirect_uris: needed for people's sign-in, and only there")
    try:
        asked = scopes.parse(new.scope, types=REGISTRY)
    except AppError as error:
        found.append(f"scope: {error.issues[0].diagnostics}")
    else:
        wrong = {"system"} if interactive else {"user", "patient"}
        if any(scope.context in wrong for scope in asked.resources):
            found.append("scope: system/ is for backend clients, user/ and patient/ for the others")
    return found


def _identity_complaints(new: NewClient) -> Sequence[str]:
    found = []
    if new.kind not in KINDS:
        found.append(f"kind: one of {', '.join(KINDS)}")
    if new.client_id is not None and not _CLIENT_ID.fullmatch(new.client_id):
        found.append("client_id: up to 64 letters, digits, . _ -")
    if not new.name.strip() or not new.name.isprintable() or len(new.name) > 100:
        found.append("name: printable, up to 100 characters")
    if new.kind == "backend" and new.role not in roles.SYSTEMS:
        found.append(f"role: one of {', '.join(sorted(roles.SYSTEMS))}")
    if new.actor is not None and not _ACTOR.fullmatch(new.actor):
        found.append("actor: a reference such as Organization/1")
    if new.clearance is not None and new.clearance not in _CLEARANCES:
        found.append(f"clearance: one of {', '.join(_CLEARANCES)}")
    return found


def _proof_complaints(new: NewClient, *, demo: bool) -> Sequence[str]:
    found = []
    proofs = [new.jwks is not None, new.jwks_url is not None, new.with_secret].count(True)
    if new.kind == "public" and proofs:
        found.append("a public client keeps no secret and no key")
    if new.kind == "backend" and (new.with_secret or proofs != 1):
        found.append("a backend client needs jwks or jwks_url")
    if new.kind in ("confidential", "resource-server") and proofs != 1:
        found.append("one of jwks, jwks_url and a secret is needed")
    if new.jwks is not None:
        try:
            if not client_keys(new.jwks):
                found.append("jwks: no public ES384 (P-384) or RS384 (RSA) key with a kid")
        except jose.TokenRefused:
            found.append("jwks: not a JSON Web Key Set")
    if new.jwks_url is not None:
        try:
            egress.checked_url(new.jwks_url, demo=demo)
        except FetchRefused as refusal:
            found.append(f"jwks_url: {refusal}")
    return found


def redirect_flaw(uri: str, *, demo: bool) -> str:
    """Why an address may not be registered for redirects; empty when it may.

    Whole addresses only, compared octet by octet later: https, an app's own reverse-domain
    scheme, or a loopback literal with its port.
    """
    if not uri.isascii() or not uri.isprintable() or len(uri) > 2000:
        return "plain ASCII, up to 2000 characters"
    if any(mark in uri for mark in ("#", "*", "\\", " ", '"', "'", "<", ">", "`")):
        return "no fragment, wildcard or quote"
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return "not a URI"
    if parts.username is not None or "@" in parts.netloc or "/.." in parts.path:
        return "no user, no dot segments"
    if parts.scheme == "https" and parts.hostname:
        return ""
    if parts.scheme == "http":
        host = parts.netloc.removesuffix(f":{port}") if port else parts.netloc
        if host in _LOOPBACK or (demo and host == "localhost"):
            return ""
        return "http only for the loopback addresses 127.0.0.1 and [::1]"
    return "" if _NATIVE.fullmatch(parts.scheme) else "not an allowed scheme"

"""People at browsers without script: they read forms, fill them in and follow where these lead."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from argon2 import PasswordHasher

from app.core.clock import SECOND
from app.repositories.accounts_people import Account
from app.security import totp
from app.security.oauth.registration import NewClient, Registered, register_client
from app.security.people import NewUser, add_user
from tests.support.application import ORIGIN, Application, Clinic

CALLBACK = "http://127.0.0.1:9876/callback"
VERIFIER = "a-verifier-of-forty-three-characters-or-more-0"
PASSWORD = "seven quiet rivers"


def challenge_of(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def quick_passwords(application: Application) -> None:
    """Hashes with little work, so that a test about something else does not wait."""
    hasher = application.services.authorization.hasher
    hasher._hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    hasher._nobodys = hasher._hasher.hash("nobody")


async def add_person(clinic: Clinic, username: str, role: str, **fields: Any) -> Account:
    services = clinic.application.services
    quick_passwords(clinic.application)
    name = f"{username}-{clinic.tenant.slug}"
    values = {"password": PASSWORD, **fields}
    return await add_user(
        services.units.accounts,
        NewUser(tenant=clinic.tenant.id, username=name, name=username, role=role, **values),
        hasher=services.authorization.hasher,
        ids=services.ids,
        now=services.clock.now(),
    )


async def add_client(clinic: Clinic, **fields: Any) -> Registered:
    services = clinic.application.services
    values = {
        "name": "Portal",
        "kind": "public",
        "scope": "openid fhirUser offline_access online_access launch launch/patient "
        "patient/*.cruds user/*.cruds",
        "redirect_uris": (CALLBACK,),
        **fields,
    }
    async with services.units.accounts.write() as unit:
        return await register_client(
            unit.accounts,
            NewClient(tenant=clinic.tenant.id, **values),
            ids=services.ids,
            now=services.clock.now(),
            demo=False,
        )


@dataclass
class Form:
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(values.get("action", "")))
        elif tag == "input" and self.forms and "name" in values:
            self.forms[-1].fields[values["name"]] = values.get("value", "")
        elif tag == "button" and self.forms and "name" in values:
            self.forms[-1].buttons.append((values["name"], values.get("value", "")))


def forms(page: httpx.Response) -> list[Form]:
    reader = _Reader()
    reader.feed(page.text)
    return reader.forms


@dataclass
class Browser:
    """One browser; ``page`` is what it shows."""

    http: httpx.AsyncClient
    page: httpx.Response | None = None

    async def open(self, address: str) -> httpx.Response:
        return await self._show(await self.http.get(address))

    async def submit(self, action: str, **values: str) -> httpx.Response:
        """Fills in the form that leads to ``action`` and sends it."""
        assert self.page is not None
        form = next(form for form in forms(self.page) if form.action == action)
        fields = {**form.fields, **values}
        return await self._show(await self.http.post(action, data=fields))

    async def sign_in(self, account: Account, password: str = PASSWORD) -> httpx.Response:
        if self.page is None or not any(f.action == "/login" for f in forms(self.page)):
            await self.open("/login")
        return await self.submit("/login", username=account.username, password=password)

    async def _show(self, answer: httpx.Response) -> httpx.Response:
        while answer.is_redirect and self._is_here(answer):
            answer = await self.http.get(answer.headers["location"])
        self.page = answer
        return answer

    def _is_here(self, answer: httpx.Response) -> bool:
        return answer.headers["location"].startswith(("/", ORIGIN))


def browser(application: Application, *, address: str | None = None) -> Browser:
    """A browser at an address of its own: what others got wrong before does not slow it down."""
    number = next(_ADDRESSES)
    own = f"198.18.{number >> 8}.{number & 255}"
    return Browser(application.http(address=address or own))


_ADDRESSES = count(1)


def authorize_url(registered: Registered, scope: str, **changes: Any) -> str:
    values = {
        "response_type": "code",
        "client_id": registered.client.client_id,
        "redirect_uri": CALLBACK,
        "scope": scope,
        "state": "opaque state",
        "aud": f"{ORIGIN}/fhir",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        **changes,
    }
    values = {name: value for name, value in values.items() if value is not None}
    return "/oauth/authorize?" + urlencode(values)


def answered(page: httpx.Response) -> Mapping[str, str]:
    """What the browser would take back to the client."""
    assert page.status_code == 303, page.text
    location = urlsplit(page.headers["location"])
    assert f"{location.scheme}://{location.netloc}{location.path}" == CALLBACK
    return dict(parse_qsl(location.query))


async def authorized(
    who: Browser,
    account: Account,
    registered: Registered,
    scope: str,
    *,
    code: str | None = None,
    patient: str | None = None,
    **changes: Any,
) -> Mapping[str, str]:
    """The client's answer after the person signed in, and allowed what was asked.

    ``code`` is that of their second factor, where they have one, ``patient`` whom they choose.
    """
    await who.open(authorize_url(registered, scope, **changes))
    assert who.page is not None
    if any(form.action == "/login" for form in forms(who.page)):
        await who.sign_in(account)
    if code is not None:
        await who.submit("/login/second", code=code)
    if patient is not None:
        await who.submit("/oauth/choose", patient=patient)
    if not any(form.action == "/oauth/approve" for form in forms(who.page)):
        raise AssertionError(who.page.text)
    return answered(await who.submit("/oauth/approve", decision="allow"))


async def redeem(
    application: Application, registered: Registered, code: str, **changes: Any
) -> httpx.Response:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
        "client_id": registered.client.client_id,
        **changes,
    }
    form = {name: value for name, value in form.items() if value is not None}
    async with application.http() as http:
        return await http.post("/oauth/token", data=form)


async def refresh(
    application: Application, registered: Registered, token: str, **changes: Any
) -> httpx.Response:
    form = {
        "grant_type": "refresh_token",
        "refresh_token": token,
        "client_id": registered.client.client_id,
        **changes,
    }
    async with application.http() as http:
        return await http.post("/oauth/token", data=form)


async def enrol(application: Application, account: Account) -> bytes:
    """A confirmed TOTP secret."""
    services = application.services
    secret = b"twenty octets secret"
    kept = services.authorization.sign_in.sealed_totp(
        account, secret, confirmed=services.clock.now()
    )
    async with services.units.accounts.write() as unit:
        await unit.accounts.factors.replace_totp(kept)
    return secret


def code_now(application: Application, secret: bytes, *, ahead: int = 0) -> str:
    return totp.code(secret, application.clock.now() // SECOND // totp.PERIOD + ahead)

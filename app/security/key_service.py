"""A key service that wraps tenants' keys, so that the root key never leaves it.

It speaks the encrypt and decrypt requests of Vault's Transit engine
(https://developer.hashicorp.com/vault/api-docs/secret/transit), which OpenBao and gateways to
other services speak too: base64 in, a ciphertext ``vault:v<version>:…`` out.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from app.core.errors import AppError, Category
from app.fhir import json
from app.repositories.codec import KeyEncryption, Wrapped

_TIMEOUT: Final = 5.0
_SERVICE: Final = "service:"


class KeyService:
    """One named key of a service at a URL that the operator chose.

    The token is read from its file with each request, so that it may be renewed there. What was
    wrapped ``before`` there was a service is still unwrapped as it was then.
    """

    def __init__(self, url: str, *, key: str, token_file: Path, before: KeyEncryption) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._token_file = token_file
        self._before = before

    async def wrap(self, octets: bytes, *, about: str) -> Wrapped:
        """The octets under the newest version of the key."""
        answer = await self._ask("encrypt", {"plaintext": _text(octets)}, about)
        ciphertext = answer.get("ciphertext")
        if not isinstance(ciphertext, str):
            raise _unavailable()
        return Wrapped(self._name(ciphertext), ciphertext.encode())

    async def unwrap(self, wrapped: Wrapped, *, about: str) -> bytes:
        """The octets again; the ciphertext names the version of the key."""
        if not wrapped.root.startswith(_SERVICE):
            return await self._before.unwrap(wrapped, about=about)
        answer = await self._ask("decrypt", {"ciphertext": wrapped.octets.decode()}, about)
        try:
            return base64.b64decode(answer["plaintext"], validate=True)
        except (KeyError, TypeError, binascii.Error):
            raise _unavailable() from None

    async def turn_over(self) -> None:
        """Has the service make a new version of the key."""
        await self._post(f"{self._url}/keys/{self._key}/rotate", {})

    def _name(self, ciphertext: str) -> str:
        return f"{_SERVICE}{self._key}:{ciphertext.split(':')[1]}"

    async def _ask(self, what: str, given: Mapping[str, str], about: str) -> Mapping[str, Any]:
        body = {**given, "associated_data": _text(about.encode())}
        answer = await self._post(f"{self._url}/{what}/{self._key}", body)
        data = answer.get("data")
        if not isinstance(data, dict):
            raise _unavailable()
        return data

    async def _post(self, url: str, body: Mapping[str, str]) -> Mapping[str, Any]:
        try:
            headers = {"X-Vault-Token": self._token_file.read_text("ascii").strip()}
            async with httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False) as client:
                answer = await client.post(url, content=json.dumps(body), headers=headers)
        except (httpx.HTTPError, OSError, ValueError):
            raise _unavailable() from None
        if answer.status_code == 204:
            return {}
        if answer.status_code != 200:
            raise _unavailable()
        try:
            return json.parse_resource(answer.content)
        except AppError:
            raise _unavailable() from None


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def _unavailable() -> AppError:
    return AppError.of(Category.UNAVAILABLE, "exception", "the key service does not answer")

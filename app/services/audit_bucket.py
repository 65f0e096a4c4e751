"""A bucket that speaks S3 over HTTP, each request signed (AWS Signature Version 4).

Two verbs and one signature, so no vendor's library: it would bring more code than the whole
log has. Addresses are path-style, which every S3-like store takes.
https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx

from app.core.clock import EPOCH, Clock

_SIGNED = "host;x-amz-content-sha256;x-amz-date"
_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key's id and its secret."""

    id: str
    secret: str = field(repr=False)

    @classmethod
    def load(cls, path: Path) -> Credentials:
        """From a file of two lines, the id and the secret; raises ``OSError``."""
        lines = path.read_text("utf-8").split()
        if len(lines) != 2:
            raise OSError(f"{path} must hold two lines: the key's id and its secret")
        return cls(*lines)


class Bucket:
    """The objects of a bucket; ``url`` is endpoint and bucket, ``https://host/bucket``."""

    def __init__(
        self,
        url: str,
        *,
        credentials: Credentials,
        region: str,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._credentials = credentials
        self._region = region
        self._clock = clock
        self._transport = transport

    async def get(self, key: str) -> bytes | None:
        """The object, None where there is none; raises ``OSError`` when it cannot be had."""
        answer = await self._send("GET", key, b"")
        if answer.status_code == 404:
            return None
        return _good(answer).content

    async def put(self, key: str, body: bytes) -> None:
        """Stores an object; raises ``OSError`` when the store does not take it."""
        _good(await self._send("PUT", key, body))

    async def _send(self, method: str, key: str, body: bytes) -> httpx.Response:
        url = f"{self._url}/{quote(key, safe='/-_.~')}"
        headers = signed(
            method,
            url,
            body,
            credentials=self._credentials,
            region=self._region,
            at=f"{EPOCH + timedelta(microseconds=self._clock.now()):%Y%m%dT%H%M%SZ}",
        )
        try:
            async with httpx.AsyncClient(
                timeout=_SECONDS, follow_redirects=False, transport=self._transport
            ) as client:
                return await client.request(method, url, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise OSError(type(error).__name__) from error


def signed(
    method: str, url: str, body: bytes, *, credentials: Credentials, region: str, at: str
) -> Mapping[str, str]:
    """The headers of a signed request; ``at`` is the instant as ``20270115T080000Z``."""
    parts = urlsplit(url)
    content = hashlib.sha256(body).hexdigest()
    headers = {"host": parts.netloc, "x-amz-content-sha256": content, "x-amz-date": at}
    lines = "".join(f"{name}:{headers[name]}\n" for name in _SIGNED.split(";"))
    request = f"{method}\n{parts.path}\n{parts.query}\n{lines}\n{_SIGNED}\n{content}"
    scope = f"{at[:8]}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = b"AWS4" + credentials.secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={credentials.id}/{scope}, "
        f"SignedHeaders={_SIGNED}, Signature={signature}"
    )
    return headers | {"authorization": authorization}


def _good(answer: httpx.Response) -> httpx.Response:
    if answer.status_code != 200:
        raise OSError(f"the object store answered {answer.status_code}")
    return answer

"""Checkpoints in a bucket: what goes over the wire is signed as S3 asks."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from app.services.audit_bucket import Bucket, Credentials, signed
from app.services.audit_copies import ObjectCopy

KEY = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8})/([\w-]+)/s3/aws4_request, "
    r"SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=([0-9a-f]{64})"
)


class Noon:
    def now(self) -> int:
        return 1_800_000_000_000_000


class Store(BaseHTTPRequestHandler):
    """An S3-like store of its own making: it works out the signature from what arrived."""

    objects: ClassVar[dict[str, bytes]] = {}

    def _is_signed(self, body: bytes) -> bool:
        found = AUTHORIZATION.fullmatch(self.headers["Authorization"] or "")
        if found is None or found[1] != KEY.id:
            return False
        digest, at = self.headers["x-amz-content-sha256"], self.headers["x-amz-date"]
        canonical = (
            f"{self.command}\n{self.path}\n\nhost:{self.headers['Host']}\n"
            f"x-amz-content-sha256:{digest}\nx-amz-date:{at}\n\n"
            f"host;x-amz-content-sha256;x-amz-date\n{digest}"
        )
        scope = f"{found[2]}/{found[3]}/s3/aws4_request"
        asked = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{asked}"
        key = ("AWS4" + KEY.secret).encode()
        for part in (found[2], found[3], "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        own = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        return own == found[4] and digest == hashlib.sha256(body).hexdigest()

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._is_signed(body):
            return self._answer(403)
        self.objects[self.path] = body
        return self._answer(200)

    def do_GET(self) -> None:
        if not self._is_signed(b""):
            return self._answer(403)
        found = self.objects.get(self.path)
        return self._answer(404) if found is None else self._answer(200, found)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def store() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    Store.objects = {}
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/records"
    server.shutdown()
    server.server_close()
    thread.join()


def bucket(url: str, key: Credentials = KEY) -> Bucket:
    return Bucket(url, credentials=key, region="eu-central-1", clock=Noon())


async def test_checkpoints_are_put_and_read_back(store: str):
    copy = ObjectCopy(bucket(store))
    assert await copy.last() is None
    await copy.put("a note", size=7, since=0, proof=[])
    assert await copy.last() == "a note"
    assert sorted(Store.objects) == [
        "/records/audit/checkpoint",
        f"/records/audit/checkpoint/{7:019d}",
    ]


async def test_another_key_puts_nothing(store: str):
    with pytest.raises(OSError, match="403"):
        await ObjectCopy(bucket(store, Credentials(KEY.id, "other"))).put(
            "a note", size=7, since=0, proof=[]
        )
    assert Store.objects == {}


async def test_a_store_that_is_away_is_an_error_of_the_system():
    with pytest.raises(OSError, match="ConnectError"):
        await bucket("http://127.0.0.1:1/records").get("x")


def test_the_signature_is_of_method_address_and_body():
    at = "20270115T080000Z"
    requests = [
        (method, url, body)
        for method in ("GET", "PUT")
        for url in ("https://b.test/k", "https://b.test/l", "https://c.test/k")
        for body in (b"", b"x")
    ]
    made = {
        signed(*each, credentials=KEY, region=region, at=at)["authorization"]
        for each in requests
        for region in ("a", "b")
    }
    assert len(made) == 2 * len(requests)


def test_credentials_are_two_lines(tmp_path: Path):
    file = tmp_path / "key"
    file.write_text("id\nsecret\n")
    assert Credentials.load(file) == Credentials("id", "secret")
    assert "secret" not in repr(Credentials.load(file))
    file.write_text("id")
    with pytest.raises(OSError, match="two lines"):
        Credentials.load(file)

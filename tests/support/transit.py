"""A key service, as much of Vault's Transit engine as is spoken, and what turns to it."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.services.audit_keys import LogKeys
from app.services.key_rotation import KeyRotation
from tests.support.application import ORIGIN, Application


def rotation(application: Application) -> KeyRotation:
    """What turns an application's keys over."""
    services = application.services
    return KeyRotation(
        services.units,
        services.trail,
        root=services.root,
        encryption=services.units._encryption,
        log_keys=LogKeys(
            root=services.root, clock=services.clock, ids=services.ids, base_url=ORIGIN
        ),
    )


class Transit(BaseHTTPRequestHandler):
    """Whoever knows the token may have keys wrapped and unwrapped."""

    keys: list[AESGCM]

    def do_POST(self) -> None:
        if self.headers["X-Vault-Token"] != "token":
            self._answer(403, {})
            return
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        what = self.path.removeprefix("/v1/transit/").partition("/")[0]
        if what == "keys":
            self.keys.append(AESGCM(os.urandom(32)))
            self._answer(204, {})
            return
        about = base64.b64decode(body["associated_data"])
        if what == "encrypt":
            sealed = self.keys[-1].encrypt(b"n" * 12, base64.b64decode(body["plaintext"]), about)
            text = f"vault:v{len(self.keys)}:{base64.b64encode(sealed).decode()}"
            self._answer(200, {"data": {"ciphertext": text}})
            return
        _, version, sealed_text = body["ciphertext"].split(":")
        try:
            key = self.keys[int(version[1:]) - 1]
            plain = key.decrypt(b"n" * 12, base64.b64decode(sealed_text), about)
        except InvalidTag:
            self._answer(400, {"errors": ["no"]})
            return
        self._answer(200, {"data": {"plaintext": base64.b64encode(plain).decode()}})

    def _answer(self, status: int, body: Any) -> None:
        self.send_response(status)
        text = b"" if status == 204 else json.dumps(body).encode()
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def key_service_at() -> Iterator[str]:
    """The URL of a key service, which answers until the context ends."""
    handler = type("Handler", (Transit,), {"keys": [AESGCM(os.urandom(32))]})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/transit"
    finally:
        server.shutdown()
        server.server_close()

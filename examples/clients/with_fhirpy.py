"""A person signs in and fhirpy searches what is theirs (pip install fhirpy).

python examples/clients/with_fhirpy.py http://127.0.0.1:8000/fhir CLIENT_ID
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import secrets
import sys
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests
from fhirpy import SyncFHIRClient

SCOPE = "openid fhirUser launch/patient patient/*.rs"


def callback(redirect_uri: str) -> dict[str, str]:
    """Waits at the redirect address; what the browser brings there."""
    brought: dict[str, str] = {}

    class Callback(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            here = urlsplit(self.path)
            known = here.path == urlsplit(redirect_uri).path
            if known:
                brought.update(parse_qsl(here.query))
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(b"You may close this page.")

        def log_message(self, format: str, *words: object) -> None:
            """Says nothing: the address holds the code."""

    where = urlsplit(redirect_uri)
    with http.server.HTTPServer((where.hostname or "", where.port or 80), Callback) as server:
        while not brought:
            server.handle_request()
    return brought


def sign_in(client: SyncFHIRClient, client_id: str, redirect_uri: str) -> dict[str, str]:
    """The token answer (SMART App Launch, standalone, PKCE)."""
    smart = client.execute(".well-known/smart-configuration", method="get")
    state, verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": SCOPE,
        "state": state,
        "aud": client.url,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    print(f"{smart['authorization_endpoint']}?{urlencode(asked)}", flush=True)
    answer = callback(redirect_uri)
    if (answer.get("state"), answer.get("iss")) != (state, smart["issuer"]):
        raise SystemExit("not the answer to this request")
    form = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "redirect_uri": redirect_uri,
        "client_id": client_id,
        "code_verifier": verifier,
    }
    response = requests.post(smart["token_endpoint"], data=form, timeout=30)
    response.raise_for_status()
    tokens: dict[str, str] = response.json()
    return tokens


def main(base: str, client_id: str, redirect_uri: str = "http://127.0.0.1:9876/callback") -> None:
    tokens = sign_in(SyncFHIRClient(base), client_id, redirect_uri)
    client = SyncFHIRClient(base, authorization=f"Bearer {tokens['access_token']}")
    found = client.resources("EpisodeOfCare").search(patient=tokens["patient"]).fetch_all()
    for episode in found:
        print(episode.to_reference().reference)


if __name__ == "__main__":
    main(*sys.argv[1:])

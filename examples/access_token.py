"""Signs in as a backend client (SMART Backend Services, private_key_jwt) and prints a token.

python examples/access_token.py var/demo/credentials.json ehr
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from pathlib import Path

import httpx
from jose import jwt

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def token(credentials: Path, name: str) -> str:
    """An access token for one of the clients of a credentials file."""
    known = json.loads(credentials.read_text())
    client = known["clients"][name]
    described = httpx.get(f"{known['fhir_base']}/.well-known/smart-configuration")
    endpoint = described.raise_for_status().json()["token_endpoint"]
    claims = {
        "iss": client["client_id"],
        "sub": client["client_id"],
        "aud": endpoint,
        "exp": int(time.time()) + 240,
        "jti": str(uuid.uuid4()),
    }
    headers = {"kid": client["private_jwk"]["kid"], "typ": "JWT"}
    form = {
        "grant_type": "client_credentials",
        "scope": client["scope"],
        "client_assertion_type": ASSERTION,
        "client_assertion": jwt.encode(claims, client["private_jwk"], "ES384", headers=headers),
    }
    return str(httpx.post(endpoint, data=form).raise_for_status().json()["access_token"])


if __name__ == "__main__":
    print(token(Path(sys.argv[1]), sys.argv[2]))

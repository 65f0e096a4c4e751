"""Calls a CDS Service as a record system does, with a token signed for this one call.

python examples/cds_call.py var/demo/credentials.json ehr alliance-alerts \\
    patientId=client-1 userId=Practitioner/therapist-a
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
from jose import jwt


def signed(client: dict[str, Any], address: str) -> str:
    """A token that says who calls, which address, and until when; it is good once."""
    now = int(time.time())
    claims = {
        "iss": client["client_id"],
        "aud": address,
        "iat": now,
        "exp": now + 240,
        "jti": str(uuid.uuid4()),
    }
    headers = {"kid": client["private_jwk"]["kid"], "typ": "JWT"}
    return str(jwt.encode(claims, client["private_jwk"], "ES384", headers=headers))


def post(known: dict[str, Any], name: str, address: str, body: dict[str, Any]) -> httpx.Response:
    """The answer to a signed call by one of the clients of a credentials file."""
    token = signed(known["clients"][name], address)
    return httpx.post(address, json=body, headers={"Authorization": f"Bearer {token}"})


def main(credentials: str, name: str, service: str, *context: str) -> None:
    """Prints the cards."""
    known = json.loads(Path(credentials).read_text())
    base = f"{known['base_url']}/cds-services"
    offered = {each["id"]: each for each in httpx.get(base).raise_for_status().json()["services"]}
    body = {
        "hook": offered[service]["hook"],
        "hookInstance": str(uuid.uuid4()),
        "context": dict(pair.split("=", 1) for pair in context),
    }
    answer = post(known, name, f"{base}/{service}", body).raise_for_status()
    print(json.dumps(answer.json(), indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main(*sys.argv[1:])

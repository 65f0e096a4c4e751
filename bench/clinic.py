"""A migrated database with the benchmark's clinic in it, and tokens for its clients."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jose import jwt

from app.core.config import Settings
from app.main import opened
from app.security.keys import new_es384_key
from app.security.oauth.registration import NewClient, register_client
from bench.processes import ROOT, free_port

# The clinic's own system, another's, and what an auditor uses.
RECORDS, EXCHANGE, AUDITOR = "records", "exchange", "auditor"
EXCHANGE_ACTOR = "Organization/exchange"
RAPPORT = Path(sys.executable).with_name("rapport")


@dataclass(frozen=True, slots=True)
class Clinic:
    """Where it is, the environment that serves it, and its client's private key."""

    dialect: str
    data_dir: Path
    port: int
    env: Mapping[str, str]
    key: Mapping[str, Any]

    @property
    def settings(self) -> Settings:
        """What the environment says."""
        return settings_of(self.env)


def settings_of(env: Mapping[str, str]) -> Settings:
    """The settings that a server with this environment has."""
    names = {key: value for key, value in env.items() if key.startswith("RAPPORT_")}
    found: dict[str, Any] = {
        name.removeprefix("RAPPORT_").lower(): value for name, value in names.items()
    }
    return Settings.model_validate({**found, "PORT": env["PORT"]})


async def made(dialect: str, data_dir: Path, *, url: str = "", owner_url: str = "") -> Clinic:
    """A new clinic in an empty database."""
    data_dir.mkdir(parents=True)
    port = free_port()
    env = {
        **{key: value for key, value in os.environ.items() if not key.startswith("RAPPORT_")},
        "PORT": str(port),
        "RAPPORT_ENV": "demo",  # plain http on this machine; nothing else depends on it
        "RAPPORT_DATA_DIR": str(data_dir),
        "RAPPORT_ACCESS_TOKEN_SECONDS": "86400",
        **({"RAPPORT_DATABASE_URL": url} if url else {}),
        **({"RAPPORT_MIGRATION_URL": owner_url} if owner_url else {}),
    }
    subprocess.run([RAPPORT, "migrate"], env=env, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    key = new_es384_key()
    async with opened(settings_of(env)) as core:
        tenant = await core.tenants.add("bench", "Bench Clinic")
        async with core.units.accounts.write() as unit:
            for client_id, role, actor in (
                (RECORDS, "system", "Organization/bench"),
                (EXCHANGE, "outside_system", EXCHANGE_ACTOR),
                (AUDITOR, "auditor", "Organization/bench"),
            ):
                new = NewClient(
                    tenant=tenant.id,
                    name=f"Benchmark {client_id}",
                    kind="backend",
                    client_id=client_id,
                    role=role,
                    scope="system/*.cruds",
                    actor=actor,
                    jwks={"keys": [dict(key.public_jwk)]},
                )
                await register_client(
                    unit.accounts, new, ids=core.ids, now=core.clock.now(), demo=True
                )
    return Clinic(dialect, data_dir, port, env, {**key.private_jwk, "kid": key.kid})


def token(port: int, key: Mapping[str, Any], client: str = RECORDS) -> str:
    """An access token from a running server, for the proof that its client has the key."""
    claims = {
        "iss": client,
        "sub": client,
        "aud": f"http://127.0.0.1:{port}/oauth/token",
        "exp": int(time.time()) + 240,
        "jti": str(uuid.uuid4()),
    }
    form = urlencode(
        {
            "grant_type": "client_credentials",
            "scope": "system/*.cruds",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": jwt.encode(
                claims, dict(key), "ES384", headers={"kid": key["kid"], "typ": "JWT"}
            ),
        }
    )
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/oauth/token", form, headers)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return str(answer["access_token"])

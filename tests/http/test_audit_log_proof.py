"""The log's proof over HTTP: open to all what is signed, to auditors what is in it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from app.domain.transparency import (
    consistency_ranges,
    extends,
    includes,
    inclusion_ranges,
    leaf_hash,
    parse_note,
)
from tests.support.application import Application, Clinic

PROGRAM = Path(__file__).parents[2] / "examples" / "verify-audit" / "verify_audit.py"
CLOSED = [
    "/audit/entries",
    "/audit/entries?start=0&end=1",
    "/audit/proof/inclusion?index=0&size=1",
    "/audit/proof/consistency?from=0&to=1",
]


async def auditor_of(clinic: Clinic) -> httpx.AsyncClient:
    http = await clinic.as_client("system/AuditEvent.rs", name="Backup auditor", role="auditor")
    http.base_url = httpx.URL("https://rapport.test")
    return http


async def sequenced(application: Application) -> int:
    await application.app.state.sequencer.step()
    async with application.http() as http:
        return parse_note((await http.get("/audit/checkpoint")).text)[0].size


@pytest.fixture
async def auditor(clinic: Clinic) -> httpx.AsyncClient:
    return await auditor_of(clinic)


async def test_checkpoint_and_keys_are_for_anyone(application: Application, client):
    await sequenced(application)
    checkpoint = await client.get("/audit/checkpoint")
    assert checkpoint.status_code == 200
    assert checkpoint.headers["content-type"] == "text/plain; charset=utf-8"
    assert parse_note(checkpoint.text)[0].origin == "rapport.test/audit"
    key = await client.get("/audit/key")
    assert [line.partition("+")[0] for line in key.text.splitlines()] == ["rapport.test/audit"]


@pytest.mark.parametrize("path", CLOSED)
async def test_entries_and_proofs_are_for_auditors(clinic: Clinic, client, path):
    assert (await client.get(path)).status_code == 401
    token = await clinic.ehr.token("system/Patient.rs")
    refused = await client.get(path, headers={"Authorization": f"Bearer {token}"})
    assert refused.status_code == 403
    assert refused.json()["resourceType"] == "OperationOutcome"


async def test_entries_are_the_leaves_in_order(application: Application, auditor):
    size = await sequenced(application)
    lines = (await auditor.get(f"/audit/entries?start=0&end={size}")).content.splitlines()
    assert len(lines) == size
    for line in lines:
        assert json.loads(line).keys() == {"commitment", "id", "recorded"}
    some = await auditor.get(f"/audit/entries?start=1&end={size - 1}")
    assert some.headers["content-type"] == "application/x-ndjson"
    assert some.content.splitlines() == lines[1:-1]
    assert (await auditor.get("/audit/entries?start=1&end=1")).content == b""


async def test_proofs_hold(application: Application, clinic: Clinic, auditor):
    first = await sequenced(application)
    old = parse_note((await auditor.get("/audit/checkpoint")).text)[0]
    await clinic.http.get("Patient?name=nobody")
    size = await sequenced(application)
    new = parse_note((await auditor.get("/audit/checkpoint")).text)[0]
    assert size > first
    leaves = (await auditor.get(f"/audit/entries?end={size}")).content.splitlines()
    for index in (0, size // 2, size - 1):
        answer = await auditor.get(f"/audit/proof/inclusion?index={index}&size={size}")
        proof = [base64.b64decode(each) for each in answer.json()["hashes"]]
        assert len(proof) == len(inclusion_ranges(index, size))
        assert includes(leaf_hash(leaves[index]), index, size, proof=proof, root=new.root)
    answer = await auditor.get(f"/audit/proof/consistency?from={first}&to={size}")
    assert answer.json().keys() == {"hashes"}
    proof = [base64.b64decode(each) for each in answer.json()["hashes"]]
    assert len(proof) == len(consistency_ranges(first, size))
    assert extends(first, size, proof=proof, old_root=old.root, new_root=new.root)


@pytest.mark.parametrize(
    "path",
    [
        "/audit/entries?start=5&end=2",
        "/audit/entries?start=0&end=999999999",
        "/audit/entries?start=-1&end=2",
        "/audit/entries?start=a",
        "/audit/entries?start=0&start=1",
        "/audit/entries?start=٣",
        "/audit/entries?start=1%0A",
        "/audit/proof/inclusion?size=1",
        "/audit/proof/inclusion?index=1&size=1",
        "/audit/proof/inclusion?index=0&size=999999999",
        "/audit/proof/inclusion?index=0&size=0",
        "/audit/proof/consistency?from=2&to=1",
        "/audit/proof/consistency?from=0&to=999999999",
        "/audit/proof/consistency?from=0",
    ],
)
async def test_what_the_tree_does_not_have_is_refused(application: Application, auditor, path):
    await sequenced(application)
    answer = await auditor.get(path)
    assert answer.status_code == 400, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_looking_at_the_log_is_in_the_log(application: Application, auditor):
    size = await sequenced(application)
    await auditor.get(f"/audit/entries?end={size}", headers={"X-Request-Id": "look-1"})
    found = await auditor.get("/fhir/AuditEvent?entity:identifier=look-1")
    [entry] = found.json()["entry"]
    assert entry["resource"]["subtype"][0]["code"] == "audit-used"


async def test_an_event_is_proven_to_a_third_party(
    application: Application, clinic: Clinic, auditor, tmp_path: Path
):
    """By its id an auditor gets the leaf's place; another tenant's auditor does not."""
    await clinic.http.get("Patient?name=nobody", headers={"X-Request-Id": "seen-1"})
    size = await sequenced(application)
    [entry] = (await auditor.get("/fhir/AuditEvent?entity:identifier=seen-1")).json()["entry"]
    id = entry["resource"]["id"]
    answer = await auditor.get(f"/audit/proof/inclusion?id={id}&size={size}")
    index = answer.json()["index"]
    leaf = (await auditor.get(f"/audit/entries?start={index}&end={index + 1}")).content
    assert json.loads(leaf)["id"] == id
    assert (await auditor.get(f"/audit/proof/inclusion?id=x&size={size}")).status_code == 404
    other = await application.add_tenant(f"other-{id[-8:]}")
    stranger = await application.register(
        other, scope="system/AuditEvent.rs", role="auditor", name="Other"
    )
    async with application.http(
        headers={"Authorization": f"Bearer {await stranger.token()}"}
    ) as http:
        hidden = await http.get(f"/audit/proof/inclusion?id={id}&size={size}")
        assert hidden.status_code == 404
        assert (await http.get(f"/fhir/AuditEvent/{id}")).status_code == 404


def test_stranger_verifies_a_running_server(demo, tmp_path: Path):
    """The program of ``examples`` against the demo clinic, started as its users start it."""
    credentials = json.loads((demo.data_dir / "demo" / "credentials.json").read_text())
    token = tmp_path / "token"
    token.write_text(access_token(demo.base_url, credentials["clients"]["backup_auditor"]))
    command = [sys.executable, PROGRAM, demo.base_url, "--token-file", token]
    command += ["--state", tmp_path / "state"]
    for options in (["--open"], ["--quick"], ["--seen", demo.data_dir / "audit" / "history"]):
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("verified: ")
    headers = {"Authorization": f"Bearer {token.read_text()}"}
    found = httpx.get(f"{demo.base_url}/fhir/AuditEvent?_count=1&_sort=date", headers=headers)
    event = tmp_path / "event.json"
    event.write_text(json.dumps(found.json()["entry"][0]["resource"]))
    done = subprocess.run([*command, "--event", event], capture_output=True, text=True, check=False)
    assert "the event is entry" in done.stdout, done.stderr
    changed = json.loads(event.read_text())
    changed["outcome"] = "8"
    event.write_text(json.dumps(changed))
    done = subprocess.run([*command, "--event", event], capture_output=True, text=True, check=False)
    assert (done.returncode, "not what was recorded" in done.stderr) == (1, True)


def access_token(base_url: str, client: dict) -> str:
    """A token by SMART Backend Services."""
    from jose import jwt

    from app.core.clock import SECOND, SystemClock
    from app.core.ids import RandomIds

    url, id = f"{base_url}/oauth/token", client["client_id"]
    claims = {"iss": id, "sub": id, "aud": url, "jti": RandomIds().new_id()}
    claims["exp"] = SystemClock().now() // SECOND + 200
    key = client["private_jwk"]
    form = {
        "grant_type": "client_credentials",
        "scope": client["scope"],
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode(claims, key, "ES384", headers={"kid": key["kid"]}),
    }
    answer = httpx.post(url, data=form)
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["access_token"]
    return token

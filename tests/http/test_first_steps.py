"""The operator's first steps, and what the commands say when they cannot go on."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing

import httpx
import pytest

from tests.support.serving import RAPPORT, environment, rapport, serving

ORIGIN = "https://rapport.example.net"


@pytest.fixture
def env(tmp_path):
    return environment(tmp_path / "data", RAPPORT_ENV="production", RAPPORT_BASE_URL=ORIGIN)


def refusals(env, *words):
    done = subprocess.run(
        [RAPPORT, *words], env=env, check=False, text=True, capture_output=True, timeout=60
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()


def test_a_clinic_from_nothing(env, tmp_path, bare):
    env |= {"RAPPORT_DATABASE_URL": bare.url, "RAPPORT_MIGRATION_URL": bare.owner_url}
    key = tmp_path / "data" / "root.key"
    rapport("keys", "create-root", env=env)
    assert key.stat().st_mode & 0o777 == 0o600
    rapport("migrate", env=env)
    assert "tenant 1: harbour" in rapport("tenant", "add", "harbour", "Harbour Clinic", env=env)
    added = ("--tenant", "harbour", "--username", "ana", "--name", "Ana", "--role", "admin")
    assert "there is a tenant" in refusals(env, "tenant", "add", "harbour", "Again")[0]
    assert f"{ORIGIN}/account/link/" in rapport("user", "add", *added, env=env)
    assert rapport("doctor", env=env).startswith("tenants: 2")
    with serving(env) as server:
        named = {"Host": "rapport.example.net"}
        assert httpx.get(f"{server.base_url}/fhir/metadata", headers=named).is_success


def test_a_server_without_key_and_tables_says_both(env, tmp_path):
    [key, tables] = refusals(env, "serve")
    assert "rapport keys create-root" in key
    assert "rapport migrate" in tables
    assert not (tmp_path / "data" / "rapport.db").exists()
    assert refusals(env, "doctor") == [key, tables]


def test_a_key_is_never_made_over_another(env, tmp_path):
    rapport("keys", "create-root", env=env)
    made = (tmp_path / "data" / "root.key").read_text()
    assert "exists" in refusals(env, "keys", "create-root")[0]
    assert (tmp_path / "data" / "root.key").read_text() == made


def test_every_command_says_why_not_in_the_same_words(env, tmp_path):
    rapport("keys", "create-root", env=env)
    rapport("migrate", env=env)
    there = tmp_path / "kept"
    there.write_text("kept")
    assert refusals(env, "backup", str(there)) == [f"refused: {there} exists"]
    assert there.read_text() == "kept"
    assert refusals(env, "restore", str(there)) == [
        "refused: there is no rapport.keys beside the backup: nothing could be read"
    ]
    assert refusals(env, "audit", "export", str(tmp_path)) == [f"refused: {tmp_path} exists"]
    assert refusals(env, "keys", "rotate-tenant", "none") == ["refused: no tenant none"]
    assert refusals(env, "demo") == ["refused: the demo clinic is for RAPPORT_ENV=demo"]


def test_settings_that_cannot_be_read_are_named_all_at_once(env):
    wrong = {"RAPPORT_POOL_SIZE": "hunter2", "PORT": "http"}
    said = refusals({**env, **wrong}, "doctor")
    assert [line.split(":")[1].strip() for line in said] == ["PORT", "RAPPORT_POOL_SIZE"]
    assert "hunter2" not in "".join(said)


def test_a_database_that_does_not_answer_is_said_in_a_line(env):
    rapport("keys", "create-root", env=env)
    nobody = {**env, "RAPPORT_DATABASE_URL": "postgresql://rapport@127.0.0.1:9/rapport"}
    for command in ("serve", "migrate"):
        assert refusals(nobody, command) == ["refused: the database does not answer"]


def test_what_an_operator_does_is_in_the_log(env, tmp_path):
    """Each command that changes, copies or ends something, and what it is called in the log."""
    clinic = ("--tenant", "harbour")
    kept = str(tmp_path / "kept")
    person = ("--username", "ana", "--name", "Ana", "--role", "admin")
    program = ("--name", "Portal", "--kind", "public", "--scope", "openid")
    rapport("keys", "create-root", env=env)
    rapport("migrate", env=env)
    told = {
        ("tenant", "add", "harbour", "Harbour"): "settings-changed",
        ("tenant", "zone", "harbour", "Asia/Riyadh"): "settings-changed",
        ("tenant", "policy", "harbour", "deny"): "policy-changed",
        ("user", "add", *clinic, *person): "account-created",
        ("client", "register", *clinic, *program, "--redirect-uri", "https://portal.example/"):
            "client-registered",
        ("keys", "rotate"): "key-rotated",
        ("keys", "rotate-tenant", "harbour"): "key-rotated",
        ("keys", "rotate-root", "--prepare"): "key-used",
        ("keys", "rotate-root"): "key-rotated",
        ("keys", "rotate-root", "--finish"): "key-destroyed",
        ("audit", "rotate-key"): "key-rotated",
        ("audit", "export", str(tmp_path / "exported")): "export-finished",
        ("retention", "years", *clinic, "40"): "retention-changed",
        ("rescore",): "rescored",
        ("backup", kept): "backup-written",
    }  # fmt: skip
    path = env["RAPPORT_DATA_DIR"] + "/rapport.db"
    rapport("audit", "checkpoint", env=env)  # there is something to export
    known = 0
    for words, event in told.items():
        rapport(*words, env=env)
        events = records(path)
        assert event in events[known:], (words, events[known:])
        known = len(events)
    again = environment(
        tmp_path / "again", RAPPORT_ENV="production", RAPPORT_BASE_URL=ORIGIN,
        RAPPORT_ROOT_KEY_FILE=str(tmp_path / "data" / "root.key"),
    )  # fmt: skip
    rapport("migrate", env=again)
    rapport("restore", kept, env=again)
    restored = records(again["RAPPORT_DATA_DIR"] + "/rapport.db")
    assert restored == [*records(path), "backup-restored"]


def records(path):
    """What happened by the log, in its order."""
    with closing(sqlite3.connect(path)) as database:
        found = database.execute("SELECT event FROM audit_event ORDER BY recorded, aid")
        return [event for (event,) in found]

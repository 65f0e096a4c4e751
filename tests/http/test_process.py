"""The program as a process: how it starts, starts again, refuses and ends."""

from __future__ import annotations

import csv
import json
import subprocess
from importlib.resources import files
from pathlib import Path

import httpx

from tests.support.databases import Database
from tests.support.serving import RAPPORT, Serving, environment, rapport, serving


def test_it_prepares_itself_serves_and_ends_in_order(tmp_path: Path, bare: Database):
    env = environment(
        tmp_path,
        RAPPORT_DATABASE_URL=bare.url,
        RAPPORT_MIGRATION_URL=bare.owner_url,
    )
    with serving(env, "--prepare") as first:
        assert httpx.get(f"{first.base_url}/fhir/metadata").is_success
        assert first.stop() == 0
    credentials = tmp_path / "demo" / "credentials.json"
    written = credentials.read_bytes()
    assert json.loads(written)["base_url"] == first.base_url
    assert credentials.stat().st_mode & 0o777 == 0o600
    with serving(env, "--prepare") as second:  # the clinic is loaded once
        assert second.stop() == 0
    assert credentials.read_bytes() == written


def test_production_does_not_start_half_safe(demo: Serving):
    unsafe = {"RAPPORT_ENV": "production", "RAPPORT_CORS_ORIGINS": '["*"]'}
    done = subprocess.run(
        [RAPPORT, "serve"],
        env={**demo.environment, **unsafe},
        check=False,
        text=True,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 1
    for reason in ("https", "demo clinic", "wildcard"):
        assert reason in done.stderr


def test_it_prints_who_may_do_what(demo: Serving):
    """The table itself: a line for each role and type, with what the table says there."""
    printed = [
        line.split(maxsplit=2)
        for line in rapport("doctor", "--roles", env=demo.environment).splitlines()
    ]
    text = files("app.definitions").joinpath("roles.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    wanted = [[role, row["type"], row[role]] for role in rows[0] if role != "type" for row in rows]
    assert sorted(printed) == sorted(wanted)


def test_the_demo_clinic_is_for_the_demo_only(tmp_path: Path):
    env = environment(tmp_path, RAPPORT_ENV="production")
    done = subprocess.run(
        [RAPPORT, "demo"], env=env, check=False, text=True, capture_output=True, timeout=60
    )
    assert done.returncode == 1
    assert "refused" in done.stderr
    assert not (tmp_path / "rapport.db").exists()

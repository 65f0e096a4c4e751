"""The program as a process: how it starts, starts again, refuses and ends."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import httpx
import pytest

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
    with serving(env, "--prepare", "--workers", "2") as second:
        workers = _stand_in_for_one_another(second)
        assert second.stop() == 0
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
    assert credentials.read_bytes() == written  # the clinic is loaded once


def _stand_in_for_one_another(server: Serving) -> set[int]:
    """Kills one of two workers, which nobody who asks may notice; those that work then."""
    supervisor = server.process.pid
    _await(lambda: len(_children_of(supervisor)) == 2)
    first = _children_of(supervisor)
    assert {_command_of(worker) for worker in first} == {_command_of(supervisor)}

    def ask() -> None:
        for _ in range(20):
            assert httpx.get(f"{server.base_url}/fhir/metadata").is_success

    def counted() -> float:
        figures = httpx.get(f"{server.base_url}/metrics").text
        found = re.findall(r"^rapport_requests_total\{.*metadata.*\} (.*)$", figures, re.MULTILINE)
        return sum(map(float, found))

    ask()
    _await(lambda: counted() == 20)
    os.kill(min(first), signal.SIGKILL)
    ask()
    _await(lambda: len(_children_of(supervisor) - first) == 1)
    ask()
    _await(lambda: counted() == 60)  # the figures of the one that has gone are kept
    return _children_of(supervisor)


def _children_of(process: int) -> set[int]:
    text = Path(f"/proc/{process}/task/{process}/children").read_text()
    return {int(child) for child in text.split()}


def _command_of(process: int) -> str:
    return Path(f"/proc/{process}/cmdline").read_text()


def _await(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def refused(env: dict[str, str]) -> str:
    """What ``rapport serve`` says that does not start."""
    done = subprocess.run(
        [RAPPORT, "serve"], env=env, check=False, text=True, capture_output=True, timeout=60
    )
    assert done.returncode == 1
    return done.stderr


@pytest.mark.parametrize("origins", ['["*"]', "*", "https://a.example.org,*"])
def test_production_does_not_start_half_safe(demo: Serving, origins: str):
    unsafe = {"RAPPORT_ENV": "production", "RAPPORT_CORS_ORIGINS": origins}
    said = refused({**demo.environment, **unsafe})
    for reason in ("https", "demo clinic", "wildcard"):
        assert reason in said


def test_settings_that_cannot_be_read_are_named(tmp_path: Path):
    wrong = {
        "RAPPORT_DATABASE_URL": "mysql://clinic",
        "RAPPORT_TRUSTED_PROXIES": "10.0.0.0/8,proxy",
        "RAPPORT_ALLOWED_HOSTS": '["a.example.org"',
        "PORT": "http",
    }
    lines = refused(environment(tmp_path, **wrong)).splitlines()
    assert sorted(line.split(": ")[1] for line in lines) == sorted(wrong)


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

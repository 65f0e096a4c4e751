"""What the program imports is what it asks to be installed, and the locks hold all of it."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest

from tests.architecture.rules import APP, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Asked for by name, or chosen by a setting; never imported.
BY_NAME = {"fastapi-offline", "httptools", "uvloop", "websockets"}
# FastAPI's own foundation: what FastAPI gives, its routes and pages use.
BY_FASTAPI = {"starlette", "pydantic-core"}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _named(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found
    return _normal(found.group())


def _imported() -> set[str]:
    tops = set()
    for folder in (APP, ROOT / "migrations"):
        for path in folder.rglob("*.py"):
            tops |= set(re.findall(r"^\s*(?:from|import)\s+(\w+)", path.read_text(), re.MULTILINE))
    known = packages_distributions()
    outside = {top for top in tops if top in known and top not in sys.stdlib_module_names}
    return {_normal(known[top][0]) for top in outside - {"app"}}


def test_what_is_imported_is_asked_for():
    declared = {_named(each) for each in PROJECT["dependencies"]}
    assert _imported() - BY_FASTAPI - declared == set()


def test_what_is_asked_for_is_used():
    declared = {_named(each) for each in PROJECT["dependencies"]}
    assert declared - _imported() - BY_NAME == set()


@pytest.mark.parametrize(
    "lock, extras", [("requirements.lock", ["build"]), ("requirements-dev.lock", ["build", "dev"])]
)
def test_locks_hold_what_is_asked_for(lock: str, extras: list[str]):
    text = (ROOT / lock).read_text()
    locked = {_normal(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}
    asked = [*PROJECT["dependencies"]]
    for extra in extras:
        asked += PROJECT["optional-dependencies"][extra]
    assert {_named(each) for each in asked} - locked == set()


def test_locks_name_no_place():
    for lock in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / lock).read_text()
        assert "://" not in text
        assert "file:" not in text
        for line in text.splitlines():
            assert line.startswith(("#", "    --hash=sha256:")) or "==" in line, line


def test_both_locks_agree():
    pinned = [
        dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))
        for lock in ("requirements.lock", "requirements-dev.lock")
    ]
    runtime, development = pinned
    assert runtime.items() <= development.items()

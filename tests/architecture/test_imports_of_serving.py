"""What every server process would pay for at each start, in time and memory, and never use."""

from __future__ import annotations

import subprocess
import sys

import pytest

UNUSED = ("alembic", "sqlalchemy.orm", "fhir.resources", "pytest")


@pytest.fixture(scope="module")
def imported() -> frozenset[str]:
    program = "import sys, app.serving; print(*sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    return frozenset(told.stdout.split())


@pytest.mark.parametrize("name", UNUSED)
def test_a_server_does_not_import_what_it_never_uses(imported: frozenset[str], name: str) -> None:
    assert "app.main" in imported
    assert name not in imported

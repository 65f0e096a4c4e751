"""What every test may ask for."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from tests.support import postgres as _postgres

RUN, CONTROLLER = "RAPPORT_TEST_RUN", "RAPPORT_TEST_CONTROLLER"


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the controller; workers inherit its environment
        os.environ[RUN] = tempfile.mkdtemp(prefix="rapport-test-")
        os.environ[CONTROLLER] = str(os.getpid())


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        _postgres.leave(Path(os.environ[RUN]))


@pytest.fixture(scope="session")
def postgres() -> _postgres.Server:
    """The run's PostgreSQL server."""
    return _postgres.join(Path(os.environ[RUN]), int(os.environ[CONTROLLER]))

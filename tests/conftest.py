"""What every test may ask for."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support import postgres as _postgres
from tests.support.databases import DIALECTS, Database, Databases, Dialect
from tests.support.serving import Serving, environment, rapport, serving

RUN, CONTROLLER = "RAPPORT_TEST_RUN", "RAPPORT_TEST_CONTROLLER"


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the controller; workers inherit its environment
        os.environ[RUN] = tempfile.mkdtemp(prefix="rapport-test-")
        os.environ[CONTROLLER] = str(os.getpid())


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        _postgres.leave(Path(os.environ[RUN]))


@cache
def _server() -> _postgres.Server:
    return _postgres.join(Path(os.environ[RUN]), int(os.environ[CONTROLLER]))


@pytest.fixture(scope="session")
def postgres() -> _postgres.Server:
    """The run's PostgreSQL server."""
    return _server()


@pytest_asyncio.fixture(scope="session")
async def databases() -> AsyncIterator[Databases]:
    """Makes migrated databases; PostgreSQL starts with the first that needs it."""
    made = Databases(Path(os.environ[RUN]), _server)
    yield made
    await made.close()


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    """Each database in turn."""
    chosen: Dialect = request.param
    return chosen


@pytest.fixture
async def database(dialect: Dialect, databases: Databases) -> Database:
    """A migrated database of the test's own."""
    return await databases.make(dialect)


@pytest.fixture
def database_url(database: Database) -> str:
    """The application's connection."""
    return database.url


@pytest.fixture
def migration_url(database: Database) -> str:
    """The owner's connection."""
    return database.owner_url


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """The demo clinic as ``make run`` starts it, in a process of its own."""
    env = environment(tmp_path_factory.mktemp("demo"))
    rapport("migrate", env=env)
    rapport("demo", env=env)
    with serving(env) as running:
        yield running

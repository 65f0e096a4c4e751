"""What every test may ask for."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from hypothesis import settings as hypothesis_settings

from tests.support import memory
from tests.support import postgres as _postgres
from tests.support.databases import DIALECTS, Database, Databases, Dialect
from tests.support.serving import Serving, environment, rapport, serving

if TYPE_CHECKING:  # a unit test does not pay for the whole application
    import httpx
    from fastapi import FastAPI

    from app.core.config import Settings
    from tests.support.application import Application, Clinic

# Looking for new examples is for people at work; a build asks the same questions each time.
hypothesis_settings.register_profile("work", deadline=None)
hypothesis_settings.register_profile("build", deadline=None, derandomize=True, database=None)
hypothesis_settings.load_profile("build" if os.environ.get("CI") else "work")

RUN, CONTROLLER = "RAPPORT_TEST_RUN", "RAPPORT_TEST_CONTROLLER"


# A deadline would be an assertion about the machine's load.
hypothesis_settings.register_profile("rapport", deadline=None)
hypothesis_settings.load_profile("rapport")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the controller; workers inherit its environment
        os.environ[RUN] = tempfile.mkdtemp(prefix="rapport-test-", dir=memory.directory())
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", os.environ[RUN])  # tmp_path too
        os.environ[CONTROLLER] = str(os.getpid())


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        _postgres.leave(Path(os.environ[RUN]))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:  # one worker starts the demo clinic, not each
        if "demo" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("demo"))


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
async def bare(databases: Databases, dialect: Dialect) -> Database:
    """A database without tables, for an installation under a root key of its own."""
    return await databases.make(dialect, migrated=False)


@pytest.fixture
async def database(dialect: Dialect, databases: Databases) -> AsyncIterator[Database]:
    """A migrated database of the test's own."""
    made = await databases.make(dialect)
    yield made
    await databases.drop(made)


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


@pytest_asyncio.fixture(scope="session")
async def applications(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Callable[[Dialect], Awaitable[Application]]]:
    """One running application per worker and database, started when first asked for."""
    from tests.support.application import running

    started: dict[Dialect, Application] = {}
    async with AsyncExitStack() as stack:

        async def application(dialect: Dialect) -> Application:
            if dialect not in started:
                started[dialect] = await stack.enter_async_context(
                    running(await databases.make(dialect), tmp_path_factory.mktemp(dialect))
                )
            return started[dialect]

        yield application


@pytest.fixture
async def application(
    dialect: Dialect, applications: Callable[[Dialect], Awaitable[Application]]
) -> AsyncIterator[Application]:
    """The worker's application on each database in turn; other tests have used it."""
    chosen = await applications(dialect)
    yield chosen
    chosen.clock.ahead = 0  # for whoever holds a token from before the test


@pytest.fixture
async def installation(database: Database, tmp_path: Path) -> AsyncIterator[Application]:
    """An application of the test's own: for what goes through all of a database or its files."""
    from tests.support.application import running

    async with running(database, tmp_path) as started:
        yield started


@pytest.fixture
def app(application: Application) -> FastAPI:
    """The ASGI application."""
    return application.app


@pytest.fixture
def settings(application: Application) -> Settings:
    """The application's settings."""
    return application.settings


@pytest.fixture
async def client(application: Application) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a token, at the origin."""
    async with application.http() as http:
        yield http


@pytest.fixture
async def clinic(application: Application) -> AsyncIterator[Clinic]:
    """A new clinic, so that nothing of another test is in sight."""
    from tests.support.application import clinic_of

    async with clinic_of(application) as made:
        yield made

"""A clinic that tests share, for what looks at nothing but what it made itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from tests.support.application import Clinic
    from tests.support.people import Browser


@pytest_asyncio.fixture(scope="session")
async def _houses(applications) -> AsyncIterator:
    from tests.support.application import clinic_of

    opened: dict[str, Clinic] = {}
    async with AsyncExitStack() as stack:

        async def house(dialect) -> Clinic:
            if dialect not in opened:
                opened[dialect] = await stack.enter_async_context(
                    clinic_of(await applications(dialect))
                )
            return opened[dialect]

        yield house


@pytest.fixture
async def house(dialect, _houses) -> Clinic:
    """The shared clinic on each database in turn; its token lasts ten minutes."""
    return await _houses(dialect)


@pytest.fixture
def ehr(house):
    """The shared clinic's record system, signed in."""
    return house.http


@pytest.fixture
async def at_work(application) -> AsyncIterator[Browser]:
    """A browser at which nobody is signed in."""
    from tests.support.people import browser

    who = browser(application)
    yield who
    await who.http.aclose()


@pytest.fixture
def at_home(at_work) -> Browser:
    """The same, of a person without an account."""
    return at_work


@pytest_asyncio.fixture(scope="session")
async def _demos(databases, tmp_path_factory) -> AsyncIterator:
    from tests.support.application import running

    started = {}
    async with AsyncExitStack() as stack:

        async def application(dialect):
            if dialect not in started:
                database = await databases.make(dialect)
                directory = tmp_path_factory.mktemp(f"demo-{dialect}")
                started[dialect] = await stack.enter_async_context(
                    running(database, directory, env="demo")
                )
            return started[dialect]

        yield application


@pytest.fixture
async def local(dialect, _demos) -> AsyncIterator[Clinic]:
    """A new clinic in a demo, where subscribers may be on this machine."""
    from tests.support.application import clinic_of

    application = await _demos(dialect)
    async with clinic_of(application) as made:
        yield made
    application.clock.ahead = 0


@pytest.fixture
async def receiver() -> AsyncIterator:
    """A subscriber's endpoint."""
    from tests.support.receiver import receiving

    async with receiving() as made:
        yield made

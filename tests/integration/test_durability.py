"""Production is served from a database that keeps what it has committed."""

from __future__ import annotations

import asyncio

import pytest

from app.core.config import Settings
from app.serving import reasons_not_to
from tests.support.postgres import APP
from tests.support.replica import replica_of

OFF = ("fsync", "full_page_writes")


@pytest.mark.parametrize("off", [(), OFF])
async def test_production_refuses_a_database_that_may_lose_what_it_committed(
    databases, tmp_path, off
):
    made = await databases.make("postgresql")
    same = replica_of(databases._server(), **dict.fromkeys(off, "off"))
    server = (await asyncio.to_thread(same.__enter__)).server
    try:
        url = server.url(made.url.rpartition("/")[2], APP)
        for env in ("production", "demo"):
            settings = Settings(
                env=env, data_dir=tmp_path, database_url=url, base_url="https://rapport.test"
            )
            told = [each for each in await reasons_not_to(settings) if "may lose" in each]
            named = tuple(name for name in OFF if any(name in each for each in told))
            assert named == (off if env == "production" else ())
    finally:
        await asyncio.to_thread(same.__exit__, None, None, None)

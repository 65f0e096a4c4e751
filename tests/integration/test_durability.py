"""Production is served from a database that keeps what it has committed."""

from __future__ import annotations

import asyncio
import os

import pytest

from app.core.config import Settings
from app.serving import reasons_not_to
from tests.support import postgres
from tests.support.databases import Databases

OFF = ("fsync", "full_page_writes")


@pytest.mark.parametrize("off", [(), OFF])
async def test_production_refuses_a_database_that_may_lose_what_it_committed(tmp_path, off):
    run, data = tmp_path / "cluster", tmp_path / "data"
    run.mkdir()
    data.mkdir()
    settings = dict.fromkeys(off, "off")
    server = await asyncio.to_thread(postgres.join, run, os.getpid(), settings=settings)
    try:
        url = (await Databases(run, lambda: server).make("postgresql")).url
        for env in ("production", "demo"):
            configured = Settings(
                env=env, data_dir=data, database_url=url, base_url="https://rapport.test"
            )
            told = [each for each in await reasons_not_to(configured) if "may lose" in each]
            named = tuple(name for name in OFF if any(name in each for each in told))
            assert named == (off if env == "production" else ())
    finally:
        await asyncio.to_thread(postgres.leave, run)

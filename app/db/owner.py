"""The owner's connection, for what the application's role may not do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, create_engine, text


def connected(url: str, run: Callable[[Connection], None]) -> None:
    """Runs a function on a connection of its own."""
    if url.startswith("sqlite:"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url)
        with engine.connect() as connection:
            connection.execute(text("PRAGMA foreign_keys=OFF"))
            run(connection)
            connection.commit()
        engine.dispose()
    else:
        asyncio.run(_connected(url, run))


async def _connected(url: str, run: Callable[[Connection], None]) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 - it brings the ORM

    engine = create_async_engine(url.replace("postgresql:", "postgresql+asyncpg:", 1))
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()

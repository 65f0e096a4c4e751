"""Load on a server: whole requests as bytes, offered by ``wrk`` or by our own generator.

Both are closed loops in a process of their own. ``wrk`` costs the machine less, so where it is
installed it is used; every side of a ratio is driven by the same one.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from bench.processes import ROOT

GENERATOR = os.environ.get("BENCH_GENERATOR") or ("wrk" if shutil.which("wrk") else "own")
_SCRIPT = Path(__file__).with_name("wrk.lua")


@dataclass(frozen=True, slots=True)
class Target:
    """A server by its base URL, and the token or the cookie to show it."""

    base: str
    token: str = ""
    cookie: str = ""

    @property
    def host(self) -> str:
        """Its name or address."""
        return urlsplit(self.base).hostname or "127.0.0.1"

    @property
    def port(self) -> int:
        """Where it listens."""
        return urlsplit(self.base).port or 80

    def ask(self, connection: http.client.HTTPConnection, path: str) -> int:
        """The status of an answer, which is read whole."""
        head = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        cookie = {"Cookie": self.cookie} if self.cookie else {}
        connection.request(
            "GET", urlsplit(self.base).path.rstrip("/") + path, headers=head | cookie
        )
        answer = connection.getresponse()
        answer.read()
        return answer.status

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        """A whole HTTP/1.1 request; ``path`` is below the base."""
        place = f"{urlsplit(self.base).path.rstrip('/')}{path}"
        head = [f"{method} {place} HTTP/1.1", f"Host: {self.host}:{self.port}"]
        head.append("Accept: application/fhir+json")
        if self.token:
            head.append(f"Authorization: Bearer {self.token}")
        if body:
            head += ["Content-Type: application/fhir+json", f"Content-Length: {len(body)}"]
        return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@dataclass(frozen=True, slots=True)
class Load:
    """Requests in turn to one server.

    ``cpu`` tells the CPU seconds that the server has used so far, ``database`` those of a
    database server beside it.
    """

    target: Target
    requests: Sequence[bytes]
    connections: int = 16
    least: float = 0  # seconds, for what takes long
    cpu: Callable[[], float] = lambda: 0.0
    database: Callable[[], float] = lambda: 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What came back: rates in answers a second, times in milliseconds."""

    answers: int
    rate: float
    p50: float
    p99: float
    cpu: float  # milliseconds of the server for an answer
    database: float  # and of the database server


def sides(
    loads: Mapping[str, Load], *, seconds: float, repeats: int, warm_up: float
) -> dict[str, list[Sample]]:
    """Every load in turn, as often as told: what disturbs the machine disturbs all of them."""
    for load in loads.values() if warm_up else ():
        sample(load, seconds=max(warm_up, load.least))
    found: dict[str, list[Sample]] = {name: [] for name in loads}
    for _ in range(repeats):
        for name, load in loads.items():
            found[name].append(sample(load, seconds=max(seconds, load.least)))
    return found


def middle(samples: Sequence[Sample], of: Callable[[Sample], float]) -> float:
    """The median over repeats."""
    return median(of(each) for each in samples)


def ratio(above: Sequence[Sample], below: Sequence[Sample], of: Callable[[Sample], float]) -> float:
    """The median of the ratios of what ran side by side."""
    return median(of(a) / of(b) if of(b) else 0.0 for a, b in zip(above, below, strict=True))


def sample(load: Load, *, seconds: float) -> Sample:
    """Offers the load for so long; raises ``RuntimeError`` for an answer that is a refusal."""
    cpu, database = load.cpu(), load.database()
    found = (_wrk if GENERATOR == "wrk" else _own)(load, seconds)
    cpu, database = load.cpu() - cpu, load.database() - database
    if found["unexpected"] or not found["answers"]:
        raise RuntimeError(f"refused: {found} for {load.requests[0][:200]!r}")
    answers = int(found["answers"])
    return Sample(
        answers=answers,
        rate=answers / found["seconds"],
        p50=found["p50"],
        p99=found["p99"],
        cpu=1000 * cpu / answers,
        database=1000 * database / answers,
    )


def _wrk(load: Load, seconds: float) -> dict[str, float]:
    with tempfile.NamedTemporaryFile(prefix="bench-") as file:
        for request in load.requests:
            file.write(b"%d\n" % len(request) + request)
        file.flush()
        done = subprocess.run(
            ["wrk", "-t1", f"-c{load.connections}", f"-d{max(1, round(seconds))}s", "--timeout",
             "30s", "-s", str(_SCRIPT), f"http://{load.target.host}:{load.target.port}"],
            env={**os.environ, "BENCH_REQUESTS": file.name},
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout.rpartition("RESULT ")[2])
    return found


def _own(load: Load, seconds: float) -> dict[str, float]:
    plan = {
        "host": load.target.host,
        "port": load.target.port,
        "connections": load.connections,
        "seconds": seconds,
        "requests": [request.hex() for request in load.requests],
    }
    with tempfile.NamedTemporaryFile("w", prefix="bench-") as file:
        json.dump(plan, file)
        file.flush()
        done = subprocess.run(
            [sys.executable, "-m", "bench.generator", file.name],
            cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout)
    return found

"""Servers as processes of their own, and what they cost: CPU and memory as /proc tells them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PATIENCE = 60.0  # seconds to start on a slow machine
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """A running server and the seconds that it took to answer."""

    port: int
    popen: subprocess.Popen[bytes]
    ready_after: float

    @property
    def cpu(self) -> float:
        """CPU seconds so far, of the process and its descendants."""
        return cpu_of(family(self.popen.pid))

    @property
    def memory(self) -> int:
        """Octets of the largest process's own share (proportional set size)."""
        return max(_memory_of(pid) for pid in family(self.popen.pid))


@contextmanager
def serving(
    command: Sequence[str], *, port: int, env: Mapping[str, str], log: Path, path: str
) -> Iterator[Process]:
    """A server that answers at ``path``; told to end on leaving."""
    began = time.monotonic()
    with running(command, env=env, log=log) as popen:
        _await_answer(popen, port, path, log)
        yield Process(port, popen, time.monotonic() - began)


@contextmanager
def running(
    command: Sequence[str], *, env: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A process; told to end on leaving."""
    with log.open("ab") as output:
        popen = subprocess.Popen(command, env=dict(env), cwd=ROOT, stdout=output, stderr=output)
    try:
        yield popen
    finally:
        if popen.poll() is None:
            popen.send_signal(signal.SIGTERM)
            try:
                popen.wait(30)
            except subprocess.TimeoutExpired:
                popen.kill()
                popen.wait()


def uvicorn(target: str, *, port: int, workers: int) -> list[str]:
    """The command that serves an application as ``rapport serve`` does."""
    return [
        *(sys.executable, "-m", "uvicorn", target, "--factory", "--host", "127.0.0.1"),
        *("--port", str(port), "--workers", str(workers), "--loop", "uvloop"),
        *("--http", "httptools", "--no-access-log", "--no-server-header"),
        *("--log-level", "warning"),
    ]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for parent in found:
        tasks = Path(f"/proc/{parent}/task")
        for children in tasks.glob("*/children"):
            try:
                found += [int(child) for child in children.read_text().split()]
            except OSError:
                continue
    return found


def cpu_of(pids: Sequence[int]) -> float:
    """CPU seconds that processes have used, in user and kernel mode."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / _TICK


def _memory_of(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _await_answer(popen: subprocess.Popen[bytes], port: int, path: str, log: Path) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and popen.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(request)
                if connection.recv(12)[9:12] == b"200":
                    return
        except OSError:
            pass
        time.sleep(0.01)
    raise RuntimeError(f"the server did not get ready:\n{log.read_text()[-4000:]}")

"""The program as its users start it: a process of its own, with a port and a data directory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.ports import free_port

RAPPORT = Path(sys.executable).with_name("rapport")
PATIENCE = 180.0  # seconds to start on a slow machine


@dataclass(frozen=True, slots=True)
class Serving:
    """A running server: where it listens, what it wrote, and the environment it was given."""

    base_url: str
    data_dir: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes]

    def stop(self, patience: float = 30.0) -> int:
        """Asks it to end, and gives its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(patience)


def environment(data_dir: Path, **settings: str) -> dict[str, str]:
    """The environment for ``rapport`` commands on one data directory, the demo's by default."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RAPPORT_")}
    return {
        **kept,
        "PATH": f"{RAPPORT.parent}:{os.environ['PATH']}",
        "PORT": str(free_port()),
        "RAPPORT_DATA_DIR": str(data_dir),
        "RAPPORT_ENV": "demo",
        **settings,
    }


def rapport(*words: str, env: Mapping[str, str]) -> str:
    """Runs a command to its end; what it printed."""
    done = subprocess.run(
        [RAPPORT, *words], env=env, check=False, text=True, capture_output=True, timeout=300
    )
    assert done.returncode == 0, f"rapport {' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


@contextmanager
def serving(env: Mapping[str, str], *options: str) -> Iterator[Serving]:
    """``rapport serve``, ready; stopped on leaving."""
    base_url = f"http://127.0.0.1:{env['PORT']}"
    data_dir = Path(env["RAPPORT_DATA_DIR"])
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir / "serve.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [RAPPORT, "serve", *options], env=env, stdout=output, stderr=output
        )
    try:
        _await_ready(process, base_url, log)
        yield Serving(base_url, data_dir, env, process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_ready(process: subprocess.Popen[bytes], base_url: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{base_url}/health/ready").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"not ready, exit code {process.poll()}:\n{log.read_text()}")

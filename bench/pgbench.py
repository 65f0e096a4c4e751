"""PostgreSQL's own benchmark on the same cluster, where its program is installed."""

from __future__ import annotations

import re
import shutil
import subprocess

from tests.support.postgres import Server

_RATE = re.compile(r"tps = ([0-9.]+) \(without initial")


def rates(cluster: Server, *, clients: int, seconds: int) -> dict[str, float]:
    """Transactions a second of ``-S``, a read, and ``-N``, a write; empty without pgbench."""
    if shutil.which("pgbench") is None:
        return {}
    url = cluster.url("postgres")
    subprocess.run(["pgbench", "-i", "-q", "-s", "10", url], check=True, capture_output=True)
    found = {}
    for kind in ("-S", "-N"):
        done = subprocess.run(
            ["pgbench", kind, "-M", "prepared", "-c", str(clients), "-T", str(seconds), "-n", url],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        if rate := _RATE.search(done.stdout):
            found[kind] = float(rate[1])
    return found

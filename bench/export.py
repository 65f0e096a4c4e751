"""What a bulk export costs: so many responses downloaded, and the memory of the server meanwhile.

    python -m bench.export [--responses 20000] [--patients 5000] [--database postgresql]

Files of all responses are fetched one after the other, plain and packed. The memory is that of
the server's process, before and at its highest while it streams: it must not grow with a file.
"""

from __future__ import annotations

import argparse
import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench import seeding
from bench.__main__ import stand
from bench.driving import Target
from bench.processes import Process

_MIB = 1024 * 1024


@dataclass(slots=True)
class Peak:
    """The most memory that was seen, in octets."""

    octets: int = 0


def main() -> None:
    """Runs it on both databases and prints what it saw."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--responses", type=int, default=20_000)
    arguments.add_argument("--patients", type=int, default=5_000)
    arguments.add_argument("--database", nargs="*", default=("sqlite", "postgresql"))
    asked = arguments.parse_args()
    few = asked.responses // seeding.EACH
    for dialect in asked.database:
        with stand(dialect) as here:
            here.seed(seeding.clinic(range(few)))
            with here.relay(), here.rapport() as server:
                _measured(f"{dialect}, responses", "QuestionnaireResponse", server, here.target())
            here.seed(seeding.crowd(range(few, asked.patients)))
            with here.relay(), here.rapport() as server:  # each row has a record of its own
                _measured(f"{dialect}, patients", "Patient", server, here.target())


def _measured(name: str, kind: str, server: Process, target: Target) -> None:
    connection = http.client.HTTPConnection(target.host, target.port, timeout=600)
    headers = {"Authorization": f"Bearer {target.token}", "Prefer": "respond-async"}
    _prepared(connection, kind, headers)  # the first one has statements to be made
    began = time.perf_counter()
    files = _prepared(connection, kind, headers)
    prepared, total = time.perf_counter() - began, 0
    for coding in ("identity", "gzip"):
        before = server.memory
        with _watched(server) as peak:
            began, octets, rows = time.perf_counter(), 0, 0
            for url in files:
                connection.request("GET", url, headers={**headers, "Accept-Encoding": coding})
                answer = connection.getresponse()
                while piece := answer.read(65536):
                    octets += len(piece)
                    rows += piece.count(b"\n") if coding == "identity" else 0
            taken = time.perf_counter() - began
        total = rows or total
        print(
            f"{name}, {coding}: {total} rows in {len(files)} files, {octets / _MIB:.1f} MiB, "
            f"{total / taken:.0f} rows/s; prepared in {prepared:.2f} s; "
            f"server {before / _MIB:.0f} MiB before, at most {peak.octets / _MIB:.0f} MiB",
            flush=True,
        )


def _prepared(
    connection: http.client.HTTPConnection, kind: str, headers: dict[str, str]
) -> list[str]:
    """The addresses of the files of an export, asked for and waited for."""
    connection.request("GET", f"/fhir/$export?_type={kind}", headers=headers)
    answer = connection.getresponse()
    answer.read()
    return _files(connection, urlsplit(answer.headers["Content-Location"]).path, headers)


def _files(
    connection: http.client.HTTPConnection, status: str, headers: dict[str, str]
) -> list[str]:
    while True:
        connection.request("GET", status, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status == 200:
            return [urlsplit(item["url"]).path for item in json.loads(body)["output"]]
        time.sleep(0.3)


@contextmanager
def _watched(server: Process) -> Iterator[Peak]:
    """The most memory of a server while something is done."""
    peak, ended = Peak(), threading.Event()

    def watch() -> None:
        while not ended.wait(0.1):
            peak.octets = max(peak.octets, server.memory)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


if __name__ == "__main__":
    main()

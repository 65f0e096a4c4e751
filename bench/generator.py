"""A closed-loop HTTP load generator: ``python -m bench.generator plan.json``.

Each connection sends its next request when the last answer is complete, so a slow server is
offered less, never more. It runs in a process of its own, on raw sockets, and does per answer
only what counting and timing need: the price is the same for every server that it drives.
A plan is ``{"host", "port", "connections", "seconds", "requests": [hex]}``; the result on
standard output ``{"answers", "seconds", "unexpected", "p50", "p99"}``, the last two in
milliseconds. ``unexpected`` counts answers of 400 and above and connections lost.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import uvloop

_END = b"\r\n\r\n"
_PATIENCE = 30.0  # seconds for a first answer
_LENGTH = b"content-length:"


@dataclass(slots=True)
class Tally:
    """What happened in the time that counts."""

    stopping: bool = False
    latencies: list[int] = field(default_factory=list)
    unexpected: int = 0


class Connection(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, requests: Any, tally: Tally) -> None:
        self._requests = requests
        self._tally = tally
        self._transport: Any = None
        self._sent = 0
        self._missing = 0  # octets of the answer still to come; 0: its head is not complete
        self._head = b""
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Begins."""
        self._transport = transport
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends."""
        if not self._tally.stopping:
            self._tally.unexpected += 1
        self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Takes a part of an answer."""
        if self._missing:
            self._missing -= len(data)
        else:
            head = self._head + data if self._head else data
            end = head.find(_END)
            if end < 0:
                self._head = head
                return
            self._head = b""
            if head[9:10] > b"3":
                self._tally.unexpected += 1
            self._missing = end + 4 + _content_length(head[: end + 2]) - len(head)
        if self._missing <= 0:
            self._complete()

    def _complete(self) -> None:
        tally = self._tally
        if tally.stopping:
            self._transport.close()
            return
        tally.latencies.append(time.perf_counter_ns() - self._sent)
        self._send()

    def _send(self) -> None:
        self._missing = 0
        self._sent = time.perf_counter_ns()
        self._transport.write(next(self._requests))


def _content_length(head: bytes) -> int:
    lower = head.lower()
    start = lower.find(_LENGTH)
    if start < 0:
        return 0
    return int(lower[start + len(_LENGTH) : lower.index(b"\r", start)])


async def drive(plan: dict[str, Any]) -> dict[str, Any]:
    """Offers the load of a plan; what came back."""
    requests = cycle([bytes.fromhex(request) for request in plan["requests"]])
    tally = Tally()
    loop = asyncio.get_running_loop()
    gc.disable()
    began = time.perf_counter()
    connections = [
        (
            await loop.create_connection(
                lambda: Connection(requests, tally), plan["host"], plan["port"]
            )
        )[1]
        for _ in range(plan["connections"])
    ]
    await asyncio.sleep(plan["seconds"])
    while not tally.latencies and time.perf_counter() - began < _PATIENCE:
        await asyncio.sleep(0.05)
    seconds = time.perf_counter() - began
    tally.stopping = True
    await asyncio.wait([connection.closed for connection in connections], timeout=10)
    ordered = sorted(tally.latencies)
    return {
        "answers": len(ordered),
        "seconds": seconds,
        "unexpected": tally.unexpected,
        "p50": _percentile(ordered, 0.5),
        "p99": _percentile(ordered, 0.99),
    }


def _percentile(ordered: list[int], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] / 1e6 if ordered else 0.0


if __name__ == "__main__":
    print(json.dumps(uvloop.run(drive(json.loads(Path(sys.argv[1]).read_text())))))

"""Several processes on one PostgreSQL, one of them killed: ``python -m bench.several``.

Callers go from process to process with each request, as behind a proxy without sticky sessions:
what one has written another must find at once. In the middle one process is killed without
warning; a caller whose connection breaks asks the next. Nothing answered may be lost.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from threading import Event

from bench import records, seeding
from bench.__main__ import stand
from bench.clinic import RAPPORT
from bench.driving import Target
from bench.processes import Process, free_port, serving

PROCESSES, CALLERS, WRITES = 3, 4, 60


class Callers:
    """Threads that write at one process and read at the next."""

    def __init__(self, ports: list[int], target: Target) -> None:
        self._ports = ports
        self._target = target
        self.half = Event()
        self.broken = 0
        self.lost: list[str] = []

    def run(self, caller: int) -> None:
        """Writes, and reads back what was answered; starts anywhere."""
        turn = count(caller)
        for number in range(WRITES):
            if number == WRITES // 2:
                self.half.set()
            tree = {**records.response(caller, number), "id": f"w{caller}-{number}"}
            path = f"/QuestionnaireResponse/{tree['id']}"
            status, _ = self._asked(turn, "PUT", path, records.text(tree))
            found, text = self._asked(turn, "GET", path)
            if status not in (200, 201) or found != 200 or json.loads(text)["id"] != tree["id"]:
                self.lost.append(f"{path}: {status}, then {found}")

    def _asked(
        self, turn: count[int], method: str, path: str, body: bytes = b""
    ) -> tuple[int, bytes]:
        while True:
            port = self._ports[next(turn) % len(self._ports)]
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                connection.connect()
                connection.sock.sendall(self._target.request(method, path, body))
                answer = http.client.HTTPResponse(connection.sock, method=method)
                answer.begin()
                return answer.status, answer.read()
            except (OSError, http.client.HTTPException):
                self.broken += 1


def main() -> None:
    """Runs it and says what the callers saw."""
    with stand("postgresql") as here, ExitStack() as stack:
        here.seed(seeding.clinic(range(CALLERS)))
        stack.enter_context(here.relay())
        first = stack.enter_context(here.rapport())
        others = [_another(here.clinic.env, stack) for _ in range(PROCESSES - 1)]
        callers = Callers([first.port, *(each.port for each in others)], here.target())
        with ThreadPoolExecutor(CALLERS) as threads:
            running = [threads.submit(callers.run, caller) for caller in range(CALLERS)]
            callers.half.wait(120)
            others[-1].popen.kill()
            for each in running:
                each.result()
    print(
        f"{PROCESSES} processes, one killed; {CALLERS * WRITES} writes, each read at the next "
        f"process; {callers.broken} connections broke and were tried elsewhere; "
        f"{len(callers.lost)} answers lost or not found"
    )
    for lost in callers.lost:
        print(lost)


def _another(env: Mapping[str, str], stack: ExitStack) -> Process:
    port = free_port()
    here = {**env, "PORT": str(port), "RAPPORT_BASE_URL": f"http://127.0.0.1:{env['PORT']}"}
    command = [str(RAPPORT), "serve", "--no-relay"]
    log = Path(env["RAPPORT_DATA_DIR"]) / "serve.log"
    return stack.enter_context(serving(command, port=port, env=here, log=log, path="/health/ready"))


if __name__ == "__main__":
    main()

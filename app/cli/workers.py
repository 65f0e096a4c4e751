"""Server processes that begin as copies of the one that looked whether it may serve.

It has imported the program by then, so a worker is ready sooner than one that imports it anew,
and the pages of what never changes are the same memory for all.
"""

from __future__ import annotations

import gc
import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.context import ForkProcess
from socket import socket

from uvicorn import Config
from uvicorn._subprocess import subprocess_started
from uvicorn.supervisors import multiprocess

_forking = multiprocessing.get_context("fork")


def fork_workers() -> None:
    """Has uvicorn's supervisor fork its workers, where it would spawn them.

    To be called by a process of one thread and without a running loop: a fork copies neither.
    """
    gc.collect()
    gc.freeze()
    multiprocess.get_subprocess = _forked  # type: ignore[attr-defined, assignment]


def _forked(config: Config, target: Callable[..., None], sockets: list[socket]) -> ForkProcess:
    return _forking.Process(target=_started, args=(config, target, sockets))


def _started(config: Config, target: Callable[..., None], sockets: list[socket]) -> None:
    # Until the server has its own: the supervisor's would only queue a signal for the supervisor.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    subprocess_started(config, target, sockets, stdin_fileno=None)

"""Where tests keep their files: in memory where there is room, since every commit is durable."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOM = 4 << 30  # bytes that must be free


def directory() -> Path | None:
    """A directory in memory, or ``None`` for the machine's usual place."""
    memory = Path("/dev/shm")  # noqa: S108 - what is made inside has a name of its own
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > ROOM
    return memory if roomy else None

"""Where a server's time goes: py-spy looks at it from outside while it is under load."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench.driving import Load, sample
from bench.processes import family

_WAITING = "Condition.wait "  # a thread that has nothing to do, whatever it looks like
_SPY = Path(os.sys.executable).with_name("py-spy")  # type: ignore[attr-defined]


def rooms(pid: int, load: Load, *, seconds: float) -> list[tuple[str, float]]:
    """Shares of the time on CPU by room of ``app/`` or library, the greatest first.

    Each moment counts for the innermost place of the stack that is a room or a library of
    its own. Empty where the machine does not let one process look at another.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        found: Counter[str] = Counter()
        spies = [
            (Path(directory) / str(each), _spy(each, Path(directory) / str(each), seconds))
            for each in family(pid)
        ]
        sample(load, seconds=seconds + 1)
        for path, spy in spies:
            spy.wait()
            if path.exists():
                found.update(_counted(path.read_text().splitlines()))
    total = sum(found.values())
    return [(name, count / total) for name, count in found.most_common()] if total else []


def _spy(pid: int, path: Path, seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [_SPY, "record", "--pid", str(pid), "--duration", str(round(seconds)), "--rate", "250",
         "--format", "raw", "--full-filenames", "--output", str(path)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _counted(lines: Sequence[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        if not frames[-1].startswith(_WAITING):
            found[_place(frames)] += int(count)
    return found


def _place(stack: Sequence[str]) -> str:
    for frame in reversed(stack):
        path = frame.partition("(")[2].rpartition(":")[0]
        if "/app/" in path:
            parts = path.partition("/app/")[2].split("/")
            return f"app/{parts[0]}/{parts[1]}" if len(parts) > 1 else f"app/{parts[0]}"
        if "/site-packages/" in path:
            return path.partition("/site-packages/")[2].split("/")[0]
    return "python"

"""What files hold, read by another process.

A process that closes a file loses every lock it has on it, those of SQLite's connections too:
whoever opens the database next takes it for unused and throws its log away.
https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
"""

from __future__ import annotations

import subprocess
from pathlib import Path


def octets(file: Path) -> bytes:
    """The octets of a file, none where there is no file any more."""
    return subprocess.run(["cat", "--", str(file)], capture_output=True, check=False).stdout

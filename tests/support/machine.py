"""What a test needs of the machine: without it, it is skipped with its reason, or fails."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

REQUIRED = "RAPPORT_TEST_BROWSER"


def need(present: bool, *, reason: str) -> None:
    """Skips what cannot be had here; ``make test-browser`` counts that as a failure."""
    if not present:
        (pytest.fail if os.environ.get(REQUIRED) == "required" else pytest.skip)(reason)


def has(*programs: str) -> bool:
    """Whether all of these programs are installed, on the machine or with the tests."""
    return all(map(program, programs))


def program(name: str) -> str | None:
    """Where a program is: the machine's own, or what came with the tests' dependencies."""
    return shutil.which(name) or shutil.which(name, path=Path(sys.executable).parent)

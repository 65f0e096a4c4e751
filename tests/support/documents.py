"""The commands that the documents show: fenced blocks marked ``sh test``."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```sh test\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(text: str) -> str:
    """One shell script: a document's blocks in their order, as a reader would paste them."""
    return "".join(_BLOCK.findall(text))


def documents() -> list[Path]:
    """The documents that show commands to be run."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path for path in found if commands(path.read_text())]

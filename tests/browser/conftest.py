"""Every test here needs a browser."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.machine import has, need


@pytest.fixture(scope="session", autouse=True)
def browser_is_here() -> None:
    need(has("chromium", "chromedriver"), reason="needs chromium and chromedriver")


@pytest.fixture(scope="session")
def credentials(demo) -> dict[str, Any]:
    """The demo clinic's users and clients."""
    return json.loads((demo.data_dir / "demo" / "credentials.json").read_text())

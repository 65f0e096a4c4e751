"""The API's description in the repository is the one that the program gives."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.serving import environment, rapport

KEPT = Path(__file__).parents[2] / "openapi" / "openapi.json"


def test_the_description_has_not_drifted(tmp_path: Path):
    written = tmp_path / "openapi.json"
    rapport("openapi", "export", str(written), env=environment(tmp_path))
    assert json.loads(KEPT.read_bytes()) == json.loads(written.read_bytes()), "run make openapi"

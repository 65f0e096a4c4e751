"""What the documents tell a reader to type works as it is printed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app.core.config import Settings
from tests.support.documents import ROOT, commands, documents
from tests.support.serving import RAPPORT, Serving


def test_blocks_are_found_in_order():
    text = "a\n```sh test\none\n```\nb\n```sh\nnot this\n```\n```sh test\ntwo\nthree\n```\n"
    assert commands(text) == "one\ntwo\nthree\n"


def test_the_readme_shows_commands():
    assert ROOT / "README.md" in documents()


@pytest.mark.skipif(shutil.which("curl") is None, reason="the documents use curl")
@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_commands_run_as_printed(document: Path, demo: Serving, tmp_path: Path):
    script = (
        commands(document.read_text())
        .replace("http://127.0.0.1:8000", demo.base_url)
        .replace("var/", f"{demo.data_dir}/")
        .replace(".venv/bin/", f"{RAPPORT.parent}/")
    )
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=dict(demo.environment),
        cwd=ROOT,
        check=False,
        text=True,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    if document.name == "README.md":  # the last thing printed is the score of the answers sent
        score = json.loads(done.stdout[done.stdout.rindex('{"resourceType":"Bundle"') :])
        observation = score["entry"][0]["resource"]
        sent = json.JSONDecoder().raw_decode(done.stdout)[0]
        assert observation["valueQuantity"]["value"] == 75
        assert observation["derivedFrom"] == [{"reference": f"QuestionnaireResponse/{sent['id']}"}]


def test_a_program_shown_is_one_that_runs():
    told = (ROOT / "docs" / "clients.md").read_text()
    shown = re.findall(r"^```\w+ (\S+\.\w+)\n(.*?)^```", told, re.MULTILINE | re.DOTALL)
    assert len(shown) == 3
    for name, block in shown:
        lines = [line.strip() for line in block.splitlines()]
        program = (ROOT / "examples" / "clients" / name).read_text()
        assert "\n".join(lines) in "\n".join(line.strip() for line in program.splitlines()), name


def test_every_setting_is_in_the_handbook():
    told = (ROOT / "docs" / "operation.md").read_text()
    names = {
        str(field.validation_alias or f"RAPPORT_{name.upper()}")
        for name, field in Settings.model_fields.items()
    }
    assert {name for name in names if f"`{name}`" not in told} == set()
    variables = set(re.findall(r"^\| .*", told, re.MULTILINE))
    claimed = {word for line in variables for word in re.findall(r"`(RAPPORT_[A-Z_]+)`", line)}
    assert claimed <= names

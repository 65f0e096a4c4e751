"""The benchmark runs and tells what it promises; how fast anything is belongs to nobody's tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from bench.measures import at_least, at_most, line, measure, table

ROOT = Path(__file__).parents[2]
PARTS = ["validation", "read", "search", "write", "profile", "alliance"]


def test_a_small_run_tells_every_figure_once_and_last_as_json() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "bench",
            "--size",
            "smoke",
            "--database",
            "sqlite",
            "--only",
            *PARTS,
        ],
        cwd=ROOT,
        env={**os.environ, "BENCH_GENERATOR": "own", "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    *printed, last = done.stdout.splitlines()
    found = json.loads(last)["measures"]
    assert all(
        set(each) == {"name", "database", "workers", "value", "unit", "reference", "goal", "met"}
        for each in found
    )
    told = {(each["name"], each["unit"]): each for each in found}
    assert len(told) == len(found)
    for name, reference in (("GET by id", "raw"), ("POST", "insert")):
        ratio = told[name, "ratio"]
        assert (ratio["database"], ratio["workers"], ratio["reference"]) == ("sqlite", 1, reference)
        assert ratio["goal"].startswith("at least")
        assert ratio["value"] > 0
        assert told[name, "answers/s"]["value"] > 0
    assert told["transaction of 20, server CPU of each", "ratio"]["goal"] == "at most 0.5"
    assert told["answer of 22 items, all that follows it", "ms CPU, server"]["goal"] == "at most 30"
    assert told["trend of 12 sessions", "ms p50"]["goal"] == "at most 50"
    assert told["rescoring, every score new", "responses/s"]["goal"] == "at least 1000"
    assert sum("GET by id" in row for row in printed) >= 4
    for kind in ("read", "search", "create"):
        assert any(row.startswith(f"sqlite, {kind}: ") for row in printed), kind


def test_a_figure_is_held_against_its_goal() -> None:
    kept = measure("GET", "sqlite", 1, 0.61234, "ratio", reference="raw", goal=at_least(0.6))
    missed = measure("start", "sqlite", 2, 3.2, "s", goal=at_most(3))
    free = measure("raw", "sqlite", 1, 1234.56, "answers/s")
    assert (kept.met, missed.met, free.met) == (True, False, None)
    rows = table([kept, missed, free]).splitlines()
    assert " ".join(rows[1].split()) == "GET sqlite 1 0.6123 ratio raw at least 0.6 met"
    assert " ".join(rows[2].split()) == "start sqlite 2 3.2 s at most 3 MISSED"
    assert json.loads(line([free]))["measures"][0]["goal"] is None

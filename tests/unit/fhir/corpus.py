"""The corpora of legal and forbidden resources, read from the files beside this one.

A case is a whole ``resource``, or a ``type`` whose base is changed ``with`` a merge patch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.fhir.json import parse, parse_resource

HERE = Path(__file__).parent
BASES: dict[str, Any] = parse_resource((HERE / "bases.json").read_bytes())


def cases(folder: str) -> list[Any]:
    """Every case of a folder, ``tree`` and ``name`` filled in."""
    return [
        case | {"tree": tree(case), "name": f"{path.stem}: {case['why']}"}
        for path in sorted((HERE / folder).glob("*.ndjson"))
        for line in path.read_bytes().splitlines()
        for case in [parse(line)]
    ]


def tree(case: Any) -> Any:
    return case["resource"] if "resource" in case else merged(BASES[case["type"]], case["with"])


def merged(base: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(base) if isinstance(base, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result

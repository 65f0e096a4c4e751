"""What the search index holds of confidential data: hashes of tokens, and no text or number.

``definitions/index.json`` names the types. A token is found by the keyed hash (BLAKE2b) of what
is asked for, another under each parameter; so the index tells who has equal values, not which.
References and dates stand as they are. What is not indexed is looked for in ``hidden.py``.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib import resources
from typing import Any, Final

from app.fhir import json
from app.fhir.registry import REGISTRY, by_code, param_id
from app.search.expression import Keyed, Scalar, Test

FORM_FACT: Final = "index-form"  # the fact of an installation: how its index was made

_NO_SYSTEM = 0
_PARTS: Mapping[str, tuple[str, ...]] = {
    "code": ("code",),
    "system": ("system",),
    "both": ("system", "code"),
    "pairs": ("code", "pair"),
}
_UNINDEXED = ("idx_string", "idx_quantity")
_CLASS: Final = param_id("Resource", "data-class")  # no search parameter: a column of its own
_HASHED: Final = "~"  # no system or canonical begins with it


class IndexKey:
    """The secret under which an installation's index is hashed, another for each tenant."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._code = lru_cache(maxsize=65536)(self._hashed_code)
        self._class = lru_cache(maxsize=16384)(self._hashed_line)
        self._system = lru_cache(maxsize=16384)(self._hashed_system)

    def hashed(self, tenant: int, keyed: Keyed) -> Scalar | tuple[Scalar, ...]:
        """What stands in the index for what is asked."""
        if isinstance(keyed.value, tuple):
            return tuple([self._one(tenant, keyed, each) for each in keyed.value])
        return self._one(tenant, keyed, keyed.value)

    def code(self, tenant: int, param: int, code: str) -> str:
        """The hash of a code; that a value is there at all stays visible."""
        return self._code(tenant, param, code) if code else code

    def system(self, tenant: int, param: int, system: int) -> int:
        """The hash of a system's number; that there is none stays visible."""
        return self._system(tenant, param, system) if system != _NO_SYSTEM else system

    def data_class(self, tenant: int, lines: str) -> str:
        """What kind of data something is, each line hashed; a line that is stays as it is."""
        return "\n".join([self._line(tenant, line) for line in lines.split("\n")])

    def _line(self, tenant: int, line: str) -> str:
        if not line or (line.startswith(_HASHED) and "|" not in line):
            return line
        return self._class(tenant, line)

    def _hashed_line(self, tenant: int, line: str) -> str:
        digest = self._digest(tenant, _CLASS, b"c" + line.encode(), 15)
        return _HASHED + base64.urlsafe_b64encode(digest).decode()

    def _one(self, tenant: int, keyed: Keyed, value: Scalar) -> Scalar:
        if keyed.part == "code":
            return self.code(tenant, keyed.param, str(value))
        if keyed.part == "system":
            return self.system(tenant, keyed.param, int(value or 0))
        system, _, code = str(value).partition("|")
        hashed = self.system(tenant, keyed.param, int(system))
        return f"{hashed}|{self.code(tenant, keyed.param, code)}"

    def _hashed_code(self, tenant: int, param: int, code: str) -> str:
        return base64.b85encode(self._digest(tenant, param, b"c" + code.encode(), 15)).decode()

    def _hashed_system(self, tenant: int, param: int, system: int) -> int:
        digest = self._digest(tenant, param, b"s" + str(system).encode(), 8)
        return int.from_bytes(digest, "big", signed=True) or 1

    def _digest(self, tenant: int, param: int, text: bytes, size: int) -> bytes:
        about = f"{tenant}|{param}|".encode()
        return hashlib.blake2b(about + text, key=self._octets, digest_size=size).digest()


@cache
def _rules() -> json.Tree:
    return json.parse_resource(
        resources.files("app.definitions").joinpath("index.json").read_bytes()
    )


@cache
def form() -> str:
    """The form of the index that this version makes: of another it finds what it asks no more.

    ``reading`` is counted up where the same resources are read otherwise: 2 since a reference
    with the own base URL or a version means whom a short one means.
    """
    names = ("reading", "keyed", "keyedEverywhere", "keyedColumns")
    hashed = {name: _rules()[name] for name in names}
    return hashlib.sha256(json.dumps(hashed)).hexdigest()[:16]


@cache
def _keyed_kinds() -> frozenset[int]:
    return frozenset(REGISTRY[name].code for name in _rules()["keyed"])


def is_confidential(kind: int) -> bool:
    """Whether the values of a type's resources are kept out of the index."""
    return kind in _keyed_kinds()


def is_keyed(kind: int, code: str) -> bool:
    """Whether the tokens of a parameter are hashed."""
    if code in _rules()["keyedEverywhere"]:
        return by_code(kind).store == "resource"
    return is_confidential(kind)


@cache
def answers() -> frozenset[str]:
    """The parameters whose tokens are answers, or tell who somebody is elsewhere."""
    return frozenset(_rules()["answers"])


def keyed_tests(kind: int, code: str, index: str, tests: Iterable[Test]) -> tuple[Test, ...]:
    """Tests of tokens as they are asked of hashes."""
    owner = "Resource" if code.startswith("_") else by_code(kind).name
    param = param_id(owner, code + index)
    return tuple([_keyed(test, param) for test in tests])


def _keyed(test: Test, param: int) -> Test:
    parts = _PARTS[test.form]
    values = [
        Keyed(param, part, value) if isinstance(value, str | int | tuple) else value
        for part, value in zip(parts, test.values, strict=True)
    ]
    return Test(test.form, tuple(values))


@cache
def _common() -> frozenset[int]:
    return frozenset(param_id("Resource", code) for code in _rules()["keyedEverywhere"])


def at_rest(
    rows: Mapping[str, list[dict[str, Any]]], *, tenant: int, kind: int, key: IndexKey
) -> Mapping[str, list[dict[str, Any]]]:
    """The index rows of a resource, by table, as they are stored."""
    if by_code(kind).store != "resource":
        return rows
    confidential = is_confidential(kind)
    kept = {
        name: found
        for name, found in rows.items()
        if not (confidential and name in _UNINDEXED) and name != "idx_token"
    }
    if tokens := rows.get("idx_token"):
        kept["idx_token"] = [
            _hashed(row, tenant, key) if confidential or row["param"] in _common() else row
            for row in tokens
        ]
    return kept


def _hashed(row: dict[str, Any], tenant: int, key: IndexKey) -> dict[str, Any]:
    param = row["param"]
    return {
        **row,
        "code": key.code(tenant, param, row["code"]),
        "system": key.system(tenant, param, row["system"]),
    }

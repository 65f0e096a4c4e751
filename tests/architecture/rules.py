"""House rules that imports cannot show, read off the syntax tree.

A rule says where in ``app/`` something may stand and recognises it elsewhere; its own examples,
good and bad, are its test.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
APP = ROOT / "app"
MAXIMUM_LINES = 350
VAGUE = frozenset({"utils", "util", "helpers", "helper", "common", "manager", "managers", "base"})

Offence = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Rule:
    """``find`` yields the places of what may stand under ``allowed`` only."""

    name: str
    allowed: tuple[str, ...]
    find: Callable[[ast.Module], Iterator[Offence]]
    bad: tuple[str, ...]
    good: tuple[str, ...]
    within: str = "app"

    def covers(self, path: Path) -> bool:
        """Whether the rule binds a file, given from the project's root."""
        place = path.as_posix()
        return place.startswith(self.within) and not place.startswith(self.allowed)


def offences(rule: Rule, source: str) -> list[Offence]:
    """Where a source text breaks a rule: line and what stands there."""
    return sorted(set(rule.find(ast.parse(source))))


def _name(node: ast.AST) -> str:
    """The dotted name of an expression: ``os.environ``; empty where it has none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = _name(node.value)
        return f"{inner}.{node.attr}" if inner else f"?.{node.attr}"
    return ""


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, _name(node.func)


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of everything imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


_TRANSACTION = re.compile(
    r"\s*(BEGIN(\s+(IMMEDIATE|EXCLUSIVE|TRANSACTION))?|COMMIT|ROLLBACK)\s*;?\s*"
)


def _transactions(tree: ast.Module) -> Iterator[Offence]:
    for call, name in _calls(tree):
        if name.endswith((".commit", ".rollback")):
            yield call.lineno, name
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and _TRANSACTION.fullmatch(node.value)
        ):
            yield node.lineno, node.value


def _opened(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The calls that an ``async with`` enters."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncWith):
            for item in node.items:
                if isinstance(item.context_expr, ast.Call):
                    yield item.context_expr.lineno, _name(item.context_expr.func)


def _write_transactions(tree: ast.Module) -> Iterator[Offence]:
    for line, name in _opened(tree):
        if re.search(r"(database|db)\.write$", name):
            yield line, name


def _units(tree: ast.Module) -> Iterator[Offence]:
    for line, name in _opened(tree):
        if name.endswith((".write", ".read", ".snapshot")):
            yield line, name


_AMBIENT = (
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns",
    "uuid.uuid1", "uuid.uuid4", "uuid1", "uuid4", "os.urandom", "os.getenv", "os.environ",
)  # fmt: skip


def _ambient(tree: ast.Module) -> Iterator[Offence]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Name, ast.Attribute)):
            name = _name(node)
            if any(name == known or name.endswith(f".{known}") for known in _AMBIENT):
                yield node.lineno, name
    for line, name in _imports(tree):
        if name.split(".")[0] in {"secrets", "random"} or name in {"os.environ", "uuid.uuid4"}:
            yield line, name


def _jose(tree: ast.Module) -> Iterator[Offence]:
    for line, name in _imports(tree):
        if name.split(".")[0] == "jose":
            yield line, name


def _prints(tree: ast.Module) -> Iterator[Offence]:
    for call, name in _calls(tree):
        if name in {"print", "typer.echo"}:
            yield call.lineno, name


def _blind_reads(tree: ast.Module) -> Iterator[Offence]:
    """Public coroutines of a repository that do not require ``visible``."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.AsyncFunctionDef):
            continue
        if node.name.startswith("_") or node.name in {"changes", "flush"}:
            continue
        required = {
            argument.arg
            for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            if default is None
        }
        if "visible" not in required:
            yield node.lineno, node.name


RULES = (
    Rule(
        name="a transaction begins and ends in db, at the word of the unit of work",
        allowed=("app/db/", "app/repositories/unit_of_work.py"),
        find=_transactions,
        bad=("session.commit()", "await self.raw.rollback()", "run('BEGIN IMMEDIATE')"),
        good=("x = 'BEGIN by reading'", "commit = 1", "unit.committed()"),
    ),
    Rule(
        name="only the unit of work opens a transaction that writes",
        allowed=(
            "app/db/",
            "app/repositories/unit_of_work.py",
            "app/repositories/allocator.py",  # numbers are taken outside of any unit
            "app/repositories/leases.py",  # and so are leases
            "app/services/backups.py",  # a restore fills a database that nobody uses yet
        ),
        find=_write_transactions,
        bad=("async def f():\n async with self._database.write() as c: ...",),
        good=(
            "async def f():\n async with units.write() as unit: ...",
            "async def f():\n async with database.read() as c: ...",
        ),
    ),
    Rule(
        name="an interaction works in the unit that the pipeline opened",
        within="app/interactions/",
        allowed=(
            "app/interactions/pipeline.py",
            "app/interactions/relay.py",
            "app/interactions/deliverer.py",
        ),
        find=_units,
        bad=("async def f():\n async with self.units.write() as unit: ...",),
        good=("async def f():\n await unit.resources.read(kind, id)",),
    ),
    Rule(
        name="time, identifiers, randomness and the environment are injected",
        allowed=("app/core/",),
        find=_ambient,
        bad=(
            "datetime.now(UTC)", "import datetime\ndatetime.datetime.now()", "time.time()",
            "now = time.time_ns", "uuid.uuid4()", "from uuid import uuid4", "import secrets",
            "from secrets import token_bytes", "os.environ['HOME']", "from os import environ",
            "os.getenv('HOME')", "import random",
        ),
        good=("clock.now()", "time.monotonic()", "uuid.uuid5(space, name)", "os.fspath(p)"),
    ),
    Rule(
        name="JWTs are python-jose's, behind one door",
        allowed=("app/security/jose.py",),
        find=_jose,
        bad=("import jose", "from jose import jwt", "from jose.exceptions import JWTError"),
        good=("from app.security import jose", "from app.security.jose import verify"),
    ),
    Rule(
        name="only a command prints",
        allowed=(
            "app/cli/",
        ),
        find=_prints,
        bad=("print('here')", "typer.echo('there')"),
        good=("printer.feed()", "log.info('here')"),
    ),
    *(
        Rule(
            name=f"a read of {module} says for whom",
            within=f"app/repositories/{module}.py",
            allowed=(),
            find=_blind_reads,
            bad=(
                "async def read(self, kind, id): ...",
                "async def read(self, kind, id, visible): ...",
                "async def read(self, kind, id, *, visible=None): ...",
            ),
            good=(
                "async def read(self, kind, id, *, visible): ...",
                "async def flush(self): ...",
                "async def _rows(self): ...",
            ),
        )
        for module in ("resources", "histories", "searches")
    ),
)  # fmt: skip

"""Triggers that turn a clinic's access stamp with every change to who may see what.

They are in the database so that nobody can forget them: a command, a restore or a statement by
hand turns the stamp as a request does, in the same transaction. On PostgreSQL they wait for the
transaction's end, so that it holds the stamp's row no longer than it takes to commit, and a
stamp is the number of the transaction that turned it; on SQLite, which has one writer, it counts.

The statements may be run again: they replace what they find.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from app.db.row_security import seeing_all

# What is read when a token or a Consent decides, and which changes to it can change the answer:
# a new token, client, person, grant or key changes nothing for a token that is out.
WATCHED: Final[Mapping[str, tuple[str, ...]]] = {
    "tenant": ("INSERT", "UPDATE"),
    "client": ("UPDATE", "DELETE"),
    "account": ("UPDATE", "DELETE"),
    "access_grant": ("UPDATE", "DELETE"),
    "issued_token": ("UPDATE", "DELETE"),
    "signing_key": ("UPDATE", "DELETE"),
    "consent_rule": ("INSERT", "UPDATE", "DELETE"),
    "membership": ("INSERT", "UPDATE", "DELETE"),
    "broken_glass": ("INSERT", "UPDATE", "DELETE"),
}
_OF_ALL: Final = "signing_key"  # signs for every clinic
_COUNTED: Final = "stamp + 1"
_NUMBERED: Final = "pg_current_xact_id()::text::bigint"


def _name(table: str, verb: str) -> str:
    return f"{table}_{verb.lower()}_stamped"


def _work(table: str, verb: str, turn: str) -> str:
    """What turns the stamps that a changed row concerns, once a transaction where that is told."""
    if table == "tenant" and verb == "INSERT":
        return (
            "INSERT INTO access_stamp (tenant, stamp) VALUES (NEW.id, 1) "  # noqa: S608 - our own
            f"ON CONFLICT (tenant) DO UPDATE SET stamp = {turn}"
        )
    key = f"{'OLD' if verb == 'DELETE' else 'NEW'}.{'id' if table == 'tenant' else 'tenant'}"
    whose = "" if table == _OF_ALL else f" AND tenant = {key}"
    return f"UPDATE access_stamp SET stamp = {turn} WHERE stamp <> {turn}{whose}"  # noqa: S608


def _sqlite(table: str, verb: str) -> Iterator[str]:
    name = _name(table, verb)
    yield f"DROP TRIGGER IF EXISTS {name}"
    work = _work(table, verb, _COUNTED)
    yield f"CREATE TRIGGER {name} AFTER {verb} ON {table} BEGIN {work}; END"


def _postgresql(table: str, verb: str) -> Iterator[str]:
    name, work = _name(table, verb), _work(table, verb, _NUMBERED)
    yield (
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql "
        f"AS $$ {seeing_all(work)} $$"
    )
    yield f"DROP TRIGGER IF EXISTS {name} ON {table}"
    yield (
        f"CREATE CONSTRAINT TRIGGER {name} AFTER {verb} ON {table} "
        f"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {name}()"
    )


def statements(dialect: str) -> Iterator[str]:
    """Every statement for a database whose tables exist."""
    made = _sqlite if dialect == "sqlite" else _postgresql
    for table, verbs in WATCHED.items():
        for verb in verbs:
            yield from made(table, verb)


def removal(dialect: str) -> Iterator[str]:
    """What takes them away again."""
    for table, verbs in WATCHED.items():
        for verb in verbs:
            name = _name(table, verb)
            if dialect == "sqlite":
                yield f"DROP TRIGGER {name}"
            else:
                yield f"DROP TRIGGER {name} ON {table}"
                yield f"DROP FUNCTION {name}()"

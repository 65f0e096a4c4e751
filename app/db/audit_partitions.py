"""Partitions of the audit log by month, and how old records leave. For the owner alone.

Any record fits the default partition, so a month without its own is no outage: whatever the
default holds becomes a partition of its past, and a new default takes its place. Records leave
with their whole partition; on SQLite they are deleted while the trigger is away. Their leaves
stay, so the tree proves itself without them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from app.core.clock import EPOCH
from app.db import append_only
from app.db.tables.audit import audit_event

AHEAD = 3  # months that have a partition before they begin
_BOUNDS = re.compile(r"FROM \((?P<low>MINVALUE|'-?\d+')\) TO \('(?P<high>-?\d+)'\)")
_FIRST = -(2**63)


def make_partitions(connection: Connection, *, now: int) -> list[str]:
    """Makes what is missing for this month and the next ones; the names of new partitions."""
    made = []
    covered = max((high for _, _, high in _partitions(connection)), default=_FIRST)
    low, high = _held_by_default(connection)
    if low is not None and high is not None:
        if low < covered:
            # Records from before the partitions: only a clock that was wrong makes such.
            return []
        covered = _month(high, 1)
        made.append(_close_default(connection, until=covered))
    for ahead in range(AHEAD + 1):
        start, end = _month(now, ahead), _month(now, ahead + 1)
        if end > covered:
            name = f"audit_event_{_date(start):%Y_%m}"
            bounds = f"FOR VALUES FROM ({max(start, covered)}) TO ({end})"
            _run(connection, f"CREATE TABLE {name} PARTITION OF audit_event {bounds}")
            made.append(name)
    return made


def drop_before(connection: Connection, before: int) -> int:
    """Removes records older than an instant; from which one on they are kept.

    On PostgreSQL whole partitions leave, so some that are older stay.
    """
    if connection.dialect.name == "sqlite":
        _run(connection, "DROP TRIGGER audit_event_no_delete")
        connection.execute(
            text("DELETE FROM audit_event WHERE recorded < :before"), {"before": before}
        )
        for statement in append_only.sqlite_statements(audit_event):
            _run(connection, statement)
        return before
    kept = 0
    for name, _, high in _partitions(connection):
        if high <= before:
            _run(connection, f"DROP TABLE {name}")
            kept = max(kept, high)
    return kept


def leaves_from(connection: Connection, before: int) -> int:
    """What ``drop_before`` would answer, without doing it."""
    if connection.dialect.name == "sqlite":
        return before
    return max((high for _, _, high in _partitions(connection) if high <= before), default=0)


def _partitions(connection: Connection) -> list[tuple[str, int, int]]:
    """Name, low and high bound of each partition but the default, the oldest first."""
    rows = connection.execute(
        text(
            "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i "
            "JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'audit_event'::regclass"
        )
    )
    found = []
    for name, bounds in rows:
        match = _BOUNDS.search(bounds)
        if match:
            low = match["low"]
            found.append(
                (name, _FIRST if low == "MINVALUE" else int(low.strip("'")), int(match["high"]))
            )
    return sorted(found, key=lambda each: each[2])


def _held_by_default(connection: Connection) -> tuple[int | None, int | None]:
    low, high = connection.execute(
        text("SELECT min(recorded), max(recorded) FROM audit_event_default")
    ).one()
    return low, high


def _close_default(connection: Connection, *, until: int) -> str:
    """Makes what the default holds a partition of its own, and a new default."""
    covered = max((high for _, _, high in _partitions(connection)), default=None)
    low = "MINVALUE" if covered is None else str(covered)
    name = f"audit_event_before_{_date(until):%Y_%m}"
    _run(connection, "ALTER TABLE audit_event DETACH PARTITION audit_event_default")
    _run(connection, f"ALTER TABLE audit_event_default RENAME TO {name}")
    indexes = text("SELECT indexname FROM pg_indexes WHERE tablename = :name")
    for (index,) in connection.execute(indexes, {"name": name}).all():
        renamed = index.replace("default", f"{_date(until):%Y_%m}")
        _run(connection, f"ALTER INDEX {index} RENAME TO {renamed}")
    _run(
        connection,
        f"ALTER TABLE audit_event ATTACH PARTITION {name} FOR VALUES FROM ({low}) TO ({until})",
    )
    _run(connection, "CREATE TABLE audit_event_default PARTITION OF audit_event DEFAULT")
    return name


def _month(micros: int, ahead: int) -> int:
    date = _date(micros)
    months = date.year * 12 + date.month - 1 + ahead
    start = datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)
    return (start - EPOCH) // timedelta(microseconds=1)


def _date(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def _run(connection: Connection, statement: str) -> None:
    connection.exec_driver_sql(statement)

"""Years of a clinic's audit log at once, made by PostgreSQL itself.

A record is what the server would have written: the shares of reading, searching, writing and
logging in, clients who come for some months and go, each with a therapist of their own, few
refusals, and kinds that happen once in a while. What a request would do around it is left out,
and the tree: rows are added with the triggers off and the indexes away, which are made again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

import asyncpg

from app.core.clock import EPOCH
from app.fhir.registry import REGISTRY
from app.search.folding import fold

MONTHS: Final = 24
PATIENTS: Final = 20_000
THERAPISTS: Final = 60
_THERE: Final = PATIENTS * 8 // MONTHS  # who come in a month, for about eight of them
# The most frequent first: an event and its share in a hundred thousand.
_SHARES: Final = (
    ("read", 54_000), ("search-type", 25_000), ("create", 8_000), ("operation", 3_000),
    ("update", 3_000), ("vread", 1_500), ("history-instance", 500), ("token-issued", 2_500),
    ("login", 1_500), ("token-refreshed", 700), ("logout", 200), ("consent-decision", 50),
    ("audit-used", 40), ("break-glass", 5), ("account-changed", 3), ("key-rotated", 2),
)  # fmt: skip
_KINDS: Final = {name: entry.code for name, entry in REGISTRY.items()}
_GIVEN: Final = ("Amina", "Björn", "Chiara", "Dalia", "Emre", "Fatma", "Greta", "Hassan")
_FAMILY: Final = ("Keller", "Haddad", "Moreau", "Okafor", "Lindqvist", "Sato", "Novak", "Rossi")


async def fill(url: str, *, tenant: int, count: int, site: str) -> None:
    """Adds about ``count`` records of a clinic over the months past; ``url`` is a superuser's."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET session_replication_role = replica")  # no triggers
        await connection.execute("SET synchronous_commit = off")
        await connection.execute("SET maintenance_work_mem = '512MB'")
        indexes = await connection.fetch(_INDEXES)
        for index in indexes:
            await connection.execute(f"DROP INDEX {index['name']}")
        await connection.execute(_SHARED)
        await connection.executemany("INSERT INTO pg_temp.share VALUES ($1, $2, $3)", _bands())
        await connection.executemany("INSERT INTO pg_temp.person VALUES ($1, $2, $3)", _people())
        for number, (low, high) in enumerate(_months()):
            await _month(connection, number, low, high, tenant, count // MONTHS, site)
        for index in indexes:
            await connection.execute(index["definition"].replace(" ON ONLY ", " ON "))
        await connection.execute("VACUUM ANALYZE audit_event")
    finally:
        await connection.close()


async def _month(
    connection: asyncpg.Connection, number: int, low: datetime, high: datetime, tenant: int,
    count: int, site: str,
) -> None:  # fmt: skip
    start, end = (round((each - EPOCH) / timedelta(microseconds=1)) for each in (low, high))
    name = f"audit_event_{low:%Y_%m}"
    await connection.execute(
        f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF audit_event "
        f"FOR VALUES FROM ({start}) TO ({end})"
    )
    await connection.execute(_RECORDS, tenant, start, end - start, count, number, site)


def _months() -> list[tuple[datetime, datetime]]:
    """The months that are over, the oldest first."""
    now = datetime.now(UTC)
    first = now.year * 12 + now.month - 1 - MONTHS
    months = range(first, first + MONTHS + 1)
    return list(pairwise(datetime(n // 12, n % 12 + 1, 1, tzinfo=UTC) for n in months))


def _bands() -> list[tuple[str, float, float]]:
    total, low = sum(share for _, share in _SHARES), 0
    bands = []
    for event, share in _SHARES:
        bands.append((event, low / total, (low + share) / total))
        low += share
    return bands


def _people() -> list[tuple[int, str, str]]:
    names = [
        f"{_GIVEN[n % len(_GIVEN)]} {_FAMILY[n // len(_GIVEN) % len(_FAMILY)]}"
        for n in range(THERAPISTS)
    ]
    return [(n, name, fold(name)) for n, name in enumerate(names)]


_INDEXES = """
SELECT indexname AS name, indexdef AS definition FROM pg_indexes
WHERE tablename = 'audit_event' AND indexname LIKE 'ix_%'
"""
_SHARED = """
CREATE TEMPORARY TABLE share (event text, low float8, high float8);
CREATE TEMPORARY TABLE person (number int, name text, folded text)
"""
# One row for each number: whose record it is, who looked, and what became of it.
_RECORDS = f"""
INSERT INTO audit_event (
    tenant, recorded, aid, form, event, outcome, reason, site, actor_kind, actor_id, subject, name,
    role, client, token, address, purpose, entity_kind, entity_id, entity_version, patient, query,
    request, decision, basis, folded, salt, commitment)
SELECT $1, $2::bigint + ($3::bigint * (g - 1) / $4) / 1000 * 1000, (random() * 9e18)::bigint, 1,
    event, CASE WHEN failed THEN '8' ELSE '0' END, CASE WHEN failed THEN 'forbidden' END, $6,
    CASE WHEN own THEN {_KINDS["Patient"]} ELSE {_KINDS["Practitioner"]} END,
    CASE WHEN own THEN 'p' || patient ELSE 't' || person.number END,
    md5((own, patient, person.number)::text), CASE WHEN own THEN 'Client ' || patient ELSE name END,
    CASE WHEN own THEN 'client' WHEN person.number < 2 THEN 'supervisor' ELSE 'therapist' END,
    'app', substr(md5((g / 40)::text || $5::text), 1, 22), '192.0.2.' || (person.number + 1),
    CASE WHEN event = 'break-glass' THEN 'BTG' WHEN own THEN 'PATRQT' ELSE 'TREAT' END,
    CASE WHEN of_record AND event <> 'search-type' THEN {_KINDS["Observation"]} END,
    CASE WHEN of_record AND event <> 'search-type' THEN 'o' || (patient * 100 + g % 100) END,
    CASE WHEN of_record AND event <> 'search-type' THEN 1 END,
    CASE WHEN of_record THEN 'p' || patient END,
    CASE WHEN event = 'search-type' THEN 'GET /fhir/Observation?patient=Patient/p' || patient END,
    substr(md5(g::text), 1, 20), CASE WHEN failed THEN 'deny' ELSE 'permit' END,
    CASE WHEN own THEN 'scope' ELSE 'care-relationship' END,
    CASE WHEN own THEN 'client ' || patient ELSE folded END,
    decode(md5(g::text || 's'), 'hex'), decode(md5(g::text || 'a') || md5(g::text || 'b'), 'hex')
FROM (
    SELECT g, share.event, random() < 0.015 AS failed, random() < 0.1 AS own,
        share.event IN ('read', 'search-type', 'create', 'operation', 'update', 'vread',
            'history-instance', 'break-glass') AS of_record,
        ($5 * {PATIENTS // MONTHS} + floor(power(random(), 1.5) * {_THERE})::int) % {PATIENTS}
            AS patient
    FROM (SELECT g, random() AS r FROM generate_series(1, $4) AS g OFFSET 0) AS drawn
    JOIN pg_temp.share AS share ON r >= share.low AND r < share.high
) AS made
JOIN pg_temp.person AS person ON person.number = made.patient % {THERAPISTS}
"""

"""How long an auditor waits for an answer out of years of records, on PostgreSQL.

Every parameter that R4 gives AuditEvent is asked over HTTP, alone and with a month, by one
auditor, newest first; then the pages of the console. Each question goes round many patients,
people and months.
"""

from __future__ import annotations

import asyncio
import http.client
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import cycle
from statistics import median

from app.core.ids import RandomIds
from app.main import opened
from app.repositories.accounts_people import Account
from app.security.sessions import SIGNED_IN, SessionKeeper
from bench import audit_history
from bench.audit_history import MONTHS, PATIENTS, THERAPISTS
from bench.clinic import AUDITOR
from bench.driving import Target
from bench.measures import Goal, Measure, at_most, measure, tell
from bench.stand import Stand

ASKED = 40  # of each question, in turn
WITHIN: Goal = at_most(50)  # milliseconds
_NEWEST = "_sort=-date&_count=20"


def run(stand: Stand, *, count: int, seconds: float) -> Iterator[Measure]:
    """The medians over a log of about ``count`` records."""
    assert stand.cluster is not None
    tell(f"audit log of about {count} records")
    site = f"http://127.0.0.1:{stand.clinic.port}/fhir"
    url = stand.cluster.url("bench")
    asyncio.run(audit_history.fill(url, tenant=stand.tenant, count=count, site=site))
    rows = f"{count / 1_000_000:g}M records" if count >= 1_000_000 else f"{count // 1000}k records"
    with stand.rapport() as process:
        fhir = stand.target(AUDITOR)
        pages = Target(f"http://127.0.0.1:{process.port}", cookie=asyncio.run(_cookie(stand)))
        for target, kinds in ((fhir, questions(site)), (pages, console())):
            for name, paths in kinds.items():
                value = _median(target, paths, seconds)
                tell(f"  {name}: {value:.3g} ms")
                yield measure(f"{name}, {rows}", "postgresql", 1, value, "ms p50", goal=WITHIN)


def _median(target: Target, paths: list[str], seconds: float) -> float:
    """Milliseconds for an answer, asked one by one: each path once at least, but for slow ones."""
    connection = http.client.HTTPConnection(target.host, target.port, timeout=60)
    taken: list[float] = []
    began = time.monotonic()
    for path in cycle(paths):
        asked = time.monotonic()
        status = target.ask(connection, path)
        if status not in (200, 503):  # 503: the database's time for a statement ran out
            raise RuntimeError(f"refused: {status} for {path}")
        taken.append(1000 * (time.monotonic() - asked))
        passed = time.monotonic() - began
        if passed > 3 * seconds or (passed > seconds and len(taken) >= len(paths)):
            break
    connection.close()
    # What is asked for the first time on a connection has a plan to be made.
    return median(taken[1:] or taken)


def questions(site: str) -> dict[str, list[str]]:
    """Searches by what they ask for: each parameter alone, then with a month."""
    asked = {
        "patient": [f"patient=Patient/p{n * PATIENTS // ASKED}" for n in range(ASKED)],
        "agent": [f"agent=Practitioner/t{n % THERAPISTS}" for n in range(ASKED)],
        "entity": [f"entity=Observation/o{n * PATIENTS // ASKED}17" for n in range(ASKED)],
        "entity, a Patient": [f"entity=Patient/p{n * 7}" for n in range(ASKED)],
        "outcome, refused": ["outcome=8"],
        "outcome, done": ["outcome=0"],
        "outcome, never": ["outcome=12"],
        "type": ["type=rest", "type=110114", "type=110113", "type=110106"],
        "subtype": ["subtype=read", "subtype=110122", "subtype=key-rotated", "subtype=delete"],
        "action": [f"action={code}" for code in "CRUDE"],
        "agent-name": ["agent-name=amina", "agent-name=bj", "agent-name=zz", "agent-name=client"],
        "agent-role": ["agent-role=therapist", "agent-role=supervisor", "agent-role=admin"],
        "address": ["address=192.0.2.7", "address=198.51.100.1", f"address={site}"],
        "policy": ["policy=urn:jti:none", f"policy={'0' * 22}"],
        "altid": ["altid=x"],
        "entity-name": ["entity-name=report"],
        "entity-role": ["entity-role=1", "entity-role=24", "entity-role=20"],
        "entity-type": ["entity-type=2", "entity-type=1", "entity-type=4"],
        "site": [f"site={site}", "site=elsewhere"],
        "source": ["source=Device/x"],
        "_id": [f"_id=1800000000{n:03d}-{n:019d}" for n in range(ASKED)],
        "no parameter": ["_total=estimate"],
    }
    alone = {name: [f"/AuditEvent?{each}&{_NEWEST}" for each in of] for name, of in asked.items()}
    dated = {
        f"{name}, a month": [
            f"/AuditEvent?{of[n % len(of)]}&{_month(n)}&{_NEWEST}" for n in range(ASKED)
        ]
        for name, of in asked.items()
        if name != "_id"
    }
    several = {
        "patient and outcome": [
            f"/AuditEvent?patient=Patient/p{n * 97}&outcome=8&{_NEWEST}" for n in range(ASKED)
        ],
        "agent and subtype": [
            f"/AuditEvent?agent=Practitioner/t{n}&subtype=delete&{_NEWEST}" for n in range(ASKED)
        ],
    }
    return {**dated, **alone, **several}


def console() -> dict[str, list[str]]:
    """Pages of the console."""
    return {
        "/audit": ["/audit"],
        "/audit, a client": [f"/audit?patient=p{n * 97}" for n in range(ASKED)],
        "/audit, a user": ["/audit?user=amina", "/audit?user=zz", "/audit?user=Practitioner/t3"],
        "/audit, refused": ["/audit?outcome=refused"],
        "/audit, break-glass": ["/audit?glass=1"],
        "/audit/timeline": [f"/audit/timeline?patient=p{n * 97}" for n in range(ASKED)],
        "/audit/alerts": ["/audit/alerts"],
    }


def _month(back: int) -> str:
    now = datetime.now(UTC)
    first = now.year * 12 + now.month - 2 - back % MONTHS
    starts = [f"{n // 12}-{n % 12 + 1:02d}-01" for n in (first, first + 1)]
    return f"date=ge{starts[0]}&date=lt{starts[1]}"


async def _cookie(stand: Stand) -> str:
    """The session of an auditor who signed in with both steps."""
    async with opened(stand.clinic.settings) as core, core.units.accounts.write() as unit:
        auditor = Account(
            tenant=stand.tenant, account_id="auditor", username="ada", folded="ada", name="Ada",
            role="auditor", created=core.clock.now(),
        )  # fmt: skip
        await unit.accounts.people.add(auditor)
        keeper = SessionKeeper(clock=core.clock, ids=RandomIds())
        secret = await keeper.open(unit.accounts, auditor, amr="pwd otp", pending=SIGNED_IN)
    return f"rapport-session={secret}"

"""Two worlds that differ only in what a caller may not see, in two running applications."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select, update

from app.core.clock import SECOND
from app.core.ids import RandomIds
from app.db import engine
from app.db.tables.queue import allocator
from app.repositories.codec import EnvelopeCodec
from tests.support.application import Application, Clinic, TurnedClock, clinic_of, running
from tests.support.databases import ANYBODY, Database, Databases, Dialect
from tests.support.people import (
    add_client,
    add_person,
    answered,
    authorize_url,
    browser,
    code_now,
    enrol,
    redeem,
)

LASTING: dict[str, Any] = {"access_token_seconds": 100_000, "cursor_seconds": 100_000}
RATE: dict[str, Any] = {
    "client_requests_per_second": 100_000,
    "address_requests_per_second": 100_000,
}
MRN = "https://clinic.example.org/mrn"
SUPERVISION = {
    "system": "https://rapport.example.org/CodeSystem/care-team-category",
    "code": "supervision",
}
VERY = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "V"}
STAFF = ("tess", "theo")


class Stopped(TurnedClock):
    """A clock that a test sets."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def now(self) -> int:
        return self.at


class Seeded:
    """Ids and randomness that follow from a number."""

    def __init__(self) -> None:
        self.seed(0)

    def seed(self, number: int) -> None:
        self._random = random.Random(number)

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def random(self, size: int) -> bytes:
        return self._random.randbytes(size)


@dataclass
class Twin:
    """One of the two."""

    application: Application
    clock: Stopped
    ids: Seeded
    callers: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    async def ask(self, caller: str, number: int, **request: Any) -> httpx.Response:
        """The answer to a request made in its own second of time and randomness."""
        self.ids.seed(number)
        self.clock.at += SECOND // 100
        return await self.callers[caller].request(**request)


@dataclass(frozen=True)
class Twins:
    """The world without and the world with what is hidden."""

    without: Twin
    with_hidden: Twin


def about(name: str, theirs: str, *, prefix: str = "") -> list[dict[str, Any]]:
    """A person's record; ``theirs`` is the therapist."""
    subject = {"reference": f"Patient/{prefix}{name}"}
    by = {"reference": f"Practitioner/{theirs}"}

    def one(kind: str, id: str, **members: Any) -> dict[str, Any]:
        return {"resourceType": kind, "id": f"{prefix}{id}-{name}", **members}

    def score(id: str, value: int, **members: Any) -> dict[str, Any]:
        return one(
            "Observation", id, status="final", code={"text": "score"}, subject=subject,
            effectiveDateTime=f"2026-01-{value + 1:02d}", valueInteger=value, performer=[by],
            **members,
        )  # fmt: skip

    person = {
        "resourceType": "Patient",
        "id": f"{prefix}{name}",
        "name": [{"family": name.title(), "given": ["Alex"]}],
        "identifier": [{"system": MRN, "value": f"{prefix}{name}"}],
        "birthDate": "1990-01-01",
        "gender": "female",
        "generalPractitioner": [by],
    }
    met = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
    return [
        person,
        one(
            "EpisodeOfCare", "e", status="active", patient=subject, careManager=by,
            period={"start": "2026-01-01"}, identifier=[{"system": MRN, "value": name}],
        ),
        one(
            "Encounter", "v", status="finished", subject=subject, period={"start": "2026-01-02"},
            **{"class": met}, participant=[{"individual": by}],
        ),
        *(score(f"o{value}", value) for value in range(4)),
        score("secret", 9, meta={"security": [VERY]}),
        one(
            "Goal", "g", lifecycleStatus="active", description={"text": "sleep"}, subject=subject,
        ),
        one("Flag", "f", status="active", code={"text": "risk"}, subject=subject),
        one(
            "Communication", "c", status="completed", subject=subject, sender=by,
            payload=[{"contentString": f"of {name}"}],
        ),
    ]  # fmt: skip


def shared() -> list[dict[str, Any]]:
    """What is in both: two therapists, two records of the first, references to who is hidden."""
    return [
        *({"resourceType": "Practitioner", "id": one, "name": [{"family": one}]} for one in STAFF),
        *about("anna", "tess"),
        *about("carla", "tess"),
    ]


def hidden() -> list[dict[str, Any]]:
    """What only one has: records of the other therapist."""
    team = {
        "resourceType": "CareTeam",
        "id": "t-berta",
        "status": "active",
        "subject": {"reference": "Patient/berta"},
        "participant": [{"member": {"reference": "Practitioner/theo"}}],
        "period": {"start": "2026-01-01"},
    }
    return [*about("berta", "theo"), *about("dora", "theo"), team]


async def put_all(http: httpx.AsyncClient, resources: list[dict[str, Any]]) -> None:
    """Stores them, each under its id."""
    for one in resources:
        answer = await http.put(f"{one['resourceType']}/{one['id']}", json=one)
        assert answer.status_code in (200, 201), answer.text


async def _token(clinic: Clinic, name: str, role: str, person: str, scope: str) -> str:
    application = clinic.application
    portal = await add_client(clinic, name=f"Portal of {name}")
    account = await add_person(clinic, name, role, fhir_user=person)
    secret = await enrol(application, account) if role != "client" else None
    who = browser(application)
    await who.open(authorize_url(portal, scope))
    await who.sign_in(account)
    if secret is not None:
        await who.submit("/login/second", code=code_now(application, secret))
    code = answered(await who.submit("/oauth/approve", decision="allow"))["code"]
    await who.http.aclose()
    return str((await redeem(application, portal, code)).json()["access_token"])


async def _shared_world(database: Database, place: Path) -> dict[str, str]:
    """Makes what both have; the callers' tokens."""
    async with running(database, place, **LASTING) as application, clinic_of(application) as own:
        await put_all(own.http, shared())
        other = await application.add_tenant("elsewhere")
        stranger = await application.register(other)
        tokens = {
            "therapist": await _token(
                own, "tess", "therapist", "Practitioner/tess", "openid user/*.cruds"
            ),
            "client": await _token(own, "anna", "client", "Patient/anna", "openid patient/*.cruds"),
            "stranger": await stranger.token(),
            "ehr": await own.ehr.token(),
        }
        empty = await application.add_tenant("third")
        tokens["third"] = await (await application.register(empty)).token()
    return tokens


def _signed_in(application: Application, token: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
    return application.http(headers=headers)


async def _hide(database: Database, place: Path, tokens: dict[str, str]) -> None:
    async with running(database, place, **LASTING) as application:
        for caller in ("ehr", "third"):
            async with _signed_in(application, tokens[caller]) as http:
                http.base_url = httpx.URL(f"{http.base_url}/fhir/")
                await put_all(http, hidden())
                await put_all(http, hidden()[:3])  # with a history
                for gone in ("Observation/o1-berta", "Goal/g-dora"):
                    assert (await http.delete(gone)).is_success
                if caller == "third":  # another clinic's, of the same name
                    await put_all(http, about("anna", "theo"))


async def _same_numbers(one: Database, other: Database) -> None:
    """Lets both give the next row the same number: numbers are injected as ids are."""
    options: dict[str, Any] = {"pool_size": 1, "lock_timeout": 5, "statement_timeout": 5}
    source = await engine.connect(other.url, **options)
    target = await engine.connect(one.url, **options)
    async with source.read(ANYBODY) as reading, target.write(ANYBODY) as writing:
        for name, following in await reading.fetch(select(allocator.c.name, allocator.c.next)):
            there = update(allocator).where(allocator.c.name == name)
            await writing.execute(there.values(next=following))
    await source.close()
    await target.close()


@asynccontextmanager
async def twins(databases: Databases, dialect: Dialect, place: Path) -> AsyncIterator[Twins]:
    """Both applications on their databases, with one clock's time and one source of ids."""
    one = await databases.make(dialect)
    tokens = await _shared_world(one, place)
    other = await databases.copy(one)
    await _hide(other, place, tokens)
    await _same_numbers(one, other)
    at = TurnedClock().now() + SECOND
    async with AsyncExitStack() as stack:
        made = []
        for database in (one, other):
            clock, ids = Stopped(at), Seeded()
            application = await stack.enter_async_context(
                running(database, place, clock=clock, ids=ids, **LASTING, **RATE)
            )
            # Sealing draws on a source of its own: whose key is made anew must not show in ids.
            sealing = EnvelopeCodec(application.services.root.derive, RandomIds().random)
            application.services.units._codec = sealing
            twin = Twin(application, clock, ids)
            for caller, token in tokens.items():
                http = _signed_in(application, token)
                twin.callers[caller] = await stack.enter_async_context(http)
            made.append(twin)
        yield Twins(*made)

"""Two worlds that differ only in what no caller may see, in two running applications."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from app.core.clock import SECOND
from app.core.ids import RandomIds
from app.repositories.codec import EnvelopeCodec
from tests.support.application import (
    ADDRESS,
    Application,
    Backend,
    Clinic,
    TurnedClock,
    clinic_of,
    running,
)
from tests.support.databases import Database, Databases, Dialect
from tests.support.hooks import claims, signed
from tests.support.people import (
    add_client,
    add_person,
    authorized,
    browser,
    code_now,
    enrol,
    redeem,
)
from tests.support.twin_records import (
    ELSEWHERE,
    OURS,
    about,
    decided,
    hidden,
    other_of,
    shared,
)

LASTING: dict[str, Any] = {"access_token_seconds": 100_000, "cursor_seconds": 100_000}
RATE: dict[str, Any] = {
    "client_requests_per_second": 100_000,
    "address_requests_per_second": 100_000,
}


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
    audited: Seeded
    callers: dict[str, httpx.AsyncClient] = field(default_factory=dict)
    browsers: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    async def ask(self, caller: str, number: int, **request: Any) -> httpx.Response:
        """The answer to a request with its own time, randomness and row numbers."""
        self._begin(number)
        return await self.callers[caller].request(**request)

    async def hook(self, keeper: Backend, number: int, service: str, body: Any) -> httpx.Response:
        """The cards that the record system gets for somebody."""
        self._begin(number)
        now = self.clock.at // SECOND
        token = signed(keeper, claims(keeper, service, iat=now, exp=now + 240))
        headers = {"Authorization": f"Bearer {token}"}
        async with self.application.http(headers=headers) as http:
            return await http.post(f"/cds-services/{service}", json=body)

    async def look(self, caller: str, number: int, page: str) -> httpx.Response:
        """A page, in a browser where the caller is signed in."""
        self._begin(number)
        return await self.browsers[caller].get(page)

    def _begin(self, number: int) -> None:
        self.ids.seed(number)
        self.audited.seed(number)
        self.clock.at += SECOND // 100
        rows = self.application.services.units._allocator
        rows._next, rows._end = FIRST_ROW + ROWS * number, FIRST_ROW + ROWS * (number + 1)


@dataclass(frozen=True)
class Twins:
    """The world without and the world with what is hidden.

    ``callers`` are those from whom all of that is hidden, ``changes`` what they wrote since;
    ``partner`` is the one of the couple of whom the other one is a caller; ``keeper`` is the
    record system that sees and keeps everything.
    """

    without: Twin
    with_hidden: Twin
    callers: Collection[str]
    partner: str
    keeper: Backend
    changes: list[tuple[str, Any]] = field(default_factory=list)


async def put_all(http: httpx.AsyncClient, resources: list[dict[str, Any]]) -> None:
    """Stores them, each under its id."""
    for one in resources:
        answer = await http.put(f"{one['resourceType']}/{one['id']}", json=one)
        assert answer.status_code in (200, 201), answer.text


async def _signed(
    clinic: Clinic, name: str, role: str, person: str | None, scope: str
) -> tuple[str, httpx.Cookies]:
    """A person's access token for a program, and the cookies of the browser that got it."""
    application = clinic.application
    portal = await add_client(clinic, name=f"Portal of {name}")
    account = await add_person(clinic, name, role, fhir_user=person)
    secret = await enrol(application, account) if role != "client" else None
    who = browser(application, address=ADDRESS)
    second = code_now(application, secret) if secret else None
    code = (await authorized(who, account, portal, scope, code=second))["code"]
    await who.http.aclose()
    token = str((await redeem(application, portal, code)).json()["access_token"])
    return token, who.http.cookies


THEIR_OWN, STAFFS = "openid patient/*.cruds", "openid user/*.cruds"
PEOPLE = {
    "therapist": ("tess", "therapist", "Practitioner/tess", STAFFS),
    "co_therapist": ("cora", "co_therapist", "Practitioner/cora", STAFFS),
    "supervisor": ("sam", "supervisor", "Practitioner/sam", STAFFS),
    "clinical_lead": ("lea", "clinical_lead", "Practitioner/lea", STAFFS),
    "reception": ("rita", "reception", "Practitioner/rita", STAFFS),
    "researcher": ("rosa", "researcher", None, STAFFS),
    "admin": ("adam", "admin", None, STAFFS),
    "client": ("anna", "client", "Patient/anna", THEIR_OWN),
    "own_auditor": ("odo", "auditor", None, STAFFS),  # of all but what was done
}
# Of another clinic: what was done in this one is hidden too.
AUDITOR = ("otto", "auditor", None, STAFFS)
SYSTEMS: dict[str, dict[str, Any]] = {
    "ehr": {"actor": OURS},
    "narrow": {
        "actor": OURS,
        "scope": "system/Patient.rs system/Observation.rs?performer=Practitioner/tess",
    },
    "hie": {
        "actor": ELSEWHERE,
        "role": "outside_system",
        "clearance": "N",
        "scope": "system/*.rs",
    },
}
BROWSING = (*PEOPLE, "partner", "auditor")
ASKING = (*BROWSING, *SYSTEMS, "stranger")
FIRST_ROW, ROWS = 1_000_000_000, 10_000  # where a request's row numbers begin, and how many
MOSTLY = ("therapist", "clinical_lead", "supervisor", "reception", "client", "partner", "ehr")
SEE_CONSENTS = ("clinical_lead", "ehr")


async def _shared_world(
    database: Database, place: Path, records: list[dict[str, Any]], partnered: str
) -> tuple[dict[str, str], dict[str, httpx.Cookies], Backend]:
    """Makes what both have; the callers' tokens, their cookies, and who keeps the records."""
    async with running(database, place, **LASTING) as application, clinic_of(application) as own:
        await put_all(own.http, records)
        tokens, cookies = {"keeper": await own.ehr.token()}, {}
        for caller, fields in SYSTEMS.items():
            tokens[caller] = await (await application.register(own.tenant, **fields)).token()
        couple = (partnered, "client", f"Patient/{partnered}", THEIR_OWN)
        for caller, person in {**PEOPLE, "partner": couple}.items():
            tokens[caller], cookies[caller] = await _signed(own, *person)
        async with clinic_of(application) as other:
            tokens["stranger"] = await other.ehr.token()
            tokens["auditor"], cookies["auditor"] = await _signed(other, *AUDITOR)
        async with clinic_of(application) as third:
            tokens["third"] = await third.ehr.token()
    return tokens, cookies, own.ehr


def _signed_in(application: Application, token: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
    return application.http(headers=headers)


async def _hide(
    database: Database, place: Path, tokens: dict[str, str], records: list[dict[str, Any]]
) -> None:
    async with running(database, place, **LASTING) as application:
        for caller in ("keeper", "third"):
            async with _signed_in(application, tokens[caller]) as http:
                http.base_url = httpx.URL(f"{http.base_url}/fhir/")
                await put_all(http, records)
                await put_all(http, records[:3])  # with a history
                for gone in ("Observation/o1-berta", "Goal/g-dora"):
                    assert (await http.delete(gone)).is_success
                if caller == "third":  # another clinic's, of the same name
                    await put_all(http, about("anna", "theo"))


@asynccontextmanager
async def twins(
    databases: Databases, dialect: Dialect, place: Path, *, consents_too: bool, partnered: str
) -> AsyncIterator[Twins]:
    """Both applications on their databases, with one clock's time and one source of ids.

    Where ``consents_too``, only one of them has the Consents of those who are hidden;
    ``partnered`` is the one of the couple who asks.
    """
    partner = other_of(partnered)
    everywhere, there = shared(partnered), decided(partner)
    if not consents_too:
        everywhere, there = [*everywhere, *there], []
    one = await databases.make(dialect)
    tokens, cookies, keeper = await _shared_world(one, place, everywhere, partnered)
    other = await databases.copy(one)
    await _hide(other, place, tokens, [*hidden(partner), *there])
    at = TurnedClock().now() + SECOND
    async with AsyncExitStack() as stack:
        made = []
        for database in (one, other):
            clock, ids = Stopped(at), Seeded()
            application = await stack.enter_async_context(
                running(database, place, clock=clock, ids=ids, **LASTING, **RATE)
            )
            # Sealing and the audit log draw on sources of their own: how often, nobody is shown.
            services = application.services
            services.units._codec = EnvelopeCodec(services.root.derive, RandomIds().random)
            audited = Seeded()
            services.trail._ids = audited
            twin = Twin(application, clock, ids, audited)
            for caller, token in tokens.items():
                http = _signed_in(application, token)
                twin.callers[caller] = await stack.enter_async_context(http)
            for caller, jar in cookies.items():
                http = application.http(cookies=jar)
                twin.browsers[caller] = await stack.enter_async_context(http)
            made.append(twin)
        callers = set(ASKING) - set(SEE_CONSENTS if consents_too else ())
        without, with_hidden = made
        yield Twins(without, with_hidden, callers, partner, keeper)

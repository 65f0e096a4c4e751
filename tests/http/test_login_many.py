"""Guessing is slow and tells nothing, whatever number of processes, and harms nobody else."""

import asyncio
import threading

import httpx

from app.security.backoff import FREE_PER_ACCOUNT, FREE_PER_ADDRESS
from app.security.passwords import Passwords
from tests.support.application import ORIGIN, TurnedClock, clinic_of, running
from tests.support.people import PASSWORD, add_person, browser, forms, quick_passwords

AT_ONCE = 200
PATIENT = {"resourceType": "Patient"}


class Gate:
    """Stands before each hash: counts who came, and lets nobody pass until it is opened."""

    def __init__(self, hasher):
        self.hasher, self.open, self.came, self.most = hasher, threading.Event(), 0, 0
        self._lock, self._inside = threading.Lock(), 0

    def verify(self, encoded, password):
        with self._lock:
            self.came += 1
            self._inside += 1
            self.most = max(self.most, self._inside)
        try:
            assert self.open.wait(60)
            return self.hasher.verify(encoded, password)
        finally:
            with self._lock:
                self._inside -= 1

    def check_needs_rehash(self, encoded):
        return self.hasher.check_needs_rehash(encoded)


class StandingClock(TurnedClock):
    """Time stands still while the machine works."""

    def __init__(self):
        super().__init__()
        self.stopped = super().now()

    def now(self):
        return self.stopped


class Guesser:
    """One browser's log-in form, sent from many addresses."""

    def __init__(self, application, page):
        self.application, self.cookies = application, page.cookies
        self.fields = forms(page)[0].fields

    @classmethod
    async def at(cls, application):
        async with application.http() as http:
            return cls(application, await http.get("/login"))

    async def tries(self, number, username, password="not this one"):
        transport = httpx.ASGITransport(
            self.application.app, client=(f"198.51.100.{number % 250}", 1)
        )
        form = {**self.fields, "username": username, "password": password}
        async with httpx.AsyncClient(
            transport=transport, base_url=ORIGIN, cookies=self.cookies
        ) as http:
            return await http.post("/login", data=form)


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def test_two_hundred_log_ins_at_once_let_the_others_pass(application, clinic, monkeypatch):
    anna = await add_person(clinic, "anna", "client", fhir_user="Patient/anna")
    hasher = application.services.authorization.hasher
    gate = Gate(hasher._hasher)
    monkeypatch.setattr(hasher, "_hasher", gate)
    names = [anna.username, *(f"nobody-{number}" for number in range(AT_ONCE - 1))]
    guesser = await Guesser.at(application)
    tried = [
        asyncio.create_task(guesser.tries(number, name, PASSWORD))
        for number, name in enumerate(names)
    ]
    await until(lambda: hasher._waiting == AT_ONCE)
    # All of them wait for two hashes that go on for ever, and yet:
    for _ in range(5):
        assert (await clinic.http.post("Patient", json=PATIENT)).status_code == 201
        assert (await clinic.http.get("Patient?_count=1")).status_code == 200
    assert (gate.came, gate.most) == (2, 2)
    assert not any(task.done() for task in tried)
    gate.open.set()
    answers = [answer.status_code for answer in await asyncio.gather(*tried)]
    assert answers == [303] + [401] * (AT_ONCE - 1)
    assert (gate.came, gate.most) == (AT_ONCE, 2)


async def test_a_failure_takes_the_same_work_whoever_it_is_about(application, clinic, monkeypatch):
    known = await add_person(clinic, "known", "client", fhir_user="Patient/known")
    invited = await add_person(
        clinic, "invited", "client", fhir_user="Patient/invited", password=None
    )
    closed = await add_person(clinic, "closed", "client", fhir_user="Patient/closed")
    services = application.services
    async with services.authorization.units.write() as unit:
        await unit.accounts.people.set_enabled(closed, enabled=False)
    hasher, work = services.authorization.hasher, []
    real = hasher._hasher

    class Counting:
        check_needs_rehash = real.check_needs_rehash

        def verify(self, encoded, password):
            work.append(encoded.split("$")[1:4])  # the algorithm and its parameters
            return real.verify(encoded, password)

    monkeypatch.setattr(hasher, "_hasher", Counting())
    pages, guesser = [], await Guesser.at(application)
    for account, password in (
        (known.username, "wrong"), ("nobody-at-all", "wrong"), (invited.username, "wrong"),
        (closed.username, PASSWORD),
    ):  # fmt: skip
        answer = await guesser.tries(0, account, password)
        headers = {key: value for key, value in answer.headers.items() if key != "x-request-id"}
        pages.append((answer.status_code, headers, answer.text))
    assert pages[0][0] == 401
    assert all(page == pages[0] for page in pages)
    assert len(work) == 4
    assert all(one == work[0] for one in work)


def test_nobody_s_hash_has_the_cost_of_a_real_one():
    passwords = Passwords()
    assert not passwords.is_outdated(passwords._nobodys)


async def test_failures_are_remembered_by_every_process_and_after_a_restart(
    databases, dialect, tmp_path
):
    database = await databases.make(dialect)
    clock = StandingClock()
    async with running(database, tmp_path, clock=clock) as first, clinic_of(first) as clinic:
        guesser = await Guesser.at(first)
        anna = await add_person(clinic, "anna", "client", fhir_user="Patient/anna")
        admin = await add_person(clinic, "admin", "admin")
        for number in range(FREE_PER_ACCOUNT):
            assert (await guesser.tries(number, anna.username)).status_code == 401
        for number in range(FREE_PER_ACCOUNT + 3):
            await guesser.tries(number, admin.username)
        for number in range(FREE_PER_ADDRESS):
            await guesser.tries(99, f"nobody-{number}")
        async with running(database, tmp_path, clock=clock) as second:
            quick_passwords(second)
            guesser = await Guesser.at(second)
            assert (await guesser.tries(98, anna.username, PASSWORD)).status_code == 429
            assert (await guesser.tries(99, "somebody-new")).status_code == 429
            who = browser(second)
            page = await who.sign_in(admin)  # the last administrator gets in all the same
            assert forms(page)[0].action == "/account/second"
            await who.http.aclose()
    await databases.drop(database)

"""Accounts of people: made, changed, closed."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from app.core.errors import AppError, Category, Issue
from app.core.ids import IdSource
from app.db.engine import UniqueViolation
from app.repositories.accounts import Accounts
from app.repositories.accounts_people import Account
from app.security import passwords, roles
from app.security.passwords import Passwords
from app.security.ports import Units

_USERNAME = re.compile(r"[^\s\x00-\x1f\x7f]{2,100}")
_PERSON = re.compile(r"(Patient|Practitioner|RelatedPerson)/[A-Za-z0-9.-]{1,64}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}", re.ASCII)
LOCALES: Final = ("en", "ar")


@dataclass(frozen=True, slots=True)
class NewUser:
    """What is asked for a person. Without a password they get in by an invitation only."""

    tenant: int
    username: str
    name: str
    role: str
    fhir_user: str | None = None
    password: str | None = None
    email: str | None = None
    locale: str = "en"


def folded(username: str) -> str:
    """The username as it is compared: width, case and compatibility forms aside."""
    return unicodedata.normalize("NFKC", username.strip()).casefold()


async def new_account(new: NewUser, *, hasher: Passwords, ids: IdSource, now: int) -> Account:
    """The account of a new person, to be added, or ``unprocessable`` with every complaint.

    Hashing takes a while, so it is done here, before any unit of work is begun.
    """
    complaints = _complaints(new)
    if complaints:
        raise _unprocessable(complaints)
    return Account(
        tenant=new.tenant,
        account_id=ids.new_id(),
        username=new.username.strip(),
        folded=folded(new.username),
        name=new.name,
        role=new.role,
        created=now,
        fhir_user=new.fhir_user,
        email=new.email,
        locale=new.locale,
        password_hash=await hasher.hash(new.password) if new.password is not None else None,
        password_changed=now if new.password is not None else None,
    )


async def add_user(
    units: Units, new: NewUser, *, hasher: Passwords, ids: IdSource, now: int
) -> Account:
    """Adds a person. Raises ``unprocessable`` or, for a username in use, ``conflict``."""
    account = await new_account(new, hasher=hasher, ids=ids, now=now)
    try:
        async with units.write() as unit:
            await unit.accounts.people.add(account)
    except UniqueViolation:
        raise AppError.of(Category.CONFLICT, "duplicate", "username is taken") from None
    return account


async def close_account(accounts: Accounts, which: Account, *, now: int) -> None:
    """Disables a person at once: sessions, grants and tokens end with it.

    The last administrator who can sign in stays (``conflict``).
    """
    if which.role == "admin" and which.enabled and await accounts.people.admins(which.tenant) <= 1:
        raise AppError.of(Category.CONFLICT, "conflict", "the last administrator stays")
    await accounts.people.set_enabled(which, enabled=False)
    await accounts.sessions.end_all(which.tenant, which.account_id, at=now)
    await accounts.grants.revoke_all(which.tenant, which.account_id, at=now)


async def change_role(
    accounts: Accounts, which: Account, *, role: str, fhir_user: str | None, now: int
) -> None:
    """Changes what a person may do; what was opened with the old rights ends."""
    complaints = misfits(role, fhir_user)
    if complaints:
        raise _unprocessable(complaints)
    if (
        which.role == "admin"
        and which.enabled
        and role != "admin"
        and await accounts.people.admins(which.tenant) <= 1
    ):
        raise AppError.of(Category.CONFLICT, "conflict", "the last administrator stays")
    await accounts.people.set_role(which, role=role, fhir_user=fhir_user)
    await accounts.sessions.end_all(which.tenant, which.account_id, at=now)
    await accounts.grants.revoke_all(which.tenant, which.account_id, at=now)


async def forget_factors(accounts: Accounts, which: Account, *, now: int) -> None:
    """Lets a person who lost every second factor set up another; what was opened ends."""
    await accounts.factors.drop_all(which.tenant, which.account_id)
    await give_back(accounts, which, now=now)


async def give_back(accounts: Accounts, which: Account, *, now: int) -> None:
    """Ends whatever somebody else who had the account may have opened, or left behind, with it."""
    await accounts.sessions.end_all(which.tenant, which.account_id, at=now)
    await accounts.grants.revoke_all(which.tenant, which.account_id, at=now)
    await accounts.left_behind.end_of_person(which, at=now)


def _complaints(new: NewUser) -> list[str]:
    found = []
    if not _USERNAME.fullmatch(new.username.strip()):
        found.append("username: 2 to 100 characters without spaces")
    if not new.name.strip() or not new.name.isprintable() or len(new.name) > 100:
        found.append("name: printable, up to 100 characters")
    found += misfits(new.role, new.fhir_user)
    if new.email is not None and not _EMAIL.fullmatch(new.email):
        found.append("email: an address")
    if new.locale not in LOCALES:
        found.append(f"locale: one of {', '.join(LOCALES)}")
    if new.password is not None:
        flaw = passwords.flaw(new.password, about=(new.username, new.name))
        if flaw:
            found.append(f"password: {flaw.removeprefix('password-')}")
    return found


def misfits(role: str, fhir_user: str | None) -> list[str]:
    """A client is a Patient, and nobody else is one."""
    found = []
    if not roles.exists(role) or role in ("system", "outside_system"):
        found.append("role: not a role of people")
    if fhir_user is not None and not _PERSON.fullmatch(fhir_user):
        found.append("fhir_user: a reference such as Practitioner/1")
    is_patient = (fhir_user or "").startswith("Patient/")
    if role == "client" and not is_patient:
        found.append("fhir_user: a client is a Patient")
    if role != "client" and is_patient:
        found.append("fhir_user: a Patient is a client")
    return found


def _unprocessable(complaints: list[str]) -> AppError:
    return AppError(Category.UNPROCESSABLE, [Issue("value", complaint) for complaint in complaints])

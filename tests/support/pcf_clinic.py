"""The clinic of the example Consents of IHE PCF, and everybody who asks in it, signed in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.http.answers import made, ok, refused, resources
from tests.support.application import Backend, Clinic
from tests.support.consents import labels
from tests.support.pcf import FOOBAR, PRIVILEGED, RESEARCHER, example
from tests.support.staff import Person, person

PATIENT, ENCOUNTER = "Patient/patient", "Encounter/encounter"
THERAPISTS = ("clerk", "author", "privileged")
SYSTEMS = {
    "exchange": ("Organization/exchange", "TREAT"),
    "payer": ("Organization/payer", "HPAYMT"),
    "operations": ("Organization/exchange", "HOPERAT"),
    "research": ("Organization/exchange", "HRESCH"),
    "foobar": (RESEARCHER, FOOBAR),
    "researcher": (RESEARCHER, "TREAT"),
    "other foobar": ("Organization/exchange", FOOBAR),
}
CARE = ("exchange", "payer", "operations", "researcher")  # whom a Consent to care speaks to
# One letter each, as the table of what is seen has them.
ROWS = {
    "P": PATIENT,
    "E": ENCOUNTER,
    "W": "Observation/weight",
    "A": "Observation/alcohol",
    "Y": "Observation/psy",
    "S": "Observation/sdv",
    "O": "Observation/by-privileged",
}
ALL = "PEWAYSO"
RESTRICTED = "PEWAYO"  # all but what touches violence, which is very restricted


def observation(id: str, when: str, by: str, *codes: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id,
        "meta": {"security": labels(*codes)},
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"reference": PATIENT},
        "performer": [{"reference": f"Practitioner/{by}"}],
        "effectiveDateTime": when,
        **more,
    }


def world() -> list[dict[str, Any]]:
    """What the examples speak of."""
    held = {"encounter": {"reference": ENCOUNTER}}
    return [
        *({"resourceType": "Practitioner", "id": id} for id in THERAPISTS),
        *(
            {"resourceType": "Organization", "id": id, "name": id}
            for id in ("clinic", "exchange", "payer", "researcher")
        ),
        PRIVILEGED,
        *({"resourceType": "Patient", "id": id} for id in ("patient", "mother")),
        {
            "resourceType": "DocumentReference",
            "id": "paperwork",
            "status": "current",
            "subject": {"reference": PATIENT},
            "content": [{"attachment": {"contentType": "text/plain", "data": "AAAA"}}],
        },
        *(
            {
                "resourceType": "EpisodeOfCare",
                "id": f"of-{id}",
                "status": "active",
                "patient": {"reference": PATIENT},
                "careManager": {"reference": f"Practitioner/{id}"},
                "period": {"start": "2004-01-01"},
            }
            for id in THERAPISTS
        ),
        {
            "resourceType": "Encounter",
            "id": "encounter",
            "status": "finished",
            "class": {"code": "HH"},
            "subject": {"reference": PATIENT},
        },
        observation("weight", "2004-12-25T23:50:50-05:00", "author", "N", **held),
        observation("alcohol", "2022-06-13", "author", "ETHUD", "R", **held),
        observation("psy", "2021-03-01", "author", "PSY", **held),
        observation("sdv", "2021-03-01", "author", "SDV", **held),
        observation("by-privileged", "2021-03-01", "privileged", "N"),
    ]


@dataclass(frozen=True, slots=True)
class Cast:
    """The clinic with everybody who asks, signed in."""

    clinic: Clinic
    staff: dict[str, Person]
    systems: dict[str, Backend]
    callers: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    async def enter(self, *names: str) -> None:
        """Signs in these, or else everybody."""
        for who, one in self.staff.items():
            if not names or who in names:
                self.callers[who] = await one.signs_in()
        for who, system in self.systems.items():
            if not names or who in names:
                self.callers[who] = await system.http()
                self.clinic.opened.append(self.callers[who])

    async def an_hour_later(self, *names: str) -> None:
        """Lets an hour pass; these and the auditor sign in again."""
        self.clinic.application.clock.turn(seconds=3601)
        await self.enter(*names, "auditor")

    async def writes(self, name: str, **more: Any) -> dict[str, Any]:
        """The record system stores an example; it comes back as stored."""
        tree = {**example(name), **more}
        answer = await self.clinic.http.put(f"Consent/{name}", json=tree)
        assert answer.status_code in (200, 201), answer.text
        stored: dict[str, Any] = answer.json()
        return stored

    async def finds(self, who: str) -> str:
        """What searches give, in letters; totals say as many."""
        http, found = self.callers[who], set()
        for type_name in ("Patient", "Encounter", "Observation"):
            bundle = ok(await http.get(type_name, params={"_total": "accurate"}))
            rows = {f"{type_name}/{each['id']}" for each in resources(bundle)}
            assert bundle["total"] == len(rows), (who, type_name)
            found |= rows
        return letters(found)

    async def sees(self, who: str) -> str:
        """The same, with the other ways to the rows held against it."""
        http, found = self.callers[who], await self.finds(who)
        hidden = "".join(letter for letter in ROWS if letter not in found)
        for letter, row in ROWS.items():
            is_one = letter in (found[:1], hidden[:1])  # one of each kind is asked for its history
            for address in (row, f"{row}/_history") if is_one else (row,):
                answer = await http.get(address)
                assert answer.status_code == (200 if letter in found else 404), (who, address)
        if who not in ("exchange", "clerk"):
            return found  # one of each kind asks for $everything, which takes its time
        everything = await http.get(f"{PATIENT}/$everything", params={"_count": "100"})
        if "P" in found:
            rows = {f"{each['resourceType']}/{each['id']}" for each in resources(ok(everything))}
            assert letters(rows) == found, who
        else:
            refused(everything, 404)
        return found

    async def explained(self, who: str) -> tuple[str, set[str]]:
        """What ``$explain-access`` says is seen, and the Consents that it gives as reasons."""
        actor, purpose = SYSTEMS.get(who) or (f"Practitioner/{who}", "TREAT")
        seen, reasons = "", set()
        for letter, row in ROWS.items():
            asked = {"resource": row, "actor": actor, "purpose": purpose}
            told = ok(await self.callers["auditor"].get("$explain-access", params=asked))[
                "parameter"
            ]
            seen += letter if told[0]["valueCode"] == "permit" else ""
            for part in told[1]["part"]:
                if part["name"] == "reference":
                    reasons.add(part["valueReference"]["reference"])
        return seen, reasons


def letters(rows: set[str]) -> str:
    return "".join(letter for letter, row in ROWS.items() if row in rows)


async def gathered(clinic: Clinic) -> Cast:
    for tree in world():
        made(await clinic.http.put(f"{tree['resourceType']}/{tree['id']}", json=tree))
    staff = {who: await person(clinic, "therapist", f"Practitioner/{who}") for who in THERAPISTS}
    register = clinic.application.register
    systems = {
        who: await register(
            clinic.tenant, scope="system/*.rs", role="outside_system", actor=actor, purpose=purpose
        )
        for who, (actor, purpose) in SYSTEMS.items()
    }
    systems["auditor"] = await register(clinic.tenant, scope="system/*.rs", role="auditor")
    cast = Cast(clinic, staff, systems)
    await cast.enter()
    return cast

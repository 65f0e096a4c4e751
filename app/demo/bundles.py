"""The demo clinic's records as transactions, as a clinic's record system would send them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from app.core.clock import EPOCH
from app.demo.story import Course, Person
from app.fhir.json import Tree

BASE = "https://rapport.example.org"
_ANSWERS = f"{BASE}/CodeSystem/asc-answer"
_ROLES = "http://terminology.hl7.org/CodeSystem/practitioner-role"
_PULSE = ("B1", "G1", "T1", "S2", "O1")
_FORM = (
    "B1", "B2", "B3", "G1", "G2", "G3", "T1", "T2", "T3", "E1", "E2",
    "S1", "S2", "S3", "D1", "D2", "O1", "O2", "V1", "V2", "P1", "P2",
)  # fmt: skip
_SESSION = timedelta(minutes=50)
_WEEK = timedelta(days=7)


def transaction(resources: Sequence[Tree]) -> Tree:
    """Each resource under the id that it has."""
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "resource": tree,
                "request": {"method": "PUT", "url": f"{tree['resourceType']}/{tree['id']}"},
            }
            for tree in resources
        ],
    }


def people(clinic: str, staff: Sequence[Person], clients: Sequence[Person]) -> list[Tree]:
    """The clinic, who works there and who comes."""
    organization: Tree = {
        "resourceType": "Organization",
        "id": f"clinic-{clinic}",
        "active": True,
        "name": {"demo": "Harbour Clinic", "other": "Hillside Practice"}.get(clinic, clinic),
    }
    exchange: Tree = {
        "resourceType": "Organization",
        "id": "exchange",
        "active": True,
        "name": "Regional Health Information Exchange",
    }
    return [
        organization,
        *([exchange] if clinic == "demo" else []),
        *(_practitioner(person) for person in staff),
        *(_role(person, clinic) for person in staff),
        *(_patient(person, clinic) for person in clients),
    ]


def course(item: Course, clinic: str, *, now: int) -> Iterator[Tree]:
    """A course's team, episode, sessions and the answers given after each."""
    sessions = len(item.client_ratings)
    today = EPOCH + timedelta(microseconds=now)
    first = today.replace(hour=17, minute=0, second=0, microsecond=0) - _WEEK * sessions
    patient = {"reference": f"Patient/{item.client}"}
    therapist = {"reference": f"Practitioner/{item.therapist}"}
    team = f"team-{item.key}"
    yield {
        "resourceType": "CareTeam",
        "id": team,
        "status": "active",
        "subject": patient,
        "period": {"start": _day(first)},
        "participant": [{"member": therapist, "period": {"start": _day(first)}}],
    }
    episode: Tree = {
        "resourceType": "EpisodeOfCare",
        "id": f"episode-{item.key}",
        "status": "active",
        "patient": patient,
        "managingOrganization": {"reference": f"Organization/clinic-{clinic}"},
        "careManager": therapist,
        "team": [{"reference": f"CareTeam/{team}"}],
        "period": {"start": _day(first)},
    }
    if item.couple:
        episode["extension"] = [
            {
                "url": f"{BASE}/StructureDefinition/couple",
                "valueReference": {"reference": "Group/couple"},
            }
        ]
    yield episode
    for number in range(1, sessions + 1):
        yield from _session(item, number, first + _WEEK * (number - 1))


def couple(first: str, second: str) -> Tree:
    """A couple as a Group; its name says nothing."""
    return {
        "resourceType": "Group",
        "id": "couple",
        "type": "person",
        "actual": True,
        "active": True,
        "member": [{"entity": {"reference": f"Patient/{id}"}} for id in (first, second)],
    }


def _session(item: Course, number: int, start: datetime) -> Iterator[Tree]:
    encounter = f"session-{item.key}-{number}"
    end = start + _SESSION
    yield {
        "resourceType": "Encounter",
        "id": encounter,
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": f"Patient/{item.client}"},
        "episodeOfCare": [{"reference": f"EpisodeOfCare/episode-{item.key}"}],
        "participant": [{"individual": {"reference": f"Practitioner/{item.therapist}"}}],
        "period": {"start": _moment(start), "end": _moment(end)},
    }
    rated = dict(zip(_PULSE, item.client_ratings[number - 1], strict=True))
    yield _response(
        f"pulse-{item.key}-{number}",
        "asc-pulse",
        client=item.client,
        author=f"Patient/{item.client}",
        encounter=encounter,
        authored=end + timedelta(minutes=2),
        answers=rated,
    )
    if number in (1, 3) or number % 4 == 3:
        bond, goal, task, kept_back, open_about = item.client_ratings[number - 1]
        levels = {"B": bond, "G": goal, "T": task, "S": 4 - kept_back, "O": open_about}
        yield _response(
            f"form-{item.key}-{number}",
            "asc-client",
            client=item.client,
            author=f"Patient/{item.client}",
            encounter=encounter,
            authored=end + timedelta(minutes=4),
            answers={link: _raw(link, levels.get(link[0], 3)) for link in _FORM},
        )
    level = item.therapist_levels[number - 1]
    yield _response(
        f"view-{item.key}-{number}",
        "asc-therapist",
        client=item.client,
        author=f"Practitioner/{item.therapist}",
        encounter=encounter,
        authored=end + timedelta(minutes=1),
        answers={link: _raw(link, level) for link in _FORM},
    )


def _raw(link: str, level: int) -> int:
    """The answer that scores this level: two items are asked the other way round."""
    return 4 - level if link in ("S2", "V2") else level


def _response(
    id: str,
    questionnaire: str,
    *,
    client: str,
    author: str,
    encounter: str,
    authored: datetime,
    answers: dict[str, int],
) -> Tree:
    return {
        "resourceType": "QuestionnaireResponse",
        "id": id,
        "questionnaire": f"{BASE}/Questionnaire/{questionnaire}|1.0.0",
        "status": "completed",
        "subject": {"reference": f"Patient/{client}"},
        "encounter": {"reference": f"Encounter/{encounter}"},
        "authored": _moment(authored),
        "author": {"reference": author},
        "item": [
            {
                "linkId": link,
                "answer": [{"valueCoding": {"system": _ANSWERS, "code": str(value)}}],
            }
            for link, value in answers.items()
        ],
    }


def _practitioner(person: Person) -> Tree:
    return {
        "resourceType": "Practitioner",
        "id": person.key,
        "active": True,
        "name": [{"family": person.family, "given": [person.given]}],
        "gender": person.gender,
    }


def _role(person: Person, clinic: str) -> Tree:
    coding = [{"system": _ROLES, "code": "doctor"}]
    if person.part is not None:
        coding.append({"system": f"{BASE}/CodeSystem/practitioner-role", "code": person.part})
    return {
        "resourceType": "PractitionerRole",
        "id": f"role-{person.key}",
        "active": True,
        "practitioner": {"reference": f"Practitioner/{person.key}"},
        "organization": {"reference": f"Organization/clinic-{clinic}"},
        "code": [{"coding": coding}],
    }


def _patient(person: Person, clinic: str) -> Tree:
    return {
        "resourceType": "Patient",
        "id": person.key,
        "active": True,
        "identifier": [{"system": f"{BASE}/demo/record-number", "value": person.key.upper()}],
        "name": [{"use": "official", "family": person.family, "given": [person.given]}],
        "gender": person.gender,
        "birthDate": person.born,
        "managingOrganization": {"reference": f"Organization/clinic-{clinic}"},
    }


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")

"""The demo clinic's records as transactions, as a clinic's record system would send them.

Built with the models of ``fhir.resources``, as a client in Python would: what the models of R4B
and this server both take is R4. (Stored resources never pass through models: they lose decimals.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

from fhir.resources.R4B.bundle import Bundle, BundleEntry, BundleEntryRequest
from fhir.resources.R4B.careteam import CareTeam, CareTeamParticipant
from fhir.resources.R4B.codeableconcept import CodeableConcept
from fhir.resources.R4B.coding import Coding
from fhir.resources.R4B.encounter import Encounter, EncounterParticipant
from fhir.resources.R4B.episodeofcare import EpisodeOfCare
from fhir.resources.R4B.extension import Extension
from fhir.resources.R4B.group import Group, GroupMember
from fhir.resources.R4B.humanname import HumanName
from fhir.resources.R4B.identifier import Identifier
from fhir.resources.R4B.organization import Organization
from fhir.resources.R4B.patient import Patient
from fhir.resources.R4B.period import Period
from fhir.resources.R4B.practitioner import Practitioner
from fhir.resources.R4B.practitionerrole import PractitionerRole
from fhir.resources.R4B.questionnaireresponse import (
    QuestionnaireResponse,
    QuestionnaireResponseItem,
    QuestionnaireResponseItemAnswer,
)
from fhir.resources.R4B.reference import Reference
from fhir.resources.R4B.resource import Resource

from app.core.clock import EPOCH
from app.demo.story import Course, Person
from app.security.care import SUPERVISION

BASE = "https://rapport.example.org"
_ANSWERS = f"{BASE}/CodeSystem/asc-answer"
_ROLES = "http://terminology.hl7.org/CodeSystem/practitioner-role"
_ACTS = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_PULSE = ("B1", "G1", "T1", "S2", "O1")
_FORM = (
    "B1", "B2", "B3", "G1", "G2", "G3", "T1", "T2", "T3", "E1", "E2",
    "S1", "S2", "S3", "D1", "D2", "O1", "O2", "V1", "V2", "P1", "P2",
)  # fmt: skip
_SESSION = timedelta(minutes=50)
_WEEK = timedelta(days=7)


def transaction(resources: Sequence[Resource]) -> Bundle:
    """Each resource under the id that it has."""
    entries = [
        BundleEntry(resource=each, request=BundleEntryRequest(method="PUT", url=_address(each)))
        for each in resources
    ]
    return Bundle(type="transaction", entry=entries)


def people(clinic: str, staff: Sequence[Person], clients: Sequence[Person]) -> list[Resource]:
    """The clinic, who works there and who comes."""
    name = {"demo": "Harbour Clinic", "other": "Hillside Practice"}.get(clinic, clinic)
    organizations = [Organization(id=f"clinic-{clinic}", active=True, name=name)]
    if clinic == "demo":
        exchange = "Regional Health Information Exchange"
        organizations.append(Organization(id="exchange", active=True, name=exchange))
    return [
        *organizations,
        *(practitioner(person) for person in staff),
        *(_role(person, clinic) for person in staff),
        *(_patient(person, clinic) for person in clients),
    ]


def course(item: Course, clinic: str, *, now: int) -> Iterator[Resource]:
    """A course's team, episode, sessions and the answers given after each."""
    sessions = len(item.client_ratings)
    today = EPOCH + timedelta(microseconds=now)
    first = today.replace(hour=17, minute=0, second=0, microsecond=0) - _WEEK * sessions
    patient = Reference(reference=f"Patient/{item.client}")
    therapist = Reference(reference=f"Practitioner/{item.therapist}")
    since = _since(first.date())
    team = CareTeam(
        id=f"team-{item.key}",
        status="active",
        subject=patient,
        period=since,
        participant=[CareTeamParticipant(member=therapist, period=since)],
    )
    of_the_couple = Extension(
        url=f"{BASE}/StructureDefinition/couple",
        valueReference=Reference(reference="Group/couple"),
    )
    yield team
    yield EpisodeOfCare(
        id=f"episode-{item.key}",
        extension=[of_the_couple] if item.couple else None,
        status="active",
        patient=patient,
        managingOrganization=Reference(reference=f"Organization/clinic-{clinic}"),
        careManager=therapist,
        team=[Reference(reference=_address(team))],
        period=since,
    )
    for number in range(1, sessions + 1):
        yield from _session(item, number, first + _WEEK * (number - 1))


def supervision(*, since: date) -> CareTeam:
    """The team in which the supervisor oversees therapist A."""
    system, _, code = SUPERVISION.partition("|")
    members = ("Practitioner/supervisor", "Practitioner/therapist-a")
    return CareTeam(
        id="supervision",
        status="active",
        category=[CodeableConcept(coding=[Coding(system=system, code=code)])],
        name="Supervision",
        period=_since(since),
        participant=[CareTeamParticipant(member=Reference(reference=each)) for each in members],
    )


def couple(first: str, second: str) -> Group:
    """A couple as a Group; its name says nothing."""
    members = [
        GroupMember(entity=Reference(reference=f"Patient/{person}")) for person in (first, second)
    ]
    return Group(id="couple", type="person", actual=True, active=True, member=members)


def _session(item: Course, number: int, start: datetime) -> Iterator[Resource]:
    therapist = f"Practitioner/{item.therapist}"
    end = start + _SESSION
    encounter = Encounter.model_validate(
        {
            "id": f"session-{item.key}-{number}",
            "status": "finished",
            "class": Coding(system=_ACTS, code="AMB"),
            "subject": Reference(reference=f"Patient/{item.client}"),
            "episodeOfCare": [Reference(reference=f"EpisodeOfCare/episode-{item.key}")],
            "participant": [EncounterParticipant(individual=Reference(reference=therapist))],
            "period": Period(start=start, end=end),
        }
    )
    yield encounter
    session = _address(encounter)
    rated = dict(zip(_PULSE, item.client_ratings[number - 1], strict=True))
    yield _response(
        f"pulse-{item.key}-{number}",
        "asc-pulse",
        client=item.client,
        author=f"Patient/{item.client}",
        encounter=session,
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
            encounter=session,
            authored=end + timedelta(minutes=4),
            answers={link: _raw(link, levels.get(link[0], 3)) for link in _FORM},
        )
    level = item.therapist_levels[number - 1]
    yield _response(
        f"view-{item.key}-{number}",
        "asc-therapist",
        client=item.client,
        author=therapist,
        encounter=session,
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
) -> QuestionnaireResponse:
    return QuestionnaireResponse(
        id=id,
        questionnaire=f"{BASE}/Questionnaire/{questionnaire}|1.0.0",
        status="completed",
        subject=Reference(reference=f"Patient/{client}"),
        encounter=Reference(reference=encounter),
        authored=authored,
        author=Reference(reference=author),
        item=[_answered(link, value) for link, value in answers.items()],
    )


def _answered(link: str, value: int) -> QuestionnaireResponseItem:
    chosen = Coding(system=_ANSWERS, code=str(value))
    return QuestionnaireResponseItem(
        linkId=link, answer=[QuestionnaireResponseItemAnswer(valueCoding=chosen)]
    )


def practitioner(person: Person) -> Practitioner:
    """Somebody who works in the clinic."""
    return Practitioner(
        id=person.key,
        active=True,
        name=[HumanName(family=person.family, given=[person.given])],
        gender=person.gender or None,
    )


def _role(person: Person, clinic: str) -> PractitionerRole:
    coding = [Coding(system=_ROLES, code="doctor")]
    if person.part is not None:
        coding.append(Coding(system=f"{BASE}/CodeSystem/practitioner-role", code=person.part))
    return PractitionerRole(
        id=f"role-{person.key}",
        active=True,
        practitioner=Reference(reference=f"Practitioner/{person.key}"),
        organization=Reference(reference=f"Organization/clinic-{clinic}"),
        code=[CodeableConcept(coding=coding)],
    )


def _patient(person: Person, clinic: str) -> Patient:
    number = Identifier(system=f"{BASE}/demo/record-number", value=person.key.upper())
    return Patient(
        id=person.key,
        active=True,
        identifier=[number],
        name=[HumanName(use="official", family=person.family, given=[person.given])],
        gender=person.gender,
        birthDate=date.fromisoformat(person.born),
        managingOrganization=Reference(reference=f"Organization/clinic-{clinic}"),
    )


def _since(day: date) -> Period:
    return Period.model_validate({"start": day})


def _address(resource: Resource) -> str:
    return f"{resource.get_resource_type()}/{resource.id}"

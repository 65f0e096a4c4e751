"""Courses of therapy for tests: an episode, its sessions, and the answers given after each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx

from tests.support.application import Clinic

Tree = dict[str, Any]
Answers = Mapping[str, Any]

OURS = "https://rapport.example.org"
SCALES = f"{OURS}/CodeSystem/alliance-scale"
FIRST = datetime(2026, 1, 5, 17, 0, tzinfo=UTC)
ASC_ITEMS = (
    "B1", "B2", "B3", "G1", "G2", "G3", "T1", "T2", "T3", "E1", "E2",
    "S1", "S2", "S3", "D1", "D2", "O1", "O2", "V1", "V2", "P1", "P2",
)  # fmt: skip


def wai(total: int) -> Answers:
    """Twelve answers of 1 to 5 with this sum."""
    low, more = divmod(total, 12)
    return {str(number): low + (1 if number <= more else 0) for number in range(1, 13)}


def srs(total: str | Decimal) -> Answers:
    """Four lines with this sum, in tenths."""
    tenths = int(Decimal(total) * 10)
    low, more = divmod(tenths, 4)
    names = ("relationship", "goals", "approach", "overall")
    return {
        name: Decimal(low + (1 if place < more else 0)) / 10 for place, name in enumerate(names)
    }


def pulse(sum_of_five: int) -> Answers:
    """The five answers of a pulse whose scored sum is this; the total is five times as much."""
    low, more = divmod(sum_of_five, 5)
    levels = [low + (1 if place < more else 0) for place in range(5)]
    return dict(zip(("B1", "G1", "T1", "O1"), levels[:4], strict=True)) | {"S2": 4 - levels[4]}


def asc(level: Answers | int, *, x1: str | None = None) -> Answers:
    """All items of the long form at one scored level, or as given."""
    if isinstance(level, int):
        level = {item: 4 - level if item in ("S2", "V2") else level for item in ASC_ITEMS}
    return dict(level) | ({"X1": x1} if x1 else {})


_SYSTEMS = {
    "wai-sr": f"{OURS}/CodeSystem/wai-sr-answer",
    "asc-client": f"{OURS}/CodeSystem/asc-answer",
    "asc-therapist": f"{OURS}/CodeSystem/asc-answer",
    "asc-pulse": f"{OURS}/CodeSystem/asc-answer",
    "asc-couple": f"{OURS}/CodeSystem/asc-answer",
    "phq-9": "http://loinc.org",
    "gad-7": "http://loinc.org",
}
_LOINC = {0: "LA6568-5", 1: "LA6569-3", 2: "LA6570-1", 3: "LA6571-9"}


def items(instrument: str, answers: Answers) -> list[Tree]:
    """Answers in the order of the form, as it wants them."""
    return [
        {"linkId": link, "answer": [_answer(instrument, value)]} for link, value in answers.items()
    ]


def _answer(instrument: str, value: Any) -> Tree:
    if isinstance(value, Decimal):
        return {"valueDecimal": float(value)}
    if isinstance(value, str):
        return {"valueCoding": {"system": f"{OURS}/CodeSystem/yes-no-declined", "code": value}}
    system = _SYSTEMS[instrument]
    code = _LOINC[value] if system == "http://loinc.org" else str(value)
    return {"valueCoding": {"system": system, "code": code}}


def _sorted(instrument: str, answers: Answers) -> Answers:
    if instrument == "asc-pulse":
        order: tuple[str, ...] = ("B1", "G1", "T1", "S2", "O1")
    elif instrument.startswith("asc-") and instrument != "asc-couple":
        order = (*ASC_ITEMS, "X1")
    else:
        return answers
    return {link: answers[link] for link in order if link in answers}


@dataclass
class Therapy:
    """One course, written by the clinic's record system."""

    http: httpx.AsyncClient
    settle: Callable[[], Any]
    key: str = field(default_factory=lambda: uuid4().hex[:10])
    couple: str | None = None
    therapist_key: str | None = None
    sittings: int = 0
    organization: str | None = None

    @property
    def patient(self) -> str:
        return f"Patient/p-{self.key}"

    @property
    def therapist(self) -> str:
        return f"Practitioner/{self.therapist_key or 't-' + self.key}"

    @property
    def episode(self) -> str:
        return f"EpisodeOfCare/e-{self.key}"

    @property
    def page(self) -> str:
        """Where the course is shown."""
        return f"/alliance/{self.episode.partition('/')[2]}"

    async def begin(self) -> Therapy:
        """The people and the episode."""
        episode: Tree = {
            "resourceType": "EpisodeOfCare",
            "id": f"e-{self.key}",
            "status": "active",
            "patient": {"reference": self.patient},
            "careManager": {"reference": self.therapist},
            "period": {"start": FIRST.strftime("%Y-%m-%d")},
        }
        if self.organization:
            episode["managingOrganization"] = {"reference": self.organization}
        if self.couple:
            url = f"{OURS}/StructureDefinition/couple"
            episode["extension"] = [{"url": url, "valueReference": {"reference": self.couple}}]
        people = [
            {"resourceType": "Patient", "id": f"p-{self.key}", "name": [{"family": "Costa"}]},
            {
                "resourceType": "Practitioner",
                "id": self.therapist.partition("/")[2],
                "name": [{"family": "Haddad"}],
            },
        ]
        await self.put(*people, episode)
        return self

    async def put(self, *resources: Tree) -> None:
        """Writes resources under their ids, in one transaction."""
        entries = [
            {
                "resource": tree,
                "request": {"method": "PUT", "url": f"{tree['resourceType']}/{tree['id']}"},
            }
            for tree in resources
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        answer = await self.http.post("", json=bundle, headers={"Prefer": "return=minimal"})
        assert answer.status_code == 200, answer.text

    async def sessions(
        self, instrument: str, series: Sequence[Answers | None], *, by: str | None = None
    ) -> None:
        """Goes on by a session a week; no answers where None."""
        trees: list[Tree] = []
        for answers in series:
            self.sittings += 1
            trees.append(self.sitting(self.sittings))
            if answers is not None:
                trees.append(self.response(instrument, answers, self.sittings, by=by))
        for start in range(0, len(trees), 200):
            await self.put(*trees[start : start + 200])
        await self.settle()

    async def answer(
        self, instrument: str, series: Iterable[Answers | None], *, by: str | None = None
    ) -> None:
        """Answers to the sessions there are, from the first on."""
        await self.put(
            *(
                self.response(instrument, answers, number, by=by)
                for number, answers in enumerate(series, 1)
                if answers is not None
            )
        )
        await self.settle()

    def sitting(self, number: int, *, start: datetime | None = None, name: str = "") -> Tree:
        start = start or self.start(number)
        return {
            "resourceType": "Encounter",
            "id": name or f"s-{self.key}-{number}",
            "status": "finished",
            "class": {
                "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
                "code": "AMB",
            },
            "subject": {"reference": self.patient},
            "episodeOfCare": [{"reference": self.episode}],
            "participant": [{"individual": {"reference": self.therapist}}],
            "period": {"start": start.isoformat()},
        }

    def start(self, number: int) -> datetime:
        return FIRST + timedelta(weeks=number - 1)

    def response(
        self,
        instrument: str,
        answers: Answers,
        number: int | None,
        *,
        by: str | None = None,
        **more: Any,
    ) -> Tree:
        author = by or (self.therapist if instrument == "asc-therapist" else self.patient)
        tree: Tree = {
            "resourceType": "QuestionnaireResponse",
            "id": f"r-{instrument}-{self.key}-{number}",
            "questionnaire": f"{OURS}/Questionnaire/{instrument}|1.0.0",
            "status": "completed",
            "subject": {"reference": self.patient},
            "author": {"reference": author},
            "item": items(instrument, _sorted(instrument, answers)),
        }
        if number is not None:
            tree["encounter"] = {"reference": f"Encounter/s-{self.key}-{number}"}
            tree["authored"] = (self.start(number) + timedelta(minutes=55)).isoformat()
        return tree | more

    async def alerts(self, **criteria: str) -> list[Tree]:
        """The DetectedIssues of the patient, by session and rule."""
        found = await self.http.get(
            "DetectedIssue", params={"patient": self.patient, "_count": "1000", **criteria}
        )
        assert found.status_code == 200, found.text
        trees = [entry["resource"] for entry in found.json().get("entry", ())]
        return sorted(trees, key=lambda tree: (session(tree), rule(tree)))


async def begin(clinic: Clinic, **fields: Any) -> Therapy:
    """A new course in a clinic."""
    return await Therapy(clinic.http, clinic.settle, **fields).begin()


def rule(issue: Tree) -> str:
    return str(issue["code"]["coding"][0]["code"])


def status(issue: Tree) -> str:
    return str(extension(issue, "alert-status")["valueCode"])


def evaluation(issue: Tree) -> Tree:
    """What the rule saw, by name."""
    return {
        part["url"]: next((v for k, v in part.items() if k.startswith("value")), None)
        for part in extension(issue, "rule-evaluation")["extension"]
        if part["url"] != "parameter"
    }


def session(issue: Tree) -> int:
    return int(evaluation(issue)["session"])


def extension(tree: Tree, name: str) -> Tree:
    url = f"{OURS}/StructureDefinition/{name}"
    found: list[Tree] = [each for each in tree["extension"] if each["url"] == url]
    assert len(found) == 1, name
    return found[0]

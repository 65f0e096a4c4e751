"""Search against a plain model of it, over random worlds, random eyes and random questions."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.core.errors import AppError
from app.fhir.json import number
from app.fhir.registry import REGISTRY
from app.search import secrecy
from app.search.found import Page
from app.search.visibility import Alternative, Visible
from tests.support.databases import DIALECTS, Databases
from tests.support.search_model import PARAMETERS, Model, Row
from tests.support.searching import NOW, World, name_of, world

WORLDS = 3
IDS = [f"i{n}" for n in range(6)]
WORDS = ["Anna", "anna maria", "Müller", "mull", "Smith Jones", "jo", "O'Neil", "%_"]
SYSTEMS = ["http://a", "http://b"]
CODES = ["bond", "goal", "x"]
DATES = [
    "2024", "2024-02", "2024-02-29", "2025-01-01", "2025-01-01T10:00:00Z", "2024-12-31",
    "2025-01-01T10:00:00.500Z", "2025-01-01T12:00:00+02:00", "2024-12",
]  # fmt: skip
NUMBERS = [
    "0",
    "1",
    "-1",
    "1.0",
    "1.04",
    "1.05",
    "99.5",
    "100",
    "100.50",
    "-0.004",
    "12345678901234567890.5",
]
UNITS = [("http://u", "kg", "kilos"), ("http://v", "kg", None), (None, None, "points")]
URLS = ["http://q/one", "http://q/one/two", "http://q/on"]
STATUSES = {
    "Observation": ["final", "amended"],
    "Encounter": ["finished", "planned"],
    "Questionnaire": ["active", "draft"],
    "QuestionnaireResponse": ["completed", "amended"],
}


# ------------------------------------------------------------------------------------- the worlds


class Maker:
    """Random resources of the modelled types, with many values in common."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def maybe(self, make: Any) -> Any:
        return make() if self.random.random() < 0.7 else None

    def some(self, make: Any) -> Any:
        return [make() for _ in range(self.random.randrange(3))] or None

    def coding(self) -> dict[str, Any]:
        coding = {"code": self.random.choice(CODES)}
        if self.random.random() < 0.7:
            coding["system"] = self.random.choice(SYSTEMS)
        if self.random.random() < 0.5:
            coding["display"] = self.random.choice(WORDS)
        return coding

    def concept(self) -> dict[str, Any]:
        codings = self.some(self.coding)
        text = self.random.choice(WORDS)
        return {"coding": codings} if codings and self.random.random() < 0.7 else {"text": text}

    def identifier(self) -> dict[str, Any]:
        identifier = {"value": self.random.choice(CODES)}
        if self.random.random() < 0.7:
            identifier["system"] = self.random.choice(SYSTEMS)
        return identifier

    def reference(self, type_name: str) -> dict[str, Any]:
        if self.random.random() < 0.1:
            return {"display": "somebody"}
        return {"reference": f"{type_name}/{self.random.choice(IDS)}"}

    def quantity(self) -> dict[str, Any]:
        system, code, unit = self.random.choice(UNITS)
        quantity = {
            "value": number(self.random.choice(NUMBERS)),
            "system": system,
            "code": code,
            "unit": unit,
        }
        return {key: value for key, value in quantity.items() if value is not None}

    def period(self) -> dict[str, Any]:
        ends = sorted(self.random.sample(["2024-01-01", "2024-06", "2025-01-01", "2025-06-01"], 2))
        period = dict(zip(("start", "end"), ends, strict=True))
        if self.random.random() < 0.5:
            period.pop(self.random.choice(["start", "end"]))
        return period

    def name(self) -> dict[str, Any]:
        return {"family": self.random.choice(WORDS), "given": [self.random.choice(WORDS)]}

    def tree(self, type_name: str, id: str) -> dict[str, Any]:
        choice = self.random.choice
        members: dict[str, Any] = {"meta": {"tag": [self.coding()]} if choice([0, 1]) else None}
        if type_name in STATUSES:
            members["status"] = choice(STATUSES[type_name])
        match type_name:
            case "Patient":
                members |= {
                    "name": self.some(self.name),
                    "gender": self.maybe(lambda: choice(["male", "female"])),
                    "active": self.maybe(lambda: choice([True, False])),
                    "birthDate": self.maybe(lambda: choice([d for d in DATES if "T" not in d])),
                    "identifier": self.some(self.identifier),
                    "generalPractitioner": self.some(lambda: self.reference("Practitioner")),
                }
            case "Practitioner":
                members |= {"name": self.some(self.name), "identifier": self.some(self.identifier)}
            case "Encounter":
                members |= {
                    "period": self.maybe(self.period),
                    "subject": self.maybe(lambda: self.reference("Patient")),
                }
            case "Questionnaire":
                members |= {
                    "url": self.maybe(lambda: choice(URLS)),
                    "version": self.maybe(lambda: choice(["1", "2"])),
                    "title": self.maybe(lambda: choice(WORDS)),
                }
            case "QuestionnaireResponse":
                versions = ["", "|1", "|2", "|3"]
                members |= {
                    "authored": self.maybe(lambda: choice(DATES)),
                    "subject": self.maybe(lambda: self.reference("Patient")),
                    "questionnaire": self.maybe(lambda: choice(URLS) + choice(versions)),
                }
            case "Observation":
                members |= {
                    "code": self.concept(),
                    "category": self.some(self.concept),
                    "subject": self.maybe(lambda: self.reference("Patient")),
                    "encounter": self.maybe(lambda: self.reference("Encounter")),
                    "hasMember": self.some(lambda: self.reference("Observation")),
                    "component": self.some(
                        lambda: {"code": self.concept(), "valueQuantity": self.quantity()}
                    ),
                }
                members |= choice(
                    [
                        {},
                        {"effectiveDateTime": choice(DATES)},
                        {"effectivePeriod": self.period()},
                        {"effectiveInstant": "2025-01-01T10:00:00.500Z"},
                    ]
                )
                members |= choice(
                    [{}, {"valueQuantity": self.quantity()}, {"valueString": choice(WORDS)}]
                )
        kept = {key: value for key, value in members.items() if value is not None}
        return {"resourceType": type_name, "id": id} | kept


class Made:
    """A stored world, its rows, and how confidential each is.

    Not a dataclass: hypothesis would print every row where a question fails.
    """

    def __init__(self, world: World, rows: Sequence[tuple[Row, int]]) -> None:
        self.world = world
        self.rows = rows

    def seen(self, limits: dict[str, int]) -> tuple[Model, Visible]:
        """What eyes with these limits see; a type without a limit is not seen at all."""
        model = Model(
            row for row, level in self.rows if level <= limits.get(row.tree["resourceType"], -1)
        )
        grants = {
            REGISTRY[name].code: (Alternative(confidentiality=limit),)
            for name, limit in limits.items()
        }
        return model, Visible(1, grants)


async def made(database: Any, seed: int) -> Made:
    maker = Maker(seed)
    trees = [maker.tree(name, id) for name in PARAMETERS for id in IDS]
    trees += [maker.tree("Observation", f"o{n}") for n in range(12)]
    maker.random.shuffle(trees)
    rows = []
    for order, tree in enumerate(trees, start=1):
        level = maker.random.choice([1, 2])
        await database.put(tree, confidentiality=level)
        micros = NOW + order * 1_000_000 + 1
        updated = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
        rows.append((Row(tree, order, updated), level))
    gone = maker.random.sample(rows, 4)
    for row, _ in gone:
        await database.remove("/".join(row.key))
    return Made(database, [pair for pair in rows if pair not in gone])


@pytest_asyncio.fixture(scope="module", params=DIALECTS)
async def worlds(request: pytest.FixtureRequest, databases: Databases):
    opened = []
    managers = []
    for seed in range(WORLDS):
        manager = world(await databases.make(request.param))
        managers.append(manager)
        opened.append(await made(await manager.__aenter__(), seed))
    yield opened
    for manager in managers:
        await manager.__aexit__(None, None, None)


# ---------------------------------------------------------------------------------- the questions

PREFIXES = ["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"]


def texts(type_name: str) -> st.SearchStrategy[str]:
    """One value to ask for, often one that is there."""
    match type_name:
        case "string" | "words":
            return st.sampled_from([*WORDS, "a", "MÜLLER", "smith", "jones"])
        case "token":
            codes = st.sampled_from([*CODES, "male", "true", "final", "completed", "active", "1"])
            systems = [None, *SYSTEMS, "", "http://hl7.org/fhir/observation-status"]
            return st.builds(
                lambda s, c: c if s is None else f"{s}|{c}", st.sampled_from(systems), codes
            ) | st.sampled_from([f"{system}|" for system in SYSTEMS])
        case "date":
            return st.builds(str.__add__, st.sampled_from(PREFIXES), st.sampled_from(DATES))
        case "quantity":
            numbers = st.builds(str.__add__, st.sampled_from(PREFIXES), st.sampled_from(NUMBERS))
            units = st.sampled_from(["", "||kg", "||kilos", "|http://u|kg", "||points"])
            return st.builds(str.__add__, numbers, units)
        case "uri":
            return st.sampled_from([*URLS, "http://q"])
    raise AssertionError(type_name)


def reference_texts(code: str, targets: tuple[str, ...]) -> st.SearchStrategy[str]:
    if code == "questionnaire":
        return st.builds(
            str.__add__, st.sampled_from(URLS), st.sampled_from(["", "|1", "|2", "|3"])
        )
    ids = st.sampled_from(IDS)
    return ids | st.builds(f"{targets[0]}/{{}}".format, ids)


MODIFIERS = {
    "string": ["", "exact", "contains"],
    "words": ["", "exact", "contains"],
    "token": ["", "not"],
    "date": [""],
    "quantity": [""],
    "uri": ["", "below"],
}


@st.composite
def leaf(draw: st.DrawFn, type_name: str) -> tuple[str, str]:
    code = draw(
        st.sampled_from(
            ["_id", "_tag", *PARAMETERS[type_name]]
            + (
                ["component-code-value-quantity", "combo-code-value-quantity"]
                if type_name == "Observation"
                else []
            )
        )
    )
    if code == "_id":
        return code, ",".join(draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=3)))
    if code.endswith("-code-value-quantity"):
        pairs = st.builds("{}${}".format, st.sampled_from(CODES), texts("quantity"))
        return code, ",".join(draw(st.lists(pairs, min_size=1, max_size=2)))
    if code == "_tag":
        return code, draw(texts("token"))
    parameter = PARAMETERS[type_name][code]
    if draw(st.integers(0, 7)) == 0:
        return f"{code}:missing", draw(st.sampled_from(["true", "false"]))
    if parameter.type == "reference":
        values = reference_texts(code, parameter.targets)
        modifier = ""
        if code != "questionnaire" and draw(st.booleans()):
            modifier, values = parameter.targets[0], st.sampled_from(IDS)
    else:
        values = texts(parameter.type)
        modifier = draw(st.sampled_from(MODIFIERS[parameter.type]))
        if code in ("code", "category") and draw(st.integers(0, 4)) == 0:
            modifier, values = "text", st.sampled_from(WORDS)
    name = f"{code}:{modifier}" if modifier else code
    return name, ",".join(draw(st.lists(values, min_size=1, max_size=3)))


@st.composite
def criterion(draw: st.DrawFn, type_name: str, depth: int = 0) -> tuple[str, str]:
    links = [
        (code, parameter.targets[0])
        for code, parameter in PARAMETERS[type_name].items()
        if parameter.type == "reference"
    ]
    back = [
        (source, code)
        for source, parameters in PARAMETERS.items()
        for code, parameter in parameters.items()
        if type_name in parameter.targets
    ]
    kind = draw(st.integers(0, 9)) if depth < 2 else 9
    if kind < 2 and links:
        code, target = draw(st.sampled_from(links))
        name, value = draw(criterion(target, depth + 1))
        typed = f":{target}" if draw(st.booleans()) else ""
        return f"{code}{typed}.{name}", value
    if kind < 4 and back:
        source, code = draw(st.sampled_from(back))
        name, value = draw(criterion(source, depth + 1))
        return f"_has:{source}:{code}:{name}", value
    return draw(leaf(type_name))


@dataclass(frozen=True)
class Question:
    type_name: str
    criteria: list[tuple[str, str]]
    sort: list[str]
    count: int
    limits: dict[str, int]
    include: tuple[str, str, str]

    @property
    def is_confidential(self) -> bool:
        """Whether it may ask for what the index does not have."""
        return secrecy.is_confidential(REGISTRY[self.type_name].code) or self.leads_on

    @property
    def leads_on(self) -> bool:
        """Whether it goes by way of references to such values."""
        return any(
            ("." in name or name.startswith("_has")) and re.search("value|:text", name)
            for name, _ in self.criteria
        )


@st.composite
def question(draw: st.DrawFn) -> Question:
    type_name = draw(st.sampled_from(list(PARAMETERS)))
    codes = ["_id", "_lastUpdated", *PARAMETERS[type_name]]
    keys = draw(st.lists(st.sampled_from(codes), max_size=3, unique=True))
    includes = [
        ("_include", type_name, code)
        for code, parameter in PARAMETERS[type_name].items()
        if parameter.type == "reference"
    ] + [
        ("_revinclude", source, code)
        for source, parameters in PARAMETERS.items()
        for code, parameter in parameters.items()
        if type_name in parameter.targets
    ]
    return Question(
        type_name,
        draw(st.lists(criterion(type_name), max_size=3)),
        [draw(st.sampled_from(["", "-"])) + key for key in keys],
        draw(st.sampled_from([1, 3, 50])),
        draw(
            st.fixed_dictionaries({}, optional=dict.fromkeys(PARAMETERS, st.sampled_from([1, 2])))
        ),
        draw(st.sampled_from([("", "", ""), *includes])),
    )


EVERYTHING = dict.fromkeys(PARAMETERS, 2)
NOTHING = ("", "", "")  # to include


@settings(
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(which=st.integers(0, WORLDS - 1), asked=question())
@example(which=0, asked=Question("Patient", [("gender", "|male")], [], 50, EVERYTHING, NOTHING))
async def test_answers_as_the_model_does(worlds: list[Made], which: int, asked: Question):
    model, visible = worlds[which].seen(asked.limits)
    pairs = list(asked.criteria)
    if asked.sort:
        pairs.append(("_sort", ",".join(asked.sort)))
    link, source, code = asked.include
    if link:
        pairs.append((link, f"{source}:{code}"))
    text = urlencode(pairs)

    ask = partial(worlds[which].world.pages, asked.type_name, text, count=asked.count)
    refused: list[str] = []
    pages: list[Page] = []
    try:
        pages = await ask(visible=visible)
    except AppError as refusal:
        refused = [issue.code for issue in refusal.issues]
    if refused:
        # Not indexed: found among what is named, and not at all by way of references.
        assert refused == ["too-costly"]
        assert asked.is_confidential
        if asked.leads_on:
            return
        pages = await ask(visible=visible, bounded=True)

    found = [name_of(row) for page in pages for row in page.matches]
    expected = model.search(asked.type_name, asked.criteria, asked.sort)
    assert found == expected, f"{asked.type_name}?{text} in world {which} seen by {asked.limits}"
    assert {page.total for page in pages} == {len(expected)}
    for page in pages:
        shown = [name_of(row) for row in page.matches]
        along = sorted(name_of(row) for row in page.includes)
        follow = {"_include": model.included, "_revinclude": model.including}.get(link)
        assert along == (sorted(follow(shown, source, code)) if follow else [])

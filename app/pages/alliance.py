"""``/alliance``: a therapist's clients, and ``/alliance/{episode id}``: how one course moves.

Each page is what the operations answer to the person who is signed in, in words and a picture;
looking is recorded like any access.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.core.clock import format_instant
from app.core.errors import AppError, Category
from app.domain.measure import for_people
from app.fhir import json
from app.fhir.elements import value_of
from app.fhir.registry import Interaction
from app.interactions import pipeline
from app.interactions.call import Call, Outcome, Pairs
from app.pages.browser import Browser
from app.pages.patients import named
from app.pages.route import PageRoute
from app.pages.texts import TEXTS
from app.repositories.cds_feedback import Feedback
from app.routers.dependencies import services_of
from app.security.sessions import SignedIn, principal_of
from app.services import cds
from app.services.alert_steps import VOID, status_of
from app.services.alerts import evaluation_of, rule_of
from app.services.answering import CODE, FORM, OPEN, named_by, whom
from app.services.cds_cards import occasion_of
from app.services.cds_uuids import KEY, CardUuids
from app.services.displays import display, instrument

router = APIRouter(prefix="/alliance", route_class=PageRoute, include_in_schema=False)

_FIGURES = (("limit", "alliance-limit"), ("pre", "alliance-pre"), ("nadir", "alliance-nadir"))


@dataclass(frozen=True, slots=True)
class Look:
    """One look of one person; ``person`` has signed in whole."""

    browser: Browser
    person: SignedIn

    async def run(self, type_name: str, **asked: Any) -> Outcome:
        """Performs a call as the person."""
        services = services_of(self.browser.request)
        principal = principal_of(
            self.person, issuer=self.browser.server.issuer, now=self.browser.server.clock.now()
        )
        call = Call(
            interaction=asked.pop("interaction", Interaction.READ),
            facts=services.facts(self.browser.request),
            type=type_name,
            **asked,
        )
        return await pipeline.run(services.engine, principal, call)

    async def operation(
        self, type_name: str, id: str, name: str, query: Pairs = (), *, body: bytes = b""
    ) -> Sequence[Mapping[str, Any]]:
        """The parameters that an operation answers, by name in order."""
        outcome = await self.run(type_name, id=id, operation=name, query=query, body=body)
        found: Sequence[Mapping[str, Any]] = json.parse_resource(outcome.document or b"{}").get(
            "parameter", ()
        )
        return found

    @property
    def base(self) -> str:
        """The own FHIR base URL."""
        return services_of(self.browser.request).engine.settings.fhir_base

    def text(self, key: str) -> str:
        """A text of the page."""
        return TEXTS[key][self.browser.language]


@router.get("")
async def caseload(request: Request) -> Response:
    """The person's own clients, those first who need a word."""
    browser = await Browser.of(request)
    if browser.person is None:
        return browser.sign_in("/alliance")
    look = Look(browser, browser.person)
    kind, _, id = (browser.person.account.fhir_user or "").partition("/")
    if kind != "Practitioner":
        raise AppError.of(Category.FORBIDDEN, "forbidden", "this is for therapists")
    answer = await look.operation("Practitioner", id, "caseload")
    rows = []
    for part in answer:
        if part["name"] == "client":
            row = _values(part)
            patient = await named(browser, look.person, _id(row["patient"]))
            rows.append(
                {
                    **row,
                    "name": patient.name if patient else _id(row["patient"]),
                    "address": f"/alliance/{_id(row['episode'])}",
                    "rule": display("rupture-rule", row.get("rule", ""), browser.language),
                    "raised": row.get("raised", "")[:10],
                }
            )
    return browser.page("alliance/caseload.html", rows=rows)


@router.get("/{episode}")
async def course(request: Request, episode: str) -> Response:
    """One course: the picture, and below it the same in tables."""
    browser = await Browser.of(request)
    if browser.person is None:
        return browser.sign_in(f"/alliance/{episode}")
    look = Look(browser, browser.person)
    trend = await look.operation("EpisodeOfCare", episode, "alliance-trend")
    query = (("language", browser.language),)
    drawn = await look.run("EpisodeOfCare", id=episode, operation="alliance-chart", query=query)
    series = [_series(each, browser.language) for each in trend if each["name"] == "series"]
    alerts = [_values(each) for each in trend if each["name"] == "alert"]
    waiting = [row async for row in _waiting(look, episode)]
    return browser.page(
        "alliance/course.html",
        picture=(drawn.document or b"").decode().partition("?>")[2],
        series=series,
        waiting=waiting,
        missing=[_values(each)["session"] for each in trend if each["name"] == "missing"],
        alerts=await _alerts(look, alerts),
        validated=all(each["validated"] for each in series),
    )


async def _waiting(look: Look, episode: str) -> AsyncIterator[Mapping[str, Any]]:
    """The forms that somebody has still to answer, and whether it is the person's own."""
    stored = (await look.run("EpisodeOfCare", id=episode)).stored
    patient = json.parse_resource(stored.text)["patient"]["reference"] if stored else ""
    query = (("patient", patient), ("code", f"{CODE}|{FORM}"), ("status", ",".join(OPEN)))
    found = await look.run("Task", interaction=Interaction.SEARCH_TYPE, query=query)
    for entry in json.parse_resource(found.document or b"{}").get("entry", ()):
        task = entry["resource"]
        who = whom(task, look.base)
        is_own = who is not None and who == look.person.account.fhir_user
        if not is_own and not (who or "").startswith("Patient/"):
            continue
        names = [each.partition("|")[0].rpartition("/")[2] for each in named_by(task)]
        yield {
            "id": task["id"],
            "form": instrument(next(filter(None, names), ""), look.browser.language),
            "asked": task.get("authoredOn", "")[:10],
            "until": task.get("restriction", {}).get("period", {}).get("end", "")[:10],
            "own": is_own,
        }


async def _alerts(look: Look, told: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Each alert with what its rule saw, newest first."""
    shown = []
    for alert in reversed(told):
        stored = (await look.run("DetectedIssue", id=_id(alert["issue"]))).stored
        tree = json.parse_resource(stored.text) if stored else {}
        if tree and tree.get("status") != VOID:
            shown.append((alert, tree, evaluation_of(tree)))
    cards = await _cards(look, {occasion_of(tree) for _, tree, _ in shown})
    return [
        {
            "session": seen.get("session"),
            "rule": display("rupture-rule", rule_of(tree), look.browser.language),
            "instrument": instrument(str(seen.get("instrument", "")), look.browser.language),
            "state": display("alert-status", status_of(tree), look.browser.language),
            "saw": "; ".join(_saw(look, seen)),
            "version": alert.get("version", ""),
            "cards": cards[occasion_of(tree)],
        }
        for alert, tree, seen in shown
    ]


async def _cards(look: Look, occasions: Collection[str]) -> Mapping[str, Sequence[str]]:
    """What was done about the cards of alerts in record systems, by what they are about."""
    services, tenant = services_of(look.browser.request), look.person.account.tenant
    uuids = CardUuids(services.root.derive(KEY), tenant, "", cds.ALERTS)
    async with services.units.read(tenant) as unit:
        return {
            each: [
                _card(look, said)
                for said in await unit.cds_feedback.about(tenant, uuids.half(each))
            ]
            for each in occasions
        }


def _card(look: Look, said: Feedback) -> str:
    reasons = cds.services()[cds.ALERTS].reasons
    reason = reasons.get(said.reason or "", {}).get(look.browser.language)
    words = [look.text(f"alliance-card-{said.outcome}"), *filter(None, (reason,))]
    return f"{': '.join(words)} ({format_instant(said.at)[:10]})"


def _saw(look: Look, seen: Mapping[str, Any]) -> Iterator[str]:
    for name, key in _FIGURES:
        if json.is_decimal(seen.get(name)):
            yield f"{look.text(key)} {for_people(json.to_decimal(seen[name]))}"
    if seen.get("repairedAt"):
        yield f"{look.text('alliance-repaired')} {seen['repairedAt']}"


def _series(part: Mapping[str, Any], language: str) -> Mapping[str, Any]:
    values = _values(part)
    points = [_values(each) for each in part["part"] if each["name"] == "point"]
    return {
        "instrument": instrument(values["instrument"], language),
        "rater": display("rater", values["rater"], language),
        "scale": display("alliance-scale", values["scale"], language),
        "validated": values.get("validated", False),
        "points": [(each["session"], _shown(each["value"])) for each in points if "value" in each],
        "expected": [
            (_shown(each["target"]), TEXTS[f"alliance-{each['signal']}"][language])
            if "target" in each
            else ("", "")
            for each in points
            if "value" in each
        ]
        if "expectation" in values
        else [],
    }


def _shown(number: Any) -> str:
    return str(for_people(json.to_decimal(number)))


def _values(part: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a parameter by name; a reference as its text."""
    found: dict[str, Any] = {}
    for each in part.get("part", ()):
        value = value_of(each)
        found[each["name"]] = value["reference"] if isinstance(value, dict) else value
    return found


def _id(reference: str) -> str:
    return reference.rpartition("/")[2]

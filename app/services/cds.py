"""The CDS Services that are offered and the words of their cards, which are data.

``definitions/cds_services.json``, after https://cds-hooks.hl7.org/2.0/#discovery. No service
asks for anything to be prefetched: what is stored here decides, so a record system need send
nothing about a patient but who it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from app.fhir import json
from app.fhir.json import Tree
from app.services.instruments import BASE

ALERTS: Final = "alliance-alerts"
REASONS: Final = f"{BASE}/CodeSystem/cds-override-reason"

Words = Mapping[str, str]  # by language


@dataclass(frozen=True, slots=True)
class CdsService:
    """One service: the hook that it answers to and the type of what its cards are about.

    ``required`` names the members of ``context`` that a call must have, ``reasons`` are the codes
    with which a card may be set aside.
    """

    id: str
    hook: str
    subject: str
    required: tuple[str, ...]
    title: Words
    description: Words
    requirements: Words
    reasons: Mapping[str, Words]
    suggestion: Words | None

    def described(self, language: str) -> Tree:
        """The service as discovery tells it."""
        return {
            "hook": self.hook,
            "title": self.title[language],
            "description": self.description[language],
            "id": self.id,
            "usageRequirements": self.requirements[language],
        }

    def override_reasons(self, language: str) -> Sequence[Tree]:
        """The reasons as the Codings of a card."""
        return [
            {"code": code, "system": REASONS, "display": words[language]}
            for code, words in self.reasons.items()
        ]


@cache
def rules() -> Tree:
    """The file, read once."""
    return json.parse_resource(
        resources.files("app.definitions").joinpath("cds_services.json").read_bytes()
    )


@cache
def services() -> Mapping[str, CdsService]:
    """Every service by its id."""
    return {
        each["id"]: CdsService(
            id=each["id"],
            hook=each["hook"],
            subject=each["subject"],
            required=tuple(each["required"]),
            title=each["title"],
            description=each["description"],
            requirements=each["usageRequirements"],
            reasons={reason["code"]: reason["display"] for reason in each["overrideReasons"]},
            suggestion=each.get("suggestion"),
        )
        for each in rules()["services"]
    }


def discovery(language: str) -> Tree:
    """What ``GET /cds-services`` answers."""
    return {"services": [service.described(language) for service in services().values()]}


def text(key: str, language: str, **values: object) -> str:
    """A text of a card, with its values put in."""
    words: str = rules()["texts"][key][language]
    return words.format(**values) if values else words


def saw(rule: str, language: str) -> str:
    """What a rule saw, in plain words; nothing of a rule that is a clinic's own."""
    return str(rules()["saw"].get(rule, {}).get(language, ""))

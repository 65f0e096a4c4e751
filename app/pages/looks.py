"""Who looked, in plain words: AuditEvents of one person's record, those alike in one line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.fhir.json import Tree
from app.pages.me_texts import ME_TEXTS, PURPOSES

# DICOM: Emergency Override Started and Stopped
_EMERGENCIES = {"110127": "me-glass-began", "110128": "me-glass-ended"}


@dataclass(frozen=True, slots=True)
class Line:
    """What somebody did on one day: ``times`` looks, for a purpose, on what grounds."""

    day: str
    who: str
    why: str
    grounds: str
    glass: bool
    times: int


def seen_by(events: Iterable[Tree], language: str) -> list[Line]:
    """The lines of a page, newest first; ``events`` are in that order."""
    counted: dict[tuple[str, str, str, str, bool], int] = {}
    for event in events:
        codes = [each.get("code") for each in event.get("subtype", ())]
        basis = _basis(event)
        key = next((_EMERGENCIES[code] for code in codes if code in _EMERGENCIES), "")
        glass = bool(key) or basis == "break-glass"
        if glass and not key:
            key = "me-glass"
        if basis == "consent":
            key = "me-by-consent"
        who, purpose = _agent(event, language)
        why = PURPOSES.get(purpose, {}).get(language, purpose)
        line = (event["recorded"][:10], who, why, ME_TEXTS[key][language] if key else "", glass)
        counted[line] = counted.get(line, 0) + 1
    return [Line(*line, times) for line, times in counted.items()]


def _agent(event: Tree, language: str) -> tuple[str, str]:
    """Who asked, and for what purpose (a code)."""
    for agent in event.get("agent", ()):
        if agent.get("requestor"):
            name = agent.get("name") or (agent.get("who") or {}).get("display")
            codes = [
                coding.get("code", "")
                for use in agent.get("purposeOfUse", ())
                for coding in use.get("coding", ())
            ]
            return name or ME_TEXTS["me-program"][language], next(iter(codes), "")
    return ME_TEXTS["me-program"][language], ""


def _basis(event: Tree) -> str:
    for entity in event.get("entity", ()):
        for detail in entity.get("detail", ()):
            if detail.get("type") == "basis":
                return str(detail.get("valueString", ""))
    return ""

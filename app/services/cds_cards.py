"""Cards of CDS Hooks: an alert, or a form that waits, in the words of a clinic.

https://cds-hooks.hl7.org/2.0/#card-attributes. A card is an invitation to talk and never a
verdict. Its detail is GitHub Flavored Markdown, so whatever is not the server's own word is
escaped in it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from app.domain.measure import for_people
from app.fhir import json
from app.fhir.json import Tree
from app.services import cds
from app.services.alert_steps import status_of
from app.services.alerts import evaluation_of, rule_of
from app.services.answering import named_by, whom
from app.services.cds import CdsService
from app.services.cds_uuids import CardUuids
from app.services.displays import display, instrument

MOST_SUMMARY: Final = 139  # the specification: fewer than 140 characters
_FIGURES: Final = ("limit", "pre", "nadir")
_MARKS = re.compile(r"([\\`*_\[\]<>&~|#!:@/.$^])")
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


@dataclass(frozen=True, slots=True)
class Deck:
    """What all cards of one answer have in common.

    ``origin`` is where people's pages are, ``base`` the own FHIR base URL, ``unvalidated`` the
    instruments of which it is to be said, ``user`` the person who looks (``Practitioner/x``).
    """

    service: CdsService
    uuids: CardUuids
    language: str
    origin: str
    base: str
    unvalidated: Collection[str]
    user: str

    def of_alerts(self, issues: Sequence[Tree]) -> Sequence[Tree]:
        """A card for each session that alerts are about, by instrument and scale, in their order.

        Several rules often notice the same drop: that is one thing to talk about.
        """
        together: dict[str, list[Tree]] = {}
        for each in issues:
            together.setdefault(occasion_of(each), []).append(each)
        return self._cards(
            [
                (occasion, str(evaluation_of(alerts[0])["episode"]), self._alerts(alerts))
                for occasion, alerts in together.items()
            ]
        )

    def of_forms(self, waiting: Sequence[tuple[Tree, bool]], episode: str) -> Sequence[Tree]:
        """A card for each Task, with whether it is overdue."""
        return self._cards(
            [
                (f"Task/{task['id']}", episode, self._form(task, overdue=overdue))
                for task, overdue in waiting
            ]
        )

    def _cards(self, about: Sequence[tuple[str, str, _Said]]) -> Sequence[Tree]:
        """The first cards; where there are more, the last of them tells."""
        most = int(cds.rules()["most"])
        cards = [self._card(*each) for each in about[:most]]
        if len(about) > most:
            cards[-1]["detail"] += f"\n\n{self._text('more', more=len(about) - most)}"
        return cards

    def _card(self, about: str, episode: str, said: _Said) -> Tree:
        service, language = self.service, self.language
        uuid = self.uuids.of(about)
        card: Tree = {
            "uuid": uuid,
            "summary": said.summary,
            "detail": said.detail,
            "indicator": cds.rules()["indicators"].get(said.state, "info"),
            "source": {"label": cds.rules()["source"][language], "url": self.origin},
        }
        if service.suggestion is not None:
            label = service.suggestion[language]
            card["suggestions"] = [{"label": label, "uuid": self.uuids.suggestion(uuid)}]
            card["selectionBehavior"] = "at-most-one"
        if service.reasons:
            card["overrideReasons"] = service.override_reasons(language)
        if episode:
            url = f"{self.origin}/alliance/{episode}"
            card["links"] = [{"label": self._text("link"), "url": url, "type": "absolute"}]
        return card

    def _alerts(self, issues: Sequence[Tree]) -> _Said:
        seen = evaluation_of(issues[0])
        named, scale = str(seen.get("instrument", "")), str(seen.get("scale", ""))
        lines = [
            *self._of_instrument(named),
            self._line("scale", display("alliance-scale", scale, self.language)),
            *(self._alert(each) for each in issues),
            self._text("invitation"),
        ]
        states = {status_of(each) for each in issues}
        summary = self._summary("alert-summary", named, session=seen.get("session", ""))
        return _Said(summary, "\n\n".join(lines), min(states, key=_urgency))

    def _alert(self, issue: Tree) -> str:
        seen, rule = evaluation_of(issue), rule_of(issue)
        figures = [
            self._line(name, str(for_people(json.to_decimal(seen[name]))))
            for name in _FIGURES
            if json.is_decimal(seen.get(name))
        ]
        lines = [
            self._line("rule", display("rupture-rule", rule, self.language)),
            *figures,
            self._line("state", display("alert-status", status_of(issue), self.language)),
        ]
        saw = cds.saw(rule, self.language)
        return "\n\n".join(filter(None, (saw, "\n".join(lines))))

    def _form(self, task: Tree, *, overdue: bool) -> _Said:
        names = (each.partition("|")[0].rpartition("/")[2] for each in named_by(task))
        named = next(filter(None, names), "")
        period = task.get("restriction", {}).get("period", {})
        dates = (("asked", task.get("authoredOn")), ("until", period.get("end")))
        lines = [
            self._text("of-user" if whom(task, self.base) == self.user else "of-client"),
            "\n".join(self._line(name, date[:10]) for name, date in dates if date),
            *self._of_instrument(named),
        ]
        state = "overdue" if overdue else "waiting"
        return _Said(
            self._summary(f"{state}-summary", named), "\n\n".join(filter(None, lines)), state
        )

    def _of_instrument(self, named: str) -> Iterator[str]:
        told = escaped(instrument(named, self.language))
        yield (
            f"**{told}** {self._text('not-validated')}"
            if named in self.unvalidated
            else (f"**{told}**" if told else "")
        )

    def _summary(self, key: str, named: str, **values: object) -> str:
        marked = f" {self._text('marked-not-validated')}" if named in self.unvalidated else ""
        name = one_line(instrument(named, self.language))
        room = MOST_SUMMARY - len(self._text(key, instrument="", **values)) - len(marked)
        if len(name) > room:
            name = name[: room - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
        return self._text(key, instrument=name, **values) + marked

    def _line(self, key: str, value: str) -> str:
        return f"- {self._text(key)}: {escaped(value)}"

    def _text(self, key: str, **values: object) -> str:
        return cds.text(key, self.language, **values)


@dataclass(frozen=True, slots=True)
class _Said:
    """The words of a card, and where what it is about stands."""

    summary: str
    detail: str
    state: str


def occasion_of(issue: Tree) -> str:
    """What makes alerts one thing to talk about: the same scale after the same session."""
    seen = evaluation_of(issue)
    return "|".join(
        str(seen.get(name, "")) for name in ("episode", "encounter", "instrument", "scale")
    )


def _urgency(state: str) -> int:
    known = list(cds.rules()["indicators"])
    return known.index(state) if state in known else len(known)


def one_line(text: str) -> str:
    """A text without line ends, and without characters that hide or turn others."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def escaped(text: str) -> str:
    """A text that Markdown shows as it is: no mark of it works, and no HTML is in it.

    Points and signs within a number stay, so that figures read as figures.
    """
    line = one_line(text)
    if re.fullmatch(r"-?[0-9]+(?:[.-][0-9]+)*", line):
        return line
    return _MARKS.sub(lambda mark: _ENTITIES.get(mark[1], f"\\{mark[1]}"), line)

"""A flag of a live rule as a DetectedIssue, and what becomes of it.

Where an alert stands follows from two things: what the rule says of the score since, and what
clinicians did, which the resource keeps as ``mitigation`` with an author. What a person ended
stays ended; else the rule has the last word on repaired and unrepaired.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from app.domain.rupture import Flag, LiveRule, Parameters, Repair, Rule, RuleSet, detect
from app.domain.trajectory import Observed, Series
from app.fhir.elements import value_of
from app.fhir.json import Tree
from app.fhir.parameters import exact
from app.services.alert_steps import ENDED, STATUS, VERSION, step, step_of
from app.services.courses import SCALES, Course, extension, id_in
from app.services.derived import derived_id
from app.services.instruments import BASE

RULES = f"{BASE}/CodeSystem/rupture-rule"
EVALUATION = f"{BASE}/StructureDefinition/rule-evaluation"
_RELATIVE = ""  # no base: the server writes what a rule saw without its address

_OURS = frozenset((STATUS, VERSION, EVALUATION))
_LOOK_BACK = {Rule.BELOW_CUTOFF: 1, Rule.STEP_DROP: 2}  # sessions; other rules, all
_WORDS = {
    "en": "The score moved in a way that this rule looks out for. An invitation to talk about how"
    " the work is going, not a finding.",
    "ar": "تغيّرت الدرجة على نحوٍ تنتبه له هذه القاعدة."
    " هذه دعوة إلى الحديث عن سير العمل معًا، لا حُكم.",
}
_CAME_BACK = "The score came back."


@dataclass(frozen=True, slots=True)
class Scores:
    """What a rule looks at: one scale's scores by one rater or two, in session order.

    ``upto`` tells how many belong to a session and those before it; ``marks`` are as many
    numbers and one more, each of which tells the scores before it from any others.
    """

    points: tuple[Observed, ...]
    upto: Mapping[int, int]
    dates: Mapping[int, str]
    marks: tuple[int, ...]

    @classmethod
    def of(cls, course: Course, tracks: Sequence[Series]) -> Scores:
        """The sessions in which every one of the tracks has a value."""
        by_session = [{point.session: point for point in each.points} for each in tracks]
        points: list[Observed] = []
        upto, dates, marks = dict[int, int](), dict[int, str](), [0]
        for session in sorted(set(by_session[0]).intersection(*by_session[1:])):
            here = [each[session] for each in by_session]
            if any(point.value is None for point in here):
                continue
            points += here
            upto[session] = len(points)
            dates[session] = max(course.dates[point.reference] for point in here)
            for point in here:
                marks.append(hash((marks[-1], point.reference)))
        return cls(tuple(points), upto, dates, tuple(marks))


@dataclass(frozen=True, slots=True)
class Alert:
    """A flag, the rule that raised it, and the scores that the rule had looked at.

    These are ``scores.points[first:last]``. ``raised`` is when the flagged score was answered,
    ``repair`` when the one that repaired it was.
    """

    rules: RuleSet
    live: LiveRule
    flag: Flag
    encounter: str
    raised: str
    scores: Scores
    first: int
    last: int
    repair: str | None = None

    @property
    def name(self) -> tuple[str, ...]:
        """What makes it the same alert: the rule and the session's Encounter."""
        return (self.rules.url, self.rules.scale, self.live.rule, self.encounter)

    @property
    def inputs(self) -> tuple[Observed, ...]:
        """The scores that the rule had looked at, in session order."""
        return self.scores.points[self.first : self.last]


def alerts(course: Course, rules: RuleSet) -> Sequence[Alert]:
    """Every flag that the live rules of one scale raise in a course."""
    tracks = [course.of(rules.instrument, rules.scale)]
    if rules.against is not None:
        tracks.append(course.of(rules.against, rules.scale))
    found = [each for each in tracks if each is not None]
    if len(found) < len(tracks):
        return []
    values, *theirs = (each.values(course.sessions.count) for each in found)
    for other in theirs:
        values = tuple(map(_distance, values, other))
    scores = Scores.of(course, found)
    return [
        _alert(course, rules, live, flag, scores)
        for live in rules.rules
        for flag in detect(live.rule, values, live.parameters).flags
    ]


def _alert(course: Course, rules: RuleSet, live: LiveRule, flag: Flag, scores: Scores) -> Alert:
    last = scores.upto[flag.session]
    back = _LOOK_BACK.get(live.rule)
    raters = 1 if rules.against is None else 2
    return Alert(
        rules=rules,
        live=live,
        flag=flag,
        encounter=course.encounter(flag.session),
        raised=scores.dates[flag.session],
        scores=scores,
        first=0 if back is None else max(0, last - back * raters),
        last=last,
        repair=scores.dates[flag.repaired_at] if flag.repaired_at else None,
    )


def _distance(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else abs(one - other)


def alert_id(course: Course, alert: Alert) -> str:
    """The id of the DetectedIssue."""
    return derived_id("alert", course.episode, *alert.name)


def gist(course: Course, alert: Alert) -> int:
    """A number that tells, within this process, whether two alerts make the same DetectedIssue.

    Of the same version before; they are by far more than can be written out after every session.
    """
    rules = (alert.rules.canonical, alert.rules.scale, alert.live)
    moved = (alert.flag, alert.raised, alert.repair)
    inputs = (alert.scores.marks[alert.first], alert.scores.marks[alert.last])
    return hash((course.episode, course.patient, rules, alert.encounter, moved, inputs))


def issue(course: Course, alert: Alert, *, before: Tree | None) -> Tree:
    """The DetectedIssue of an alert; ``before`` is the one stored, whose history is kept."""
    work = [step for step in (before or {}).get("mitigation", ()) if "author" in step]
    status = _status(alert.flag.status, work)
    if alert.flag.status is Repair.REPAIRED and alert.repair is not None:
        work.append(step("repaired", _CAME_BACK, date=alert.repair))
    flagged = [point for point in alert.inputs if point.session == alert.flag.session]
    tree: Tree = {
        **{name: value for name, value in (before or {}).items() if name != "mitigation"},
        "resourceType": "DetectedIssue",
        "id": alert_id(course, alert),
        "language": "en",
        "extension": [
            {"url": STATUS, "valueCode": status},
            {"url": VERSION, "valueCanonical": alert.rules.canonical},
            {"url": EVALUATION, "extension": _evaluation(course, alert)},
            *(each for each in (before or {}).get("extension", ()) if each.get("url") not in _OURS),
        ],
        "status": "final" if status in ENDED else "preliminary",
        "code": {"coding": [{"system": RULES, "code": str(alert.live.rule)}]},
        "patient": {"reference": f"Patient/{course.patient}"},
        "identifiedDateTime": alert.raised,
        "implicated": [{"reference": point.reference} for point in flagged],
        "evidence": [
            {
                "code": [{"coding": [{"system": SCALES, "code": alert.rules.scale}]}],
                "detail": [{"reference": point.reference} for point in alert.inputs],
            }
        ],
        "detail": _WORDS["en"],
        "_detail": {"extension": [_translated("ar", _WORDS["ar"])]},
    }
    if work:
        tree["mitigation"] = work
    return tree


def _status(repair: Repair | None, work: Iterable[Tree]) -> str:
    said = [step_of(each) for each in work]
    last = said[-1] if said else "open"
    if last in ENDED or repair in (None, Repair.OPEN):
        return last
    return str(repair)


def evaluation_of(tree: Tree) -> Mapping[str, Any]:
    """What the rule saw: episode and encounter ids, session, instrument, scale, figures."""
    found: dict[str, Any] = {}
    for part in extension(tree, EVALUATION).get("extension", ()):
        name = part.get("url")
        if name in ("episode", "encounter"):
            kind = "EpisodeOfCare" if name == "episode" else "Encounter"
            found[name] = id_in(part.get("valueReference"), kind, _RELATIVE)
        elif name != "parameter":
            found[name] = value_of(part)
    return found


def version_of(tree: Tree) -> str:
    """The canonical of the rules that raised it, with their version."""
    return str(extension(tree, VERSION).get("valueCanonical", ""))


def rule_of(tree: Tree) -> str:
    """The rule that raised it."""
    codings = tree.get("code", {}).get("coding", ())
    return next((str(each.get("code")) for each in codings if each.get("system") == RULES), "")


def _evaluation(course: Course, alert: Alert) -> list[Tree]:
    flag, rules = alert.flag, alert.rules
    parts: list[Tree] = [
        {"url": "episode", "valueReference": {"reference": f"EpisodeOfCare/{course.episode}"}},
        {"url": "encounter", "valueReference": {"reference": f"Encounter/{alert.encounter}"}},
        {"url": "session", "valuePositiveInt": flag.session},
        {"url": "instrument", "valueCode": rules.instrument},
        {"url": "scale", "valueCode": rules.scale},
    ]
    if rules.against is not None:
        parts.append({"url": "against", "valueCode": rules.against})
    figures = (("limit", flag.limit), ("pre", flag.pre), ("nadir", flag.nadir))
    parts.extend(
        {"url": name, "valueDecimal": exact(number)}
        for name, number in figures
        if number is not None
    )
    if flag.repaired_at is not None:
        parts.append({"url": "repairedAt", "valuePositiveInt": flag.repaired_at})
    parts.extend(_parameters(alert.live.parameters))
    return parts


def _parameters(given: Parameters) -> Iterable[Tree]:
    for each in fields(given):
        setting = getattr(given, each.name)
        if setting is not None:
            yield {
                "url": "parameter",
                "extension": [
                    {"url": "name", "valueCode": each.name},
                    {"url": "value", **_setting(setting)},
                ],
            }


def _setting(setting: object) -> Tree:
    match setting:
        case bool():
            return {"valueBoolean": setting}
        case int():
            return {"valueInteger": setting}
        case Decimal():
            return {"valueDecimal": exact(setting)}
        case _:
            return {"valueCode": str(setting)}


def _translated(language: str, text: str) -> Tree:
    return {
        "url": "http://hl7.org/fhir/StructureDefinition/translation",
        "extension": [
            {"url": "lang", "valueCode": language},
            {"url": "content", "valueString": text},
        ],
    }

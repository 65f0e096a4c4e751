"""Reaction: answers become score Observations.

Each scale of the scoring key is one Observation under an id that follows from the response
and the scale, so scoring again changes nothing and amended answers give a new version of the
same score. The definition, its version and the answers are named by every score.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from app.core.errors import AppError
from app.domain.questionnaire import CompiledQuestionnaire, answers_of
from app.domain.scoring import Score, ScoringKey, score
from app.fhir import json
from app.fhir.json import Tree
from app.fhir.parameters import exact
from app.repositories.outbox import Written
from app.repositories.resources import StoredVersion
from app.repositories.unit_of_work import UnitOfWork
from app.search.visibility import Visible
from app.services.courses import DEFINITION, RATER, SCALES
from app.services.definitions import Definitions
from app.services.derived import Derived
from app.services.instruments import BASE
from app.services.questionnaires import Questionnaires
from app.services.trees import matching

log = structlog.get_logger("rapport.scoring")

_MARKERS = f"{BASE}/CodeSystem/score-marker"
_PRORATED = f"{BASE}/StructureDefinition/prorated"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, f"{BASE}/score")
COUNTED = ("completed", "amended")
_VOID = "entered-in-error"
NOT_VALIDATED = "This instrument has not been validated: no norms, no cut-offs."


@dataclass(frozen=True, slots=True)
class _Answered:
    """What a score says of where it comes from."""

    response: Tree
    reference: str
    key: ScoringKey


@dataclass(frozen=True, slots=True)
class Instruments:
    """Questionnaires and their keys by the canonical that responses name."""

    found: dict[str, tuple[CompiledQuestionnaire | None, Sequence[ScoringKey]]] = field(
        default_factory=dict
    )


class Scoring:
    """Scores responses by the keys that name their questionnaire."""

    def __init__(
        self,
        *,
        derived: Derived,
        definitions: Definitions,
        questionnaires: Questionnaires,
        base: str,
    ) -> None:
        self._derived = derived
        self._definitions = definitions
        self._questionnaires = questionnaires
        self._base = base

    async def react(self, uow: UnitOfWork, written: Written) -> None:
        """Stores what the current version of the response scores."""
        visible = Visible.everything(written.tenant, reason="answers are scored")
        stored = await uow.resources.read(written.kind, written.id, visible=visible)
        if stored is None:
            return
        scored: Sequence[Tree] = ()
        if not stored.deleted:
            response = json.parse_stored(stored.text)
            if response.get("status") in COUNTED:
                scored = await self.scores(uow, response, tenant=written.tenant)
        await self._derived.store_all(uow, scored, tenant=written.tenant)
        if stored.version > 1:
            kept = {tree["id"] for tree in scored}
            await self._void(uow, stored, kept, visible=visible)

    async def scores(
        self, uow: UnitOfWork, response: Tree, *, tenant: int, known: Instruments | None = None
    ) -> Sequence[Tree]:
        """The Observations that a response scores, none where no key names its questionnaire.

        ``known`` keeps what was found for the responses that follow.
        """
        canonical, known = response.get("questionnaire", ""), known or Instruments()
        if canonical not in known.found:
            questionnaire = await self._questionnaires.named_by(uow, response, tenant=tenant)
            keys: Sequence[ScoringKey] = ()
            if questionnaire is not None:
                keys = await self._definitions.scoring_keys(
                    uow, tenant=tenant, questionnaire=questionnaire.canonical
                )
            known.found[canonical] = (questionnaire, keys)
        questionnaire, keys = known.found[canonical]
        if questionnaire is None:
            return []
        found: list[Tree] = []
        for key in keys:
            try:
                scored = score(key, answers_of(questionnaire, response))
            except AppError as error:
                log.warning("answers cannot be scored", definition=key.canonical, error=str(error))
                continue
            reference = f"QuestionnaireResponse/{response['id']}" if "id" in response else ""
            found.extend(_observations(_Answered(response, reference, key), scored))
        return found

    async def _void(
        self, uow: UnitOfWork, stored: StoredVersion, kept: Collection[str], *, visible: Visible
    ) -> None:
        """Takes back what earlier answers scored: of another form, reopened, in error, deleted."""
        found = await matching(
            uow,
            "Observation",
            [("derived-from", f"QuestionnaireResponse/{stored.id}")],
            visible=visible,
            limit=1000,
            base=self._base,
        )
        void = [
            {**tree, "status": _VOID} for tree in found if tree["id"] not in kept and _is_ours(tree)
        ]
        await self._derived.store_all(uow, void, tenant=visible.tenant)


def _is_ours(observation: Tree) -> bool:
    return any(each.get("url") == DEFINITION for each in observation.get("extension", ()))


def _observations(answered: _Answered, scored: Sequence[Score]) -> Iterable[Tree]:
    ids = {one.scale: _id(answered, one.scale) for one in scored}
    for one in scored:
        yield _observation(answered, one, ids)


def _observation(answered: _Answered, scored: Score, ids: Mapping[str, str]) -> Tree:
    key, response = answered.key, answered.response
    scale = key.scale(scored.scale)
    coding: list[Tree] = [{"system": SCALES, "code": scored.scale}]
    coding.extend(
        {"system": one.system, "code": one.code, "display": one.display}
        for one in (scale.coding if scale else ())
    )
    extension: list[Tree] = [
        {"url": DEFINITION, "valueCanonical": key.canonical},
        {"url": RATER, "valueCode": str(key.rater)},
    ]
    if scored.prorated:
        extension.append({"url": _PRORATED, "valueInteger": scored.prorated})
    tree: Tree = {
        "resourceType": "Observation",
        "id": ids[scored.scale],
        "extension": extension,
        "status": "final",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": "survey",
                    }
                ]
            }
        ],
        "code": {"coding": coding},
        "subject": response.get("subject"),
        "encounter": response.get("encounter"),
        "effectiveDateTime": response.get("authored")
        or response.get("meta", {}).get("lastUpdated"),
        "performer": [response["author"]] if "author" in response else None,
        **_value(scored),
        "interpretation": [{"coding": [{"system": _MARKERS, "code": "straight-line"}]}]
        if scored.straight_line
        else None,
        "note": None if key.validated else [{"text": NOT_VALIDATED}],
        "hasMember": [{"reference": f"Observation/{ids[member]}"} for member in scored.members]
        or None,
        # Answers that are only tried have no address yet.
        "derivedFrom": [
            {"reference": answered.reference}
            if answered.reference
            else {"type": "QuestionnaireResponse"}
        ],
    }
    return {name: value for name, value in tree.items() if value is not None}


def _value(scored: Score) -> dict[str, Any]:
    if scored.value is None:
        return {
            "dataAbsentReason": {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/data-absent-reason",
                        "code": scored.missing,
                    }
                ]
            }
        }
    return {
        "valueQuantity": {
            "value": exact(scored.value),
            "unit": "score",
            "system": "http://unitsofmeasure.org",
            "code": "{score}",
        }
    }


def _id(answered: _Answered, scale: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{answered.reference}|{answered.key.url}|{scale}"))

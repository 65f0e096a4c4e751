"""What queries join, made from the resources that say it: the rules of Consents, memberships."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from app.core.errors import Issue, Severity
from app.domain import consent
from app.domain.consent.decision import MOST_BY_RANK
from app.fhir.json import Tree
from app.fhir.registry import REGISTRY
from app.repositories.unit_of_work import UnitOfWork
from app.services import labels

MEMBERS = frozenset(("Group", "CareTeam", "PractitionerRole"))
DECIDING = MEMBERS | {"Consent"}


def project(
    uow: UnitOfWork,
    tree: Tree | None,
    type_name: str,
    id: str,
    *,
    version: int,
    tenant: int,
    base: str,
) -> None:
    """Brings the rows in step with a version that was stored; None: it was deleted."""
    if type_name == "Consent":
        uow.consents.decide(tenant, id, rules(tree, id=id, version=version, base=base))
    elif type_name in MEMBERS:
        found = consent.members(tree, id=id, base=base) if tree is not None else ()
        uow.consents.belong(
            tenant,
            f"{type_name}/{id}",
            [
                {"owner": m.owner, "member": m.member, "since": m.since, "until": m.until}
                for m in found
            ],
        )


def warnings(tree: Tree, type_name: str, *, base: str) -> Iterator[Issue]:
    """What its writer should know of a Consent: that it cannot be computed, so decides nothing."""
    if type_name == "Consent" and tree.get("status") == "active":
        found = consent.read(tree, id="", version=1, base=base)
        if isinstance(found, consent.Uncomputable):
            yield Issue(
                "not-supported",
                f"the Consent grants and denies nothing: it {found.reason}",
                found.expression,
                Severity.WARNING,
            )


def rules(tree: Tree | None, *, id: str, version: int, base: str) -> list[dict[str, Any]]:
    """The rows of a Consent; none where it is not active or cannot be computed."""
    if tree is None or tree.get("status") != "active":
        return []
    policy = consent.read(tree, id=id, version=version, base=base)
    if isinstance(policy, consent.Uncomputable):
        return []
    shared = {"patient": policy.patient, "version": version}
    return [{**shared, **row} for rule in policy.rules for row in _rows(rule)]


def _rows(rule: consent.Rule) -> Iterator[dict[str, Any]]:
    kinds = [str(REGISTRY[name].code) for name in rule.classes if name in REGISTRY]
    documents = [name for name in rule.classes if "|" in name]
    # A class that is never stored here still restricts.
    kinds += ["0"] if rule.classes and not kinds and not documents else []
    rank, bits = None, 0
    if rule.labels is not None:
        rank = rule.labels.rank
        if rank is not None and rule.permit:
            rank = min(rank, MOST_BY_RANK)
        bits = labels.bits(rule.labels.sensitivities, permit=rule.permit)
    partial = rule.permit and rule.weight == 0 and rule.is_partial
    shared = {
        "path": rule.path,
        "permit": int(rule.permit),
        "closes": int(partial or not rule.permit),
        "weight": rule.weight,
        "partial": int(partial),
        "actions": _lines(rule.actions),
        "purposes": _lines(rule.purposes),
        "rank": rank,
        "sensitivity": bits,
        "labelled": int(rule.labels is not None),
        "notes": int(rule.opens_notes),
        "since": rule.period[0],
        "until": rule.period[1],
        "data_since": rule.data_period[0] if rule.data_period else None,
        "data_until": rule.data_period[1] if rule.data_period else None,
    }
    ways = [(_lines(kinds), code) for code in sorted(rule.codes) or [""]] if kinds else []
    ways += [("", code) for code in documents]
    ways = ways or [("", code) for code in sorted(rule.codes) or [""]]
    for actor, (classes, code), (meaning, reference) in product(
        sorted(rule.actors) or [""], ways, sorted(rule.data) or [("", "")]
    ):
        kind, _, id = reference.partition("/")
        yield {
            **shared,
            "actor": actor,
            "classes": classes,
            "code": code,
            "meaning": meaning,
            "data_kind": REGISTRY[kind].code if kind in REGISTRY else 0,
            "data_id": id,
        }


def _lines(words: Any) -> str:
    return "\n" + "\n".join(sorted(words)) + "\n" if words else ""

"""The joint record of a couple is closed by their separation.

A couple has separated once fewer than two of those who were its members still are. From then on
nothing that is about the Group, nor who belongs to it, is written any more; it is read by the
same rules as before. A couple that comes back is a Group of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.core.clock import Clock
from app.core.errors import AppError, Category
from app.domain import consent
from app.fhir import json
from app.fhir.json import Tree
from app.repositories.resources import StoredVersion
from app.repositories.unit_of_work import UnitOfWork

_SUBJECTS = ("subject", "for", "patient")


class Joint:
    """Refuses what would change a closed joint record."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock

    async def check(
        self, uow: UnitOfWork, tree: Tree | None, previous: StoredVersion | None, *, tenant: int
    ) -> None:
        """``unprocessable`` where a separated couple's record would change; None: it would end."""
        before = json.parse_stored(previous.text) if previous and not previous.deleted else {}
        if "Group" in (before.get("resourceType"), (tree or {}).get("resourceType")):
            self._check_group(tree, before)
            return
        for group in sorted({*_groups(before), *_groups(tree or {})}):
            members = await uow.consents.members(group, tenant=tenant)
            if self._is_over([(member, until) for member, _, until in members]):
                raise _closed()

    def _check_group(self, tree: Tree | None, before: Tree) -> None:
        if "id" not in before:
            return
        stated = consent.members(before, id=before["id"])
        if not self._is_over([(each.member, each.until) for each in stated]):
            return
        if tree is None or tree.get("member") != before.get("member"):
            raise _closed()

    def _is_over(self, members: list[tuple[str, int]]) -> bool:
        people = [until for member, until in members if member.startswith("Patient/")]
        now = self._clock.now()
        return len(people) > 1 and sum(until > now for until in people) < 2


def _groups(tree: Tree) -> Iterator[str]:
    for name in _SUBJECTS:
        subject = tree.get(name)
        reference = subject.get("reference") if isinstance(subject, dict) else None
        if isinstance(reference, str) and reference.startswith("Group/"):
            yield reference


def _closed() -> AppError:
    return AppError.of(
        Category.UNPROCESSABLE,
        "business-rule",
        "the couple has separated: their joint record can be read, not written",
    )

"""The joint record of a couple stays theirs, and is closed by their separation.

Once anything is about a Group of two or more, who they are stays as it is, or another would come
into what is not theirs: whoever leaves is given an end. A couple has separated once fewer than two
of its members still are. From then on nothing that is about the Group, nor who belongs to it, is
written any more; it is read by the same rules as before. A couple that changes or comes back is a
Group of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.core.clock import Clock
from app.core.errors import AppError, Category
from app.domain import consent
from app.fhir import references
from app.fhir.json import Tree
from app.repositories.unit_of_work import UnitOfWork
from app.search.found import Member

_SUBJECTS = ("subject", "for", "patient")


class Joint:
    """Refuses what would change a closed joint record."""

    def __init__(self, *, clock: Clock, base: str) -> None:
        self._clock = clock
        self._base = base

    def groups(self, tree: Tree) -> frozenset[str]:
        """The Groups (``Group/x``) that a resource is about, but for a Group itself."""
        is_one = tree.get("resourceType") == "Group"
        return frozenset() if is_one else frozenset(_groups(tree, self._base))

    async def check(
        self, uow: UnitOfWork, tree: Tree | None, before: Tree, *, tenant: int
    ) -> tuple[Member, ...]:
        """Who own a couple's record that changes (``tree`` None: ends), besides patients alone.

        ``unprocessable`` where they have separated.
        """
        if "Group" in (before.get("resourceType"), (tree or {}).get("resourceType")):
            await self._check_group(uow, tree, before, tenant=tenant)
            return ()
        found: dict[str, Member] = {}
        for group in sorted(self.groups(before) | self.groups(tree or {})):
            members = await uow.consents.members(group, tenant=tenant)
            if self._is_over([(member, until) for member, _, until in members]):
                raise _closed()
            for kind, _, id in (member.partition("/") for member, _, _ in members):
                if kind == "Patient":
                    found.setdefault(id, Member(id, group))
        return tuple(found.values())

    async def _check_group(
        self, uow: UnitOfWork, tree: Tree | None, before: Tree, *, tenant: int
    ) -> None:
        if "id" not in before:
            return
        stated = consent.members(before, id=before["id"], base=self._base)
        is_over = self._is_over([(each.member, each.until) for each in stated])
        if is_over and (tree is None or tree.get("member") != before.get("member")):
            raise _closed()
        people = _people(before, self._base)
        stays = tree is not None and _people(tree, self._base) == people
        if len(people) < 2 or stays:
            return
        if await uow.consents.has_joint_record(before["id"], tenant=tenant):
            raise _taken()

    def _is_over(self, members: list[tuple[str, int]]) -> bool:
        people = [until for member, until in members if member.startswith("Patient/")]
        now = self._clock.now()
        return len(people) > 1 and sum(until > now for until in people) < 2


def _groups(tree: Tree, base: str) -> Iterator[str]:
    for name in _SUBJECTS:
        named = references.local(tree.get(name), base)
        if named is not None and named.startswith("Group/"):
            yield named


def _people(group: Tree, base: str) -> frozenset[str]:
    stated = consent.members(group, id="", base=base)
    return frozenset(each.member for each in stated if each.member.startswith("Patient/"))


def _taken() -> AppError:
    return AppError.of(
        Category.UNPROCESSABLE,
        "business-rule",
        "there are records about these people together: whoever leaves is given the end of a "
        "period, and another couple is another Group",
        "Group.member",
    )


def _closed() -> AppError:
    return AppError.of(
        Category.UNPROCESSABLE,
        "business-rule",
        "the couple has separated: their joint record can be read, not written",
    )

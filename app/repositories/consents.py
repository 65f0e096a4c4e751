"""Rules of Consents, memberships and declared emergencies, kept in step with their resources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
)

from app.db.engine import Change, Connection, Insert, Params, Statement
from app.db.metadata import Str
from app.db.tables.consents import broken_glass, consent_rule, membership
from app.db.tables.indexes import idx_date, idx_reference
from app.db.tables.resources import JOINT, compartment, resource, resource_author
from app.fhir.registry import REGISTRY, by_code
from app.repositories.concern import concern_of, concern_query
from app.repositories.index_keys import IndexKeys
from app.search.asker import Concern
from app.search.provisions import dates
from app.search.secrecy import IndexKey

_GROUP = REGISTRY["Group"].code
_TENANT = bindparam("this_tenant", type_=Integer())
_THIS = bindparam("this", type_=Str)
_FORGET_RULES = Statement(
    delete(consent_rule).where(consent_rule.c.tenant == _TENANT, consent_rule.c.consent == _THIS)
)
_FORGET_MEMBERS = Statement(
    delete(membership).where(membership.c.tenant == _TENANT, membership.c.stated_by == _THIS)
)
_INSERT_RULES = Insert(consent_rule)
_INSERT_MEMBERS = Insert(membership)
_INSERT_GLASS = Statement(insert(broken_glass))
_ABOUT, _MEMBER = compartment.alias("about"), membership.alias("belongs")


def _joining(condition: ColumnElement[bool]) -> Statement:
    """Makes everybody who is or was in a Group an owner of the rows that are about it."""
    about, member = _ABOUT, _MEMBER
    return Statement(
        insert(compartment).from_select(
            ["tenant", "owner_kind", "owner_id", "kind", "rid"],
            select(
                about.c.tenant,
                literal_column(str(JOINT)),
                func.substr(member.c.member, len("Patient/") + 1),
                about.c.kind,
                about.c.rid,
            )
            .where(
                about.c.tenant == _TENANT,
                about.c.owner_kind == literal_column(str(_GROUP)),
                member.c.tenant == about.c.tenant,
                member.c.owner == literal_column("'Group/'", Str) + about.c.owner_id,
                func.substr(member.c.member, 1, len("Patient/")) == "Patient/",
                condition,
            )
            .distinct(),
        )
    )


_JOIN_ROW = _joining(_ABOUT.c.rid == bindparam("rid", type_=BigInteger()))
_JOIN_GROUP = _joining(_ABOUT.c.owner_id == _THIS)
_FORGET_JOINT = Statement(
    delete(compartment).where(
        compartment.c.tenant == _TENANT,
        compartment.c.owner_kind == literal_column(str(JOINT)),
        compartment.c.rid.in_(
            select(_ABOUT.c.rid).where(
                _ABOUT.c.tenant == _TENANT,
                _ABOUT.c.owner_kind == literal_column(str(_GROUP)),
                _ABOUT.c.owner_id == _THIS,
            )
        ),
    )
)
_MEMBERS = Statement(
    select(membership.c.member, membership.c.since, membership.c.until).where(
        membership.c.tenant == _TENANT, membership.c.owner == _THIS
    )
)
_JOINT_RECORD = Statement(
    select(compartment.c.rid)
    .where(
        compartment.c.tenant == _TENANT,
        compartment.c.owner_kind == literal_column(str(_GROUP)),
        compartment.c.owner_id == _THIS,
        compartment.c.kind != literal_column(str(_GROUP)),
    )
    .limit(1)
)
_CONSENTS = Statement(
    select(consent_rule.c.consent)
    .where(consent_rule.c.tenant == _TENANT, consent_rule.c.patient == _THIS)
    .distinct()
)


@dataclass(frozen=True, slots=True)
class Links:
    """What a row is joined to, as references: what the rules of Consents may name."""

    reference: str
    refers: frozenset[str]
    referred: frozenset[str]
    authors: frozenset[str]
    period: tuple[int, int] | None
    is_dated: bool


class Consents:
    """What Consents, groups, teams and roles come to, as rows that queries join."""

    def __init__(self, connection: Connection, index_keys: IndexKeys) -> None:
        self._connection = connection
        self._index_keys = index_keys
        self._rules: dict[tuple[int, str], list[dict[str, Any]]] = {}
        self._members: dict[tuple[int, str], list[Params]] = {}

    def decide(self, tenant: int, consent: str, rules: Iterable[dict[str, Any]]) -> None:
        """Replaces the rules of a Consent (an id)."""
        self._rules[tenant, consent] = [
            {"tenant": tenant, "consent": consent, "n": n, **rule} for n, rule in enumerate(rules)
        ]

    def belong(self, tenant: int, stated_by: str, members: Iterable[dict[str, Any]]) -> None:
        """Replaces the memberships that a resource (``Type/id``) states."""
        self._members[tenant, stated_by] = [
            {"tenant": tenant, "stated_by": stated_by, "n": n, **member}
            for n, member in enumerate(members)
        ]

    async def changes(self, joint: Iterable[tuple[int, int]]) -> Sequence[Change]:
        """What was changed since the last time.

        The rows of ``joint`` (tenant and row number) are about a Group: its members own them.
        """
        await self._index_keys.hashing(self._hash)
        made = list(self._changes(joint))
        self._rules.clear()
        self._members.clear()
        return made

    def _hash(self, key: IndexKey) -> None:
        """Hashes the codes of rules, as those of data are; what was hashed stays as it is."""
        for (tenant, _), rules in self._rules.items():
            for rule in rules:
                rule["code"] = key.data_class(tenant, rule["code"])

    def _changes(self, joint: Iterable[tuple[int, int]]) -> Iterator[Change]:
        rows: list[Params] = [{"this_tenant": tenant, "rid": rid} for tenant, rid in joint]
        if rows:
            yield Change(_JOIN_ROW, rows)
        for changed, forget, add in (
            (self._rules, _FORGET_RULES, _INSERT_RULES),
            (self._members, _FORGET_MEMBERS, _INSERT_MEMBERS),
        ):
            if changed:
                yield Change(forget, [{"this_tenant": key[0], "this": key[1]} for key in changed])
                yield Change(add, [row for rows in changed.values() for row in rows])
        groups: list[Params] = [
            {"this_tenant": tenant, "this": this.partition("/")[2]}
            for tenant, this in self._members
            if this.startswith("Group/")
        ]
        if groups:
            yield Change(_FORGET_JOINT, groups)
            yield Change(_JOIN_GROUP, groups)

    async def flush(self) -> None:
        """Sends what was changed."""
        changes = await self.changes(())
        if changes:
            await self._connection.apply(changes)

    async def concern(self, actor: str, *, tenant: int, now: int, rated: bool) -> Concern:
        """How Consents concern an actor (``Type/id``) now."""
        await self.flush()
        query = concern_query(actor, tenant=tenant, now=now, rated=rated)
        return concern_of(await self._connection.fetch(*query))

    async def members(self, owner: str, *, tenant: int) -> list[tuple[str, int, int]]:
        """Who belongs, or did, to a group, team, role or organization: since and until."""
        await self.flush()
        rows = await self._connection.fetch(_MEMBERS, {"this_tenant": tenant, "this": owner})
        return [(row[0], row[1], row[2]) for row in rows]

    async def has_joint_record(self, group: str, *, tenant: int) -> bool:
        """Whether anything is or was about a Group (an id)."""
        return bool(
            await self._connection.fetch(_JOINT_RECORD, {"this_tenant": tenant, "this": group})
        )

    async def of_patient(self, patient: str, *, tenant: int) -> list[str]:
        """The ids of a patient's Consents that decide anything."""
        await self.flush()
        rows = await self._connection.fetch(_CONSENTS, {"this_tenant": tenant, "this": patient})
        return sorted(row[0] for row in rows)

    async def break_glass(
        self, actor: str, patient: str, *, tenant: int, since: int, until: int, reason: str
    ) -> None:
        """Opens a patient to somebody who declared an emergency."""
        values = {"tenant": tenant, "actor": actor, "patient": patient, "since": since}
        await self._connection.execute(_INSERT_GLASS, {**values, "until": until, "reason": reason})

    async def owners(self, tenant: int, rid: int) -> tuple[str, ...]:
        """The patients whom a row is about, alone or as one of a couple."""
        rows = await self._connection.fetch(
            select(compartment.c.owner_id)
            .where(
                compartment.c.tenant == tenant,
                compartment.c.rid == rid,
                compartment.c.owner_kind.in_((REGISTRY["Patient"].code, JOINT)),
            )
            .distinct()
        )
        return tuple(sorted(row[0] for row in rows))

    async def links(self, tenant: int, kind: int, id: str, rid: int) -> Links:
        """What a row is joined to."""
        own = (idx_reference.c.tenant == tenant, idx_reference.c.rid == rid)
        refers = await self._connection.fetch(
            select(idx_reference.c.target_kind, idx_reference.c.target_id).where(
                *own, idx_reference.c.target_kind != 0
            )
        )
        referred = await self._connection.fetch(
            select(resource.c.kind, resource.c.id)
            .select_from(
                idx_reference.join(
                    resource,
                    and_(
                        resource.c.tenant == idx_reference.c.tenant,
                        resource.c.rid == idx_reference.c.rid,
                    ),
                )
            )
            .where(
                idx_reference.c.tenant == tenant,
                idx_reference.c.target_kind == kind,
                idx_reference.c.target_id == id,
            )
        )
        authors = await self._connection.fetch(
            select(resource_author.c.author_kind, resource_author.c.author_id).where(
                resource_author.c.tenant == tenant, resource_author.c.rid == rid
            )
        )
        dated = dates()
        period = await self._connection.fetch(
            select(idx_date.c.low, idx_date.c.high).where(
                idx_date.c.tenant == tenant,
                idx_date.c.rid == rid,
                idx_date.c.param == dated.get(kind, 0),
            )
        )
        return Links(
            reference=_named(kind, id),
            refers=frozenset(_named(*row) for row in refers),
            referred=frozenset(_named(*row) for row in referred),
            authors=frozenset(_named(*row) for row in authors),
            period=(period[0][0], period[0][1]) if period else None,
            is_dated=kind in dated,
        )


def _named(kind: int, id: str) -> str:
    return f"{by_code(kind).name}/{id}"

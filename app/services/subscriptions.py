"""Subscriptions as they are written: what they may ask for, whose they become, what is secret.

https://hl7.org/fhir/uv/subscriptions-backport. A client asks (``requested``) or ends (``off``);
that one is ``active`` or in ``error`` is for the server to say. The values of its headers are kept
sealed under the root key, apart from the resource, which shows a mask in their place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import orjson

from app.core.clock import SECOND, Clock
from app.core.errors import AppError, Category, Issue
from app.fhir import backport, json
from app.fhir.backport import MASK, Asked, Filter
from app.fhir.json import Tree
from app.repositories.subscriptions import NEVER, Standing
from app.repositories.unit_of_work import UnitOfWork
from app.search.hidden import asks_for_hidden
from app.search.parser import parse_criteria
from app.search.query import SearchQuery
from app.security.authentication import hold_grant
from app.security.hooks import Post
from app.security.ports import FetchRefused
from app.security.principal import Principal
from app.security.root_key import RootKey, Sealed
from app.services import topics
from app.services.changes import Change, Kept
from app.services.topics import Topic

MOST: Final = 100  # of one clinic
_PURPOSE: Final = "subscription-headers"
# What the server says, or what tells nothing of what is asked for.
_ASIDE: Final = frozenset(("id", "meta", "status", "error", "reason", "contact", "text"))


class Subscriptions:
    """Keeps what clients ask to be told."""

    def __init__(self, *, root: RootKey, clock: Clock, post: Post, base: str) -> None:
        self._root = root
        self._clock = clock
        self._post = post
        self._base = base

    def check(self, change: Change) -> Change:
        """The change as it is stored: its status is the server's, its headers are masked.

        Raises ``unprocessable`` with everything that is wrong with what it asks for.
        """
        stored = _stored(change)
        asked = backport.asked(change.tree)
        issues = [*asked.issues, *self._of_topic(asked), *self._of_endpoint(asked)]
        issues += _of_masks(asked, stored)
        is_over = asked.end is not None and asked.end <= self._clock.now()
        if is_over and change.tree.get("status") != "off":
            issues.append(Issue("value", "it has ended", "Subscription.end"))
        if issues:
            raise AppError(Category.UNPROCESSABLE, issues)
        tree = {**backport.masked(change.tree), "status": _status(change.tree, stored)}
        tree.pop("error", None)
        if tree["status"] == "error" and stored is not None and "error" in stored:
            tree["error"] = stored["error"]
        return replace(change, tree=tree, text=json.dumps(tree))

    async def follow(self, uow: UnitOfWork, kept: Kept, principal: Principal) -> None:
        """Keeps whose a Subscription is and its secrets, which came with it and are not shown.

        The rights that count from now on are those of whoever wrote it last.
        """
        given, tree = kept.given, kept.change.tree
        asked, now = backport.asked(given.tree), self._clock.now()
        if not kept.changed and all(each.value == MASK for each in asked.headers):
            return
        topic = topics.named(asked.topic)
        assert topic is not None, "it was checked"
        await hold_grant(principal, uow.accounts)
        before = await uow.subscriptions.find(principal.tenant, given.id)
        was_on = before is not None and before.status != "off"
        if tree["status"] != "off" and not was_on:
            await _check_room(uow, principal.tenant)
        sealed = self._seal(given.id, asked, before)
        stored, status = _stored(given), tree["status"]
        same = stored is not None and _criteria(stored) == _criteria(tree)
        went_on = same and before is not None and bool(before.collects)
        standing = Standing(
            tenant=principal.tenant,
            id=given.id,
            topic=topic.code,
            channel=asked.channel,
            status=status,
            collects=int(status in ("active", "error") or (status == "requested" and went_on)),
            filtered=int(bool(asked.filters)),
            client_id=principal.client_id,
            account_id=principal.subject if principal.is_person else None,
            scope=str(principal.scopes),
            patient=principal.patient,
            sealed=sealed.octets if sealed else None,
            nonce=sealed.nonce if sealed else None,
            number=before.number if before else 0,
            due=now,
            sent=before.sent if before else now,
            heartbeat=asked.heartbeat * SECOND,
            until=NEVER if asked.end is None else asked.end,
        )
        await uow.subscriptions.put(standing)
        if status == "off" or not same:
            await uow.events.drop_waiting(principal.tenant, given.id)

    def headers(self, standing: Standing) -> list[tuple[str, str]]:
        """The headers to send, opened."""
        if standing.sealed is None or standing.nonce is None:
            return []
        sealed = Sealed(bytes(standing.sealed), bytes(standing.nonce))
        opened = self._root.open(sealed, purpose=_PURPOSE, about=standing.id)
        return [(name, value) for name, value in orjson.loads(opened)]

    def criteria(self, topic: Topic, asked: Asked) -> list[SearchQuery]:
        """The searches that an event's focus must be found by, all of them."""
        return [parse_criteria(topic.focus, each.pairs, base=self._base) for each in asked.filters]

    def _of_topic(self, asked: Asked) -> Iterator[Issue]:
        topic = topics.named(asked.topic)
        if topic is None:
            known = ", ".join(each.canonical for each in topics.topics().values())
            yield Issue("not-supported", f"the topics here are {known}", "Subscription.criteria")
            return
        for each in asked.filters:
            yield from self._of_filter(topic, each)

    def _of_filter(self, topic: Topic, wanted: Filter) -> Iterator[Issue]:
        if wanted.type != topic.focus:
            words = f"the topic is about {topic.focus}"
            yield Issue("not-supported", words, wanted.place)
            return
        if any(name not in topic.filters for name, _ in wanted.pairs):
            words = f"the topic is filtered by {', '.join(topic.filters)}"
            yield Issue("not-supported", words, wanted.place)
            return
        try:
            query = parse_criteria(topic.focus, wanted.pairs, base=self._base)
        except AppError as refusal:
            for issue in refusal.issues:
                yield replace(issue, expression=wanted.place)
            return
        if asks_for_hidden(query.where):
            yield Issue("too-costly", "no index answers this", wanted.place)

    def _of_endpoint(self, asked: Asked) -> Iterator[Issue]:
        if asked.channel != "rest-hook" or not asked.endpoint:
            return
        try:
            self._post.check(asked.endpoint)
        except FetchRefused:
            words = "it must be an https address of the open Internet, without user or fragment"
            yield Issue("security", words, "Subscription.channel.endpoint")

    def _seal(self, id: str, asked: Asked, before: Standing | None) -> Sealed | None:
        if not asked.headers:
            return None
        known = dict(self.headers(before)) if before is not None else {}
        known = {name.lower(): value for name, value in known.items()}
        values = [
            (each.name, known.get(each.name.lower(), "") if each.value == MASK else each.value)
            for each in asked.headers
        ]
        return self._root.seal(orjson.dumps(values), purpose=_PURPOSE, about=id)


async def _check_room(uow: UnitOfWork, tenant: int) -> None:
    """Refuses one more than a clinic may have: each adds to every write that it is told of."""
    if await uow.subscriptions.count(tenant) >= MOST:
        words = f"a clinic has {MOST} Subscriptions at most that are not off"
        raise AppError.of(Category.UNPROCESSABLE, "too-costly", words, "Subscription.status")


def _stored(change: Change) -> Tree | None:
    previous = change.previous
    if previous is None or previous.deleted:
        return None
    return json.parse_stored(previous.text)


def _status(tree: Tree, stored: Tree | None) -> str:
    """What a client's word for the status comes to.

    A resource that comes back as it was read stands as it stood; else asking is asking anew.
    """
    said = tree.get("status")
    if said == "off":
        return "off"
    if stored is not None and said == stored["status"] and said != "requested":
        same = _asks(backport.masked(tree)) == _asks(stored)
        return said if same else "requested"
    return "requested"


def _asks(tree: Tree) -> dict[str, Any]:
    return {name: value for name, value in tree.items() if name not in _ASIDE}


def _criteria(tree: Tree) -> tuple[Any, Any]:
    return tree.get("criteria"), tree.get("_criteria")


def _of_masks(asked: Asked, stored: Tree | None) -> Iterator[Issue]:
    """A mask stands for the value that is kept: for the same header, to the same endpoint.

    Else whoever may write would have the secrets of others sent to where they listen.
    """
    channel = (stored or {}).get("channel", {})
    kept = {each.partition(":")[0].lower() for each in channel.get("header", ())}
    moved = channel.get("endpoint") != asked.endpoint
    for each in asked.headers:
        if each.value == MASK and (moved or each.name.lower() not in kept):
            words = "no value is kept for this header and this endpoint: give it"
            yield Issue("required", words, each.place)

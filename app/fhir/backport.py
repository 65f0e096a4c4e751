"""What a Subscription asks for, in the words of the R5 Subscriptions Backport for R4.

https://hl7.org/fhir/uv/subscriptions-backport/components.html. Only reading: whether a topic is
known and an endpoint may be reached is for others to say. Values of headers are secrets; they are
shown masked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, get_args
from urllib.parse import parse_qsl

from app.core.errors import Issue
from app.fhir import primitives
from app.fhir.elements import value_of
from app.fhir.json import Tree

GUIDE: Final = "http://hl7.org/fhir/uv/subscriptions-backport"
FILTER: Final = f"{GUIDE}/StructureDefinition/backport-filter-criteria"
CONTENT: Final = f"{GUIDE}/StructureDefinition/backport-payload-content"
CHANNEL_TYPE: Final = f"{GUIDE}/StructureDefinition/backport-channel-type"
PAYLOAD: Final = "application/fhir+json"
CHANNELS: Final = ("rest-hook", "websocket")
MASK: Final = "***"
MAX_HEADERS: Final = 20
MAX_FILTERS: Final = 10

Content = Literal["empty", "id-only", "full-resource"]
CONTENTS: Final[tuple[str, ...]] = get_args(Content)

_NUMBERS: Mapping[str, tuple[str, int, int, int]] = {
    # of the extension: its name here, what holds without it, the least and the most
    f"{GUIDE}/StructureDefinition/backport-heartbeat-period": ("heartbeat", 0, 10, 86_400),
    f"{GUIDE}/StructureDefinition/backport-timeout": ("timeout", 10, 1, 30),
    f"{GUIDE}/StructureDefinition/backport-max-count": ("max_count", 20, 1, 100),
}
_HEADER = re.compile(
    r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}): ?([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)"
)
_MAX_HEADER: Final = 4096
# The server's own, or what would change how the connection is read.
_OURS: Final = frozenset(
    (
        "accept-encoding", "connection", "content-encoding", "content-length", "content-type",
        "expect", "host", "keep-alive", "proxy-authorization", "proxy-connection", "te",
        "trailer", "transfer-encoding", "upgrade",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filter:
    """``Type?name=value&…``: search parameters of the focus, and where they stand."""

    type: str
    pairs: tuple[tuple[str, str], ...]
    place: str


@dataclass(frozen=True, slots=True)
class Header:
    """A field to be sent, and where it stands; ``MASK`` means the value that is kept."""

    name: str
    value: str
    place: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a Subscription asks for.

    ``heartbeat`` (0: none) and ``timeout`` are in seconds, ``end`` in microseconds. ``issues`` is
    everything that is wrong with it.
    """

    topic: str = ""
    channel: str = ""
    endpoint: str = ""
    content: str = "id-only"
    heartbeat: int = 0
    timeout: int = 10
    max_count: int = 20
    end: int | None = None
    filters: tuple[Filter, ...] = ()
    headers: tuple[Header, ...] = ()
    issues: tuple[Issue, ...] = field(default=())


def asked(tree: Tree) -> Asked:
    """What a legal R4 Subscription asks for, with everything that it should not."""
    channel, issues = tree.get("channel", {}), []
    numbers = {name: default for name, default, _, _ in _NUMBERS.values()}
    for place, each in enumerate(channel.get("extension", ())):
        if (known := _NUMBERS.get(each.get("url", ""))) is not None:
            name, _, least, most = known
            value = value_of(each)
            if isinstance(value, int) and least <= value <= most:
                numbers[name] = value
            else:
                words = f"it must be a whole number from {least} to {most}"
                issues.append(Issue("value", words, f"Subscription.channel.extension[{place}]"))
    issues += _of_channel(channel)
    content = "id-only"
    for place, each in enumerate(channel.get("_payload", {}).get("extension", ())):
        if each.get("url") == CONTENT:
            content = str(value_of(each))
            if content not in CONTENTS:
                where = f"Subscription.channel.payload.extension[{place}]"
                words = f"the content is one of {', '.join(CONTENTS)}"
                issues.append(Issue("code-invalid", words, where))
    filters, headers = tuple(_filters(tree, issues)), tuple(_headers(channel, issues))
    return Asked(
        topic=tree.get("criteria", ""),
        channel=channel.get("type", ""),
        endpoint=channel.get("endpoint", ""),
        content=content,
        end=primitives.date_range(tree["end"])[0] if "end" in tree else None,
        filters=filters,
        headers=headers,
        issues=tuple(issues),
        **numbers,
    )


def masked(tree: Tree) -> Tree:
    """The Subscription without the values of its headers."""
    channel = tree.get("channel", {})
    if "header" not in channel:
        return tree
    shown = [f"{each.partition(':')[0]}: {MASK}" for each in channel["header"]]
    return {**tree, "channel": {**channel, "header": shown}}


def _of_channel(channel: Tree) -> Iterator[Issue]:
    kind = channel.get("type")
    if kind not in CHANNELS:
        words = f"the channel is one of {', '.join(CHANNELS)}"
        yield Issue("not-supported", words, "Subscription.channel.type")
    for place, each in enumerate(channel.get("_type", {}).get("extension", ())):
        if each.get("url") == CHANNEL_TYPE:
            where = f"Subscription.channel.type.extension[{place}]"
            yield Issue("not-supported", "no other type of channel is served", where)
    if kind == "rest-hook" and "endpoint" not in channel:
        yield Issue("required", "a hook needs an endpoint", "Subscription.channel.endpoint")
    if "payload" not in channel:
        yield Issue("required", f"it must be {PAYLOAD}", "Subscription.channel.payload")
    elif channel["payload"] != PAYLOAD:
        yield Issue("not-supported", f"it must be {PAYLOAD}", "Subscription.channel.payload")


def _filters(tree: Tree, issues: list[Issue]) -> Iterator[Filter]:
    extensions: Sequence[Tree] = tree.get("_criteria", {}).get("extension", ())
    for place, each in enumerate(extensions):
        if each.get("url") != FILTER:
            continue
        where = f"Subscription.criteria.extension[{place}]"
        if place >= MAX_FILTERS:
            issues.append(Issue("too-costly", f"at most {MAX_FILTERS} filters", where))
            return
        type_name, asks, query = str(value_of(each)).partition("?")
        pairs = tuple(parse_qsl(query, keep_blank_values=True))
        if not asks or not pairs:
            words = "a filter is a search: Type?parameter=value"
            issues.append(Issue("value", words, where))
        else:
            yield Filter(type_name, pairs, where)


def _headers(channel: Tree, issues: list[Issue]) -> Iterator[Header]:
    names: set[str] = set()
    for place, each in enumerate(channel.get("header", ())):
        where = f"Subscription.channel.header[{place}]"
        found = _HEADER.fullmatch(each) if len(each) <= _MAX_HEADER else None
        if place >= MAX_HEADERS:
            issues.append(Issue("too-costly", f"at most {MAX_HEADERS} headers", where))
            return
        if found is None:
            issues.append(Issue("value", "a header is a field: Name: value", where))
        elif found[1].lower() in _OURS:
            issues.append(Issue("business-rule", "the server sets this header", where))
        elif found[1].lower() in names:
            issues.append(Issue("duplicate", "a header may stand once", where))
        else:
            names.add(found[1].lower())
            yield Header(found[1], found[2], where)

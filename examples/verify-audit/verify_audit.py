#!/usr/bin/env python3
"""Verifies a Rapport audit log: a running server, or an export in a directory.

Needs Python 3.11 and the ``cryptography`` package, nothing of the server's own code.

    verify_audit.py https://clinic.example --token-file token --state audit.state
    verify_audit.py https://clinic.example --token-file token --open --seen copies/history
    verify_audit.py https://clinic.example --token-file token --event event.json
    verify_audit.py exported/ --key-file key --open

An export holds ``checkpoint``, ``key`` and ``entries.ndjson`` as ``/audit/…`` gives them, and
may hold ``events.ndjson``, one AuditEvent a line.

What is checked: the checkpoint is signed by a key that is trusted, for the origin that is
expected; the leaves are as many and hash to the root that it says (RFC 6962); every checkpoint
seen before, in the state file or elsewhere (``--seen``), is of the same log; and every
AuditEvent that is at hand opens a commitment in a leaf. The first run trusts the key that the
server names unless ``--key-file`` says which; the state file remembers it.

Exit status: 0 verified, 1 the log was tampered with, 2 nothing could be said.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SALT = "https://rapport.example.org/StructureDefinition/audit-salt"
LEAF = re.compile(
    rb'\{"commitment":"([A-Za-z0-9+/]{43}=)","id":"([0-9]{13}-[0-9]{19})",'
    rb'"recorded":"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z"\}'
)
PATIENCE = 3.0
DASH = "\N{EM DASH} "
NOTE = re.compile(rf"(?:[^\n]+\n){{3}}\n(?:{DASH}[^\n]+\n)+")
NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class Tampered(Exception):
    """The log is not what it says, or not what it was."""


class Unknown(Exception):
    """Nothing can be said."""


# ------------------------------------------------------------------------------------- notes


@dataclass(frozen=True)
class Key:
    """A trusted key: its name (the log's origin), its hash and itself."""

    name: str
    hash: bytes
    public: Ed25519PublicKey
    text: str


@dataclass(frozen=True)
class Checkpoint:
    """What was signed, and by which note."""

    origin: str
    size: int
    root: bytes
    note: str


def decoded(text: str, what: str) -> bytes:
    """Strict base64."""
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Tampered(f"{what} is not base64") from None
    if base64.b64encode(octets).decode() != text:
        raise Tampered(f"{what} is not base64")
    return octets


def key_of(text: str) -> Key:
    """A C2SP verifier key: ``<name>+<hash>+<base64 of 0x01 and the public key>``."""
    name, _, rest = text.partition("+")
    hash, _, encoded = rest.partition("+")
    octets = decoded(encoded, "a key")
    expected = hashlib.sha256(name.encode() + b"\n" + octets).digest()[:4]
    if not name or len(octets) != 33 or octets[:1] != b"\x01" or expected.hex() != hash:
        raise Tampered("a key does not match its own hash")
    return Key(name, expected, Ed25519PublicKey.from_public_bytes(octets[1:]), text)


def checkpoint_of(note: str, keys: list[Key], *, origin: str) -> Checkpoint:
    """The checkpoint of a signed note that a trusted key has signed."""
    text, separator, lines = note.partition("\n\n")
    body = text.split("\n")
    if not separator or len(body) != 3 or not lines.endswith("\n"):
        raise Tampered("the checkpoint is no signed note")
    if body[0] != origin:
        raise Tampered(f"the checkpoint is of another log: origin {body[0]!r}, not {origin!r}")
    if not NUMBER.fullmatch(body[1]):
        raise Tampered("the checkpoint's size is no number")
    root = decoded(body[2], "the root")
    if len(root) != 32:
        raise Tampered("the root is no SHA-256 hash")
    signed = (text + "\n").encode()
    for line in lines[:-1].split("\n"):
        name, _, encoded = line.removeprefix(DASH).partition(" ")
        if not line.startswith(DASH):
            raise Tampered("the checkpoint has a line that is no signature")
        octets = decoded(encoded, "a signature")
        for key in keys:
            if (name, octets[:4]) == (key.name, key.hash) and is_signed(key, octets[4:], signed):
                return Checkpoint(body[0], int(body[1]), root, note)
    raise Tampered("no trusted key has signed the checkpoint: it is forged, or the key is new")


def is_signed(key: Key, signature: bytes, text: bytes) -> bool:
    """Whether the signature is the key's."""
    try:
        key.public.verify(signature, text)
    except InvalidSignature:
        return False
    return True


def notes_in(text: str) -> list[str]:
    """The notes of a file that holds one or several, an empty line between them."""
    found: list[str] = NOTE.findall(text)
    if not found:
        raise Unknown("a file of earlier checkpoints holds none")
    return found


# -------------------------------------------------------------------------------------- tree


def leaf_hash(leaf: bytes) -> bytes:
    """RFC 6962: a leaf is hashed with a zero in front."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962: an inner node is hashed with a one in front."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Growing:
    """A tree as its leaves come: the roots of its complete subtrees, the largest first."""

    def __init__(self) -> None:
        self.size = 0
        self.roots: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Adds a leaf."""
        hash = leaf_hash(leaf)
        position = self.size
        while position & 1:
            hash = node_hash(self.roots.pop(), hash)
            position >>= 1
        self.roots.append(hash)
        self.size += 1

    def root(self) -> bytes:
        """The root of the tree."""
        if not self.roots:
            return hashlib.sha256(b"").digest()
        root = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            root = node_hash(left, root)
        return root


def is_included(leaf: bytes, index: int, checkpoint: Checkpoint, proof: list[bytes]) -> bool:
    """RFC 9162, 2.1.3.2."""
    if index >= checkpoint.size:
        return False
    place, last, hash = index, checkpoint.size - 1, leaf_hash(leaf)
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            hash = node_hash(sibling, hash)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            hash = node_hash(hash, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and hash == checkpoint.root


def is_extended(old: Checkpoint, new: Checkpoint, proof: list[bytes]) -> bool:
    """RFC 9162, 2.1.4.2."""
    if old.size == new.size:
        return not proof and old.root == new.root
    if old.size == 0:
        return not proof and old.root == hashlib.sha256(b"").digest()
    if old.size > new.size or not proof:
        return False
    path = list(proof)
    if old.size & old.size - 1 == 0:
        path.insert(0, old.root)
    place, last = old.size - 1, new.size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and first == old.root and second == new.root


# ------------------------------------------------------------------------------------ events


def opening_of(event: dict[str, Any]) -> tuple[str, bytes]:
    """The id of an AuditEvent and the commitment that it opens."""
    event = dict(event)
    extensions = event.pop("extension", [])
    salts = [each for each in extensions if each.get("url") == SALT]
    others = [each for each in extensions if each.get("url") != SALT]
    if others:
        event["extension"] = others
    if len(salts) != 1:
        raise Unknown("an AuditEvent comes without its salt: ask as an auditor of its tenant")
    salt = decoded(str(salts[0].get("valueBase64Binary")), "a salt")
    canonical = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return str(event.get("id")), hashlib.sha256(salt + canonical.encode()).digest()


@dataclass(frozen=True)
class Restore:
    """The database was set back on purpose, as the log says itself."""

    start: int
    size: int
    reason: str

    def covers(self, seen: Checkpoint) -> bool:
        """Whether a checkpoint is one of those that were given up."""
        return self.start < seen.size <= self.size

    def __str__(self) -> str:
        return f"RESTORED: set back from {self.size} entries to {self.start}: {self.reason}"


def restore_of(event: dict[str, Any]) -> list[Restore]:
    """The restore that an AuditEvent tells of, if it does."""
    if all(each.get("code") != "log-restored" for each in event.get("subtype", [])):
        return []
    said = {
        pair["type"]: pair.get("valueString", "")
        for entity in event.get("entity", [])
        for pair in entity.get("detail", [])
    }
    if not (NUMBER.fullmatch(said.get("start", "")) and NUMBER.fullmatch(said.get("size", ""))):
        raise Tampered("a restore in the log says not what was given up")
    return [Restore(int(said["start"]), int(said["size"]), said.get("reason", ""))]


# ----------------------------------------------------------------------------------- sources


class Server:
    """A running server."""

    def __init__(self, base: str, token: str | None) -> None:
        self.base = base.rstrip("/")
        self.token = token

    def _open(self, path: str) -> Any:
        url = path if path.startswith("http") else self.base + path
        if urllib.parse.urlsplit(url).netloc != urllib.parse.urlsplit(self.base).netloc:
            raise Unknown("the server leads to another one")
        request = urllib.request.Request(url)  # noqa: S310 - http(s), as main checks
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            return urllib.request.urlopen(request, timeout=60)  # noqa: S310
        except urllib.error.HTTPError as error:
            raise Unknown(f"{path.partition('?')[0]} answers {error.code}") from None
        except OSError as error:
            raise Unknown(f"{self.base} cannot be reached: {error}") from None

    def _text(self, path: str) -> str:
        with self._open(path) as answer:
            text: str = answer.read().decode()
            return text

    def checkpoint(self) -> str:
        """The newest note."""
        return self._text("/audit/checkpoint")

    def keys(self) -> list[str]:
        """The keys that it says are its own."""
        return self._text("/audit/key").split()

    def leaves(self, size: int) -> Iterator[bytes]:
        """Every leaf of the tree."""
        with self._open(f"/audit/entries?start=0&end={size}") as answer:
            for line in answer:
                yield line.rstrip(b"\n")

    def events(self) -> Iterator[dict[str, Any]]:
        """Every AuditEvent of the auditor's tenant."""
        path: str | None = "/fhir/AuditEvent?_count=500&_total=none"
        while path:
            page = json.loads(self._text(path))
            for entry in page.get("entry", []):
                if entry["resource"]["resourceType"] == "AuditEvent":
                    yield entry["resource"]
            links = {link["relation"]: link["url"] for link in page.get("link", [])}
            path = links.get("next")

    def inclusion(self, id: str, size: int) -> tuple[int, list[bytes]]:
        """The leaf of an event and the proof that it is in the tree."""
        query = urllib.parse.urlencode({"id": id, "size": size})
        answer = json.loads(self._text(f"/audit/proof/inclusion?{query}"))
        return answer["index"], [decoded(each, "a hash") for each in answer["hashes"]]

    def consistency(self, first: int, second: int) -> list[bytes]:
        """The proof that the tree has grown."""
        answer = json.loads(self._text(f"/audit/proof/consistency?from={first}&to={second}"))
        return [decoded(each, "a hash") for each in answer["hashes"]]


class Export:
    """A directory with what ``/audit/…`` gave."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def _text(self, name: str) -> str:
        try:
            return (self.directory / name).read_text("utf-8")
        except OSError:
            raise Unknown(f"{self.directory} has no {name}") from None

    def checkpoint(self) -> str:
        """The newest note."""
        return self._text("checkpoint")

    def keys(self) -> list[str]:
        """The keys that it says are its own."""
        return self._text("key").split()

    def leaves(self, size: int) -> Iterator[bytes]:
        """Every leaf; ``size`` is what the checkpoint says."""
        try:
            with (self.directory / "entries.ndjson").open("rb") as lines:
                for line in lines:
                    yield line.rstrip(b"\n")
        except OSError:
            raise Unknown(f"{self.directory} has no entries.ndjson") from None

    def events(self) -> Iterator[dict[str, Any]]:
        """Every AuditEvent in the export."""
        return events_in(self.directory / "events.ndjson")


def events_in(path: Path) -> Iterator[dict[str, Any]]:
    """The AuditEvents of a file, one a line."""
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                if line.strip():
                    yield json.loads(line)
    except (OSError, ValueError):
        raise Unknown(f"{path} holds no AuditEvents") from None


# ---------------------------------------------------------------------------------- verifying


def verify_leaves(
    leaves: Iterable[bytes],
    checkpoint: Checkpoint,
    *,
    seen: list[Checkpoint],
    openings: dict[str, bytes],
) -> None:
    """That the leaves make the tree of every checkpoint, and hold what events open.

    ``openings`` loses each event that was found.
    """
    growing = Growing()
    wanted: dict[int, list[Checkpoint]] = {}
    for each in seen:
        if each.size > checkpoint.size:
            raise Tampered(
                f"the log was set back or cut off: it has {checkpoint.size} entries, "
                f"and had {each.size}"
            )
        wanted.setdefault(each.size, []).append(each)
    compare(growing, wanted.get(0, []))
    for leaf in leaves:
        found = LEAF.fullmatch(leaf)
        if found is None:
            raise Tampered(f"entry {growing.size} is no leaf")
        growing.add(leaf)
        expected = openings.pop(found[2].decode(), None) if openings else None
        if expected is not None and base64.b64encode(expected) != found[1]:
            raise Tampered(f"AuditEvent/{found[2].decode()} is not what was recorded")
        if growing.size in wanted:
            compare(growing, wanted[growing.size])
        if growing.size > checkpoint.size:
            raise Tampered(f"there are more entries than the {checkpoint.size} signed for")
    if growing.size < checkpoint.size:
        raise Tampered(
            f"the log was cut off: {growing.size} entries, signed for are {checkpoint.size}"
        )
    if growing.root() != checkpoint.root:
        raise Tampered("the entries do not hash to the root that was signed: some were changed")


def compare(growing: Growing, seen: list[Checkpoint]) -> None:
    """That the tree had these roots when it was this large."""
    for each in seen:
        if growing.root() != each.root:
            raise Tampered(f"another log was shown before: its first {each.size} entries differ")


def verify_growth(source: Server, checkpoint: Checkpoint, seen: list[Checkpoint]) -> None:
    """The same by proofs of consistency, without the leaves."""
    for each in seen:
        if each.size > checkpoint.size:
            raise Tampered(
                f"the log was set back or cut off: it has {checkpoint.size} entries, "
                f"and had {each.size}"
            )
        proof = []
        if 0 < each.size < checkpoint.size:
            proof = source.consistency(each.size, checkpoint.size)
        if not is_extended(each, checkpoint, proof):
            raise Tampered(f"another log was shown before: its first {each.size} entries differ")


def verify_event(source: Server, checkpoint: Checkpoint, event: dict[str, Any]) -> int:
    """That one AuditEvent is in the tree; its index."""
    id, opened = opening_of(event)
    index, proof = source.inclusion(id, checkpoint.size)
    fields = {
        "commitment": base64.b64encode(opened).decode(),
        "id": id,
        "recorded": event.get("recorded"),
    }
    leaf = json.dumps(fields, separators=(",", ":")).encode()
    if not is_included(leaf, index, checkpoint, proof):
        raise Tampered(f"AuditEvent/{id} is not what was recorded")
    return index


def verify(arguments: argparse.Namespace) -> str:
    """Verifies what the arguments name; what to tell."""
    source = source_of(arguments)
    state = json.loads(arguments.state.read_text()) if has(arguments.state) else {}
    keys = trusted(source, arguments, state)
    origin = arguments.origin or state.get("origin") or keys[0].name
    seen = [checkpoint_of(note, keys, origin=origin) for note in notes_before(arguments, state)]
    openings: dict[str, bytes] = {}
    restores: list[Restore] = []
    if not arguments.event and not arguments.quick:
        openings, restores = opened(events_of(source, arguments))
        if openings and isinstance(source, Server):
            time.sleep(PATIENCE)  # an event has its leaf within two seconds
    seen = [each for each in seen if not any(one.covers(each) for one in restores)]
    count = len(openings)
    checkpoint = checkpoint_of(source.checkpoint(), keys, origin=origin)
    told = f"{checkpoint.size} entries of {origin}"
    if arguments.event:
        verify_growth(proving(source), checkpoint, seen)
        event = json.loads(arguments.event.read_text("utf-8"))
        told += f", the event is entry {verify_event(proving(source), checkpoint, event)}"
    elif arguments.quick:
        verify_growth(proving(source), checkpoint, seen)
        told += ", by proof"
    else:
        verify_leaves(source.leaves(checkpoint.size), checkpoint, seen=seen, openings=openings)
        if openings:
            raise Tampered(f"AuditEvent/{min(openings)} has no entry: the log did not record it")
        if arguments.complete and count < checkpoint.size:
            raise Tampered(f"{checkpoint.size - count} entries have no AuditEvent any more")
        told += f", {count} events opened" if count else ""
        told += "".join(f"; {restore}" for restore in restores)
    if arguments.state:
        remembered = {
            "origin": origin,
            "keys": [key.text for key in keys],
            "checkpoint": checkpoint.note,
        }
        arguments.state.write_text(json.dumps(remembered, indent=1) + "\n")
    return f"verified: {told}, {len(seen)} earlier checkpoints, root {checkpoint.root.hex()}"


def opened(events: Iterable[dict[str, Any]]) -> tuple[dict[str, bytes], list[Restore]]:
    """What events open by their ids, which the leaves must hold; the restores among them."""
    openings: dict[str, bytes] = {}
    restores: list[Restore] = []
    for event in events:
        id, commitment = opening_of(event)
        openings[id] = commitment
        restores += restore_of(event)
    return openings, restores


def has(path: Path | None) -> bool:
    """Whether there is such a file."""
    return path is not None and path.exists()


def source_of(arguments: argparse.Namespace) -> Server | Export:
    """The server or the directory."""
    if re.match(r"https?://", arguments.source):
        token = arguments.token_file.read_text().strip() if arguments.token_file else None
        return Server(arguments.source, token)
    return Export(Path(arguments.source))


def proving(source: Server | Export) -> Server:
    """The source, which must be able to prove."""
    if isinstance(source, Server):
        return source
    raise Unknown("an export cannot prove: verify it whole")


def trusted(
    source: Server | Export, arguments: argparse.Namespace, state: dict[str, Any]
) -> list[Key]:
    """The keys that are trusted: those given, else those remembered, else what the source says."""
    if arguments.key_file:
        texts = arguments.key_file.read_text().split()
    else:
        texts = state.get("keys") or source.keys()
    if not texts:
        raise Unknown("there is no key")
    return [key_of(text) for text in texts]


def notes_before(arguments: argparse.Namespace, state: dict[str, Any]) -> list[str]:
    """Checkpoints that were seen before, here or elsewhere."""
    notes = [state["checkpoint"]] if state else []
    for path in arguments.seen:
        notes += notes_in(path.read_text("utf-8"))
    return list(dict.fromkeys(notes))


def events_of(source: Server | Export, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The AuditEvents at hand."""
    for path in arguments.events:
        yield from events_in(path)
    if arguments.open:
        yield from source.events()


def main() -> int:
    """The command."""
    assert __doc__
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", help="https://… of a server, or the directory of an export")
    parser.add_argument("--token-file", type=Path, help="an auditor's access token")
    parser.add_argument("--key-file", type=Path, help="the keys to trust, one a line")
    parser.add_argument("--origin", help="the origin that checkpoints must have")
    parser.add_argument("--state", type=Path, help="what was verified last; written on success")
    parser.add_argument("--seen", type=Path, action="append", default=[], help="other checkpoints")
    parser.add_argument("--open", action="store_true", help="open every AuditEvent of the source")
    parser.add_argument(
        "--events", type=Path, action="append", default=[], help="open the events of this file"
    )
    parser.add_argument(
        "--complete", action="store_true", help="every entry must be opened by an event at hand"
    )
    parser.add_argument("--event", type=Path, help="prove this one AuditEvent")
    parser.add_argument("--quick", action="store_true", help="prove growth, do not read entries")
    arguments = parser.parse_args()
    try:
        print(verify(arguments))
    except Tampered as finding:
        print(f"TAMPERED: {finding}", file=sys.stderr)
        return 1
    except (Unknown, OSError, ValueError, KeyError) as problem:
        print(f"nothing can be said: {problem}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

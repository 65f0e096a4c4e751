"""A log that proves itself: an RFC 6962 Merkle tree and checkpoints that are signed notes.

https://www.rfc-editor.org/rfc/rfc9162#section-2.1 (tree, proofs and their order; the hashing is
that of RFC 6962) and https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint. Pure: a
proof is first the ranges of leaves whose hashes it needs, then those hashes; whoever keeps
the tree turns a range into complete subtrees and looks those up.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

EMPTY_ROOT = hashlib.sha256(b"").digest()
ED25519 = b"\x01"
_DASH = "\N{EM DASH} "
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class Subtree(NamedTuple):
    """The complete subtree over the leaves from ``position << level``, ``1 << level`` of them."""

    level: int
    position: int


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf's bytes."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def subtrees(start: int, end: int) -> list[Subtree]:
    """The complete subtrees that the leaves from ``start`` to before ``end`` fall into."""
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        found.append(Subtree(level, start >> level))
        start += 1 << level
    return found


def joined(hashes: Sequence[bytes]) -> bytes:
    """The root over complete subtrees, given from left to right as ``subtrees`` names them."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


class Frontier:
    """The right edge of a growing tree: its size and the roots of its complete subtrees."""

    def __init__(self, size: int = 0, roots: Iterable[bytes] = ()) -> None:
        self.size = size
        self._roots = list(roots)
        if len(self._roots) != size.bit_count():
            raise ValueError("a tree has one complete subtree for each bit of its size")

    def append(self, hash: bytes) -> Iterator[tuple[Subtree, bytes]]:
        """Adds a leaf's hash; every subtree that it completes, from the leaf up."""
        position, level = self.size, 0
        yield Subtree(0, position), hash
        while position & 1:
            hash = node_hash(self._roots.pop(), hash)
            position, level = position >> 1, level + 1
            yield Subtree(level, position), hash
        self._roots.append(hash)
        self.size += 1

    def root(self) -> bytes:
        """The root of the tree."""
        return joined(self._roots)


# ------------------------------------------------------------------------------------ proofs

Range = tuple[int, int]


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The ranges whose roots prove that a tree of ``size`` holds leaf ``index``, leaf first."""
    if not 0 <= index < size:
        raise ValueError("no such leaf in a tree of this size")
    start, end = 0, size
    path = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    return path[::-1]


def consistency_ranges(first: int, second: int) -> list[Range]:
    """The ranges whose roots prove that the tree of ``second`` leaves extends that of ``first``."""
    if not 0 <= first <= second:
        raise ValueError("a tree does not shrink")
    if first in (0, second):
        return []
    start, end = 0, second
    path = []
    whole = True  # whether the old tree is a complete subtree here, whose root is known
    while first != end:
        middle = start + _split(end - start)
        if first <= middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
            whole = False
    if not whole:
        path.append((start, end))
    return path[::-1]


def includes(leaf: bytes, index: int, size: int, *, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof leads from a leaf's hash to the root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    place, last, hash = index, size - 1, leaf
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
    return last == 0 and hash == root


def extends(
    first: int, second: int, *, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> bool:
    """Whether the proof leads from the old tree's root to the new one's (RFC 9162, 2.1.4.2)."""
    if first == second:
        return not proof and old_root == new_root
    if first == 0:
        return not proof and old_root == EMPTY_ROOT
    if not 0 < first < second or not proof:
        return False
    path = list(proof)
    if first & first - 1 == 0:
        path.insert(0, old_root)
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and old == old_root and new == new_root


def _split(size: int) -> int:
    """The largest power of two below a size of at least two."""
    return 1 << (size - 1).bit_length() - 1


# ------------------------------------------------------------------------------ signed notes


class NoteRefused(ValueError):
    """A text that is no checkpoint in signed-note form."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log: its origin, how many leaves it has, and their root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who signed, the key's hash, and the signature."""

    name: str
    key: bytes
    signature: bytes


def key_hash(name: str, public: bytes) -> bytes:
    """The four bytes by which a note names an Ed25519 key."""
    return hashlib.sha256(f"{name}\n".encode() + ED25519 + public).digest()[:4]


def verifier_key(name: str, public: bytes) -> str:
    """An Ed25519 public key as C2SP writes it: ``<name>+<hash>+<base64 of type and key>``."""
    key = base64.b64encode(ED25519 + public).decode()
    return f"{name}+{key_hash(name, public).hex()}+{key}"


def is_key_name(name: str) -> bool:
    """Whether a name may stand in a note: not empty, no white space, no plus sign."""
    return bool(name) and "+" not in name and name.split() == [name] and name.isprintable()


def signed_note(checkpoint: Checkpoint, signatures: Iterable[Signature]) -> str:
    """The note: the checkpoint's text, an empty line, and a line for each signature."""
    lines = [
        f"{_DASH}{each.name} {base64.b64encode(each.key + each.signature).decode()}\n"
        for each in signatures
    ]
    return checkpoint.text() + "\n" + "".join(lines)


def parse_note(note: str) -> tuple[Checkpoint, tuple[Signature, ...]]:
    """The checkpoint and its signatures, unverified; raises ``NoteRefused`` if malformed."""
    text, separator, lines = note.partition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise NoteRefused("a signed note has a text, an empty line and signatures")
    body = text.split("\n")
    if len(body) != 3 or not is_key_name(body[0]) or not _SIZE.fullmatch(body[1]):
        raise NoteRefused("a checkpoint has an origin, a size and a root")
    root = _decoded(body[2])
    if len(root) != 32:
        raise NoteRefused("a root has 32 octets")
    signatures = tuple(_signature(line) for line in lines[:-1].split("\n"))
    return Checkpoint(body[0], int(body[1]), root), signatures


def _signature(line: str) -> Signature:
    name, _, value = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not is_key_name(name):
        raise NoteRefused("a signature line names its key")
    octets = _decoded(value)
    if len(octets) < 5:
        raise NoteRefused("a signature line holds a key's hash and a signature")
    return Signature(name, octets[:4], octets[4:])


def _decoded(text: str) -> bytes:
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteRefused("not base64") from None
    if base64.b64encode(octets).decode() != text:
        raise NoteRefused("not base64")
    return octets

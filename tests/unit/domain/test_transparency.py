"""The tree is RFC 6962's, its proofs are RFC 9162's, and nothing but the truth is proven."""

from __future__ import annotations

import base64
import hashlib
import random
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from app.domain.transparency import (
    EMPTY_ROOT,
    Checkpoint,
    Frontier,
    NoteRefused,
    Signature,
    Subtree,
    consistency_ranges,
    extends,
    includes,
    inclusion_ranges,
    is_key_name,
    joined,
    key_hash,
    leaf_hash,
    node_hash,
    parse_note,
    signed_note,
    subtrees,
    verifier_key,
)

MOST = 257
LEAVES = [b"leaf %d" % index for index in range(MOST)]


@cache
def root_of(start: int, end: int) -> bytes:
    """The definition of RFC 6962, 2.1, word for word."""
    if start == end:
        return hashlib.sha256(b"").digest()
    if end - start == 1:
        return hashlib.sha256(b"\x00" + LEAVES[start]).digest()
    split = 1
    while split * 2 < end - start:
        split *= 2
    left, right = root_of(start, start + split), root_of(start + split, end)
    return hashlib.sha256(b"\x01" + left + right).digest()


def subproof(first: int, start: int, end: int, *, whole: bool) -> list[bytes]:
    """The definition of RFC 6962, 2.1.2, word for word; ``first`` counts from ``start``."""
    if first == end - start:
        return [] if whole else [root_of(start, end)]
    split = 1
    while split * 2 < end - start:
        split *= 2
    if first <= split:
        path = subproof(first, start, start + split, whole=whole)
        return [*path, root_of(start + split, end)]
    path = subproof(first - split, start + split, end, whole=False)
    return [*path, root_of(start, start + split)]


def proof(ranges: list[tuple[int, int]]) -> list[bytes]:
    return [root_of(*each) for each in ranges]


@pytest.fixture(scope="module")
def oracle() -> InmemoryTree:
    """An independent implementation."""
    tree = InmemoryTree(algorithm="sha256")
    for leaf in LEAVES:
        tree.append_entry(leaf)
    return tree


def test_empty_tree_has_the_root_of_nothing():
    assert Frontier().root() == EMPTY_ROOT == root_of(0, 0)


# Leaves and roots that the tests of other logs share.
KNOWN_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
KNOWN_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
]


def test_known_leaves_have_the_known_roots():
    frontier = Frontier()
    for leaf, root in zip(KNOWN_LEAVES, KNOWN_ROOTS, strict=True):
        list(frontier.append(leaf_hash(bytes.fromhex(leaf))))
        assert frontier.root().hex() == root


def test_growing_tree_has_the_root_of_its_leaves(oracle):
    frontier = Frontier()
    kept: dict[Subtree, bytes] = {}
    for size, leaf in enumerate(LEAVES, start=1):
        kept.update(frontier.append(leaf_hash(leaf)))
        assert frontier.size == size
        assert frontier.root() == root_of(0, size) == oracle.get_root(size)
        again = Frontier(size, [kept[each] for each in subtrees(0, size)])
        assert again.root() == frontier.root()
    for subtree, hash in kept.items():
        start = subtree.position << subtree.level
        assert hash == root_of(start, start + (1 << subtree.level))


@given(st.integers(0, MOST), st.integers(0, MOST))
def test_any_range_that_a_proof_names_is_made_of_complete_subtrees(first, second):
    for start, end in consistency_ranges(*sorted((first, second))):
        parts = subtrees(start, end)
        whole = [root_of(p << level, (p + 1) << level) for level, p in parts]
        assert joined(whole) == root_of(start, end)


@pytest.mark.parametrize("size", range(1, MOST + 1))
def test_every_leaf_of_every_tree_is_proven_in(size, oracle):
    for index in range(size):
        path = proof(inclusion_ranges(index, size))
        assert path == list(oracle.prove_inclusion(index + 1, size).path[1:])
        leaf, root = leaf_hash(LEAVES[index]), root_of(0, size)
        assert includes(leaf, index, size, proof=path, root=root)
        assert not includes(leaf_hash(b"other"), index, size, proof=path, root=root)
        assert not includes(leaf, index, size, proof=[*path, root], root=root)
        if path:
            assert not includes(leaf, index, size, proof=path[1:], root=root)
            assert not includes(leaf, index, size, proof=[*path[:-1], EMPTY_ROOT], root=root)
        # The same path shows another place only where the two trees have one shape.
        other = (index + 1) % size
        if other != index:
            assert not includes(leaf, other, size, proof=path, root=root)


def test_consistency_of_ten_thousand_pairs():
    seeded = random.Random(7)
    pairs = [tuple(sorted(seeded.choices(range(MOST + 1), k=2))) for _ in range(10_000)]
    for first, second in pairs:
        path = proof(consistency_ranges(first, second))
        old, new = root_of(0, first), root_of(0, second)
        assert extends(first, second, proof=path, old_root=old, new_root=new)
        if 0 < first < second:
            assert path == subproof(first, 0, second, whole=True)
            assert not extends(first, second, proof=path, old_root=new, new_root=new)
            assert not extends(first, second, proof=path, old_root=old, new_root=old)
            assert not extends(first, second, proof=path[:-1], old_root=old, new_root=new)
            assert not extends(first, second, proof=[*path, new], old_root=old, new_root=new)
            assert not extends(second, first, proof=path, old_root=old, new_root=new)


def test_equal_sizes_need_equal_roots():
    assert extends(5, 5, proof=[], old_root=root_of(0, 5), new_root=root_of(0, 5))
    assert not extends(5, 5, proof=[], old_root=root_of(0, 5), new_root=root_of(0, 6))
    assert not extends(5, 5, proof=[EMPTY_ROOT], old_root=EMPTY_ROOT, new_root=EMPTY_ROOT)


def test_a_node_is_no_leaf():
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert node_hash(left, right) != leaf_hash(left + right)


@pytest.mark.parametrize("arguments", [(0, 0), (5, 5), (-1, 3)])
def test_no_proof_of_a_leaf_that_is_not_there(arguments):
    with pytest.raises(ValueError, match="no such leaf"):
        inclusion_ranges(*arguments)


def test_no_proof_that_a_tree_shrank():
    with pytest.raises(ValueError, match="shrink"):
        consistency_ranges(5, 4)


# ------------------------------------------------------------------------------ signed notes

CHECKPOINT = Checkpoint("rapport.test/audit", 5, root_of(0, 5))


def note() -> str:
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public = private.public_key().public_bytes_raw()
    signature = private.sign(CHECKPOINT.text().encode())
    key = key_hash(CHECKPOINT.origin, public)
    return signed_note(CHECKPOINT, [Signature(CHECKPOINT.origin, key, signature)])


def test_note_says_what_was_signed():
    checkpoint, [signature] = parse_note(note())
    assert checkpoint == CHECKPOINT
    assert signature.name == "rapport.test/audit"
    assert note().startswith("rapport.test/audit\n5\n")
    assert "\n\n— rapport.test/audit " in note()


# The example of https://c2sp.org/signed-note.
def test_key_is_written_as_c2sp_writes_it():
    written = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    public = base64.b64decode(written.split("+", 2)[2])[1:]
    assert verifier_key("PeterNeumann", public) == written


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "\n",
        note().replace("\n5\n", "\n05\n"),
        note().replace("\n5\n", "\n-5\n"),
        note().replace("\n5\n", "\n٥\n"),
        note().replace("\n5\n", "\n5 \n"),
        note().replace("\n\n", "\nextension\n\n", 1),
        note().replace("\n\n", "\n", 1),
        note() + "x",
        note() + "\n",
        note()[:-1],
        note().replace("— ", "- "),
        note().replace("rapport.test/audit\n5", "rapport test\n5"),
        note().replace("rapport.test/audit\n5", "rapport+test\n5"),
        note().replace("=\n\n", "\n\n"),
        note().split("\n\n")[0] + "\n\n— rapport.test/audit AAAA\n",
        "rapport.test/audit\n5\nAAAA\n\n— rapport.test/audit " + "A" * 92 + "\n",
    ],
)
def test_what_is_no_note_is_refused(broken):
    with pytest.raises(NoteRefused):
        parse_note(broken)


@given(st.text())
def test_no_text_does_worse_than_be_refused(text):
    try:
        checkpoint, _ = parse_note(text)
    except NoteRefused:
        return
    assert text.startswith(checkpoint.text())


@pytest.mark.parametrize(
    "name", ["", "a b", "a+b", "a\nb", "a\N{NO-BREAK SPACE}b", "\N{ZERO WIDTH SPACE}"]
)
def test_what_may_not_name_a_key(name):
    assert not is_key_name(name)

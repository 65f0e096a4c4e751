"""A page link is opaque, and good for one caller, one query and a while."""

from __future__ import annotations

import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import AppError, Category
from app.search.cursor import CursorCipher, Position, digest

KEY = bytes(range(32))
BINDING = "tenant|client|user|query"


class Clock:
    def __init__(self) -> None:
        self.micros = 1_000_000_000

    def now(self) -> int:
        return self.micros


class Ids:
    def __init__(self) -> None:
        self.source = random.Random(1)

    def new_id(self) -> str:
        return "id"

    def random(self, size: int) -> bytes:
        return self.source.randbytes(size)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cipher(clock: Clock) -> CursorCipher:
    return CursorCipher(KEY, clock=clock, ids=Ids(), lifetime=60)


def refused(cipher: CursorCipher, text: str, binding: str = BINDING) -> None:
    with pytest.raises(AppError) as caught:
        cipher.open(text, binding=binding)
    assert caught.value.category is Category.INVALID


scalars = st.none() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8"))


@given(st.lists(scalars), st.lists(st.integers(0, 2**63 - 1), min_size=1), st.integers(0, 9))
def test_a_position_comes_back(order, key, total):
    cipher = CursorCipher(KEY, clock=Clock(), ids=Ids(), lifetime=60)
    position = Position(tuple(order), tuple(key), total)
    text = cipher.seal(position.values(), binding=BINDING)
    assert Position.of(cipher.open(text, binding=BINDING)) == position


def test_no_character_may_be_changed(cipher):
    text = cipher.seal([["1980-02-29"], [7], 3], binding=BINDING)
    for place in range(len(text)):
        other = "A" if text[place] != "A" else "B"
        refused(cipher, text[:place] + other + text[place + 1 :])
    for other in ("", text[:-1], text + "A", text + "=", text * 2, "ü", "\ud800", "*" * 80):
        refused(cipher, other)


def test_it_is_good_for_nobody_else_and_nothing_else(cipher):
    text = cipher.seal([[], [1], None], binding=BINDING)
    refused(cipher, text, binding="tenant|client|other|query")
    refused(cipher, text, binding=BINDING + "&more")
    other = CursorCipher(KEY[::-1], clock=Clock(), ids=Ids(), lifetime=60)
    refused(other, text)


def test_it_expires(cipher, clock):
    text = cipher.seal([[], [1], None], binding=BINDING)
    clock.micros += 59_999_999
    assert cipher.open(text, binding=BINDING)
    clock.micros += 1
    refused(cipher, text)


def test_it_tells_nothing(cipher):
    secret = "1980-02-29"
    first = cipher.seal([[secret], [7], 3], binding=BINDING)
    second = cipher.seal([[secret], [7], 3], binding=BINDING)
    raw = base64.urlsafe_b64decode(first + "=" * (-len(first) % 4))
    assert secret.encode() not in raw
    assert first != second
    # Not even how long the value is.
    assert len(cipher.seal([["x"], [7], 3], binding=BINDING)) == len(first)


def test_a_digest_stands_for_the_parameters_in_their_order_and_place():
    pairs = [("a", "1"), ("b", "2")]
    assert digest(pairs, "Patient") == digest(list(pairs), "Patient")
    for other in ([("b", "2"), ("a", "1")], [("a", "1b"), ("", "2")], [*pairs, ("c", "")], []):
        assert digest(other, "Patient") != digest(pairs, "Patient")
    assert digest(pairs, "Group") != digest(pairs, "Patient")
    assert digest(pairs, "Patient", "1") != digest(pairs, "Patient1")

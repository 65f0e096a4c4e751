"""Sealed text opens for its own row and key, and for nothing else."""

from __future__ import annotations

import hashlib
import os

import pytest

from app.core.errors import AppError
from app.repositories.codec import ENVELOPE, IDENTITY, EnvelopeCodec, Sealed
from tests.support.sealing import CODEC

TEXT = b'{"resourceType":"Patient","id":"x"}'
OWNER, CONTEXT = "Patient/x", "7|1|x|1"


def sealed(text: bytes = TEXT) -> Sealed:
    key = CODEC.new_key(7, OWNER)
    body, cipher, _, nonce = CODEC.seal(text, key=key, owner=OWNER, context=CONTEXT)
    return Sealed(body, cipher, key.wrapped, nonce)


def test_what_was_sealed_opens() -> None:
    at_rest = sealed()
    assert at_rest.cipher == ENVELOPE
    assert TEXT not in at_rest.body
    assert CODEC.open(at_rest, owner=OWNER, context=CONTEXT) == TEXT


@pytest.mark.parametrize(
    "changes",
    [
        {"owner": "Patient/y"},
        {"context": "7|1|x|2"},
        {"context": "7|1|y|1"},
        {"context": "7|2|x|1"},
    ],
)
def test_no_row_stands_in_for_another(changes: dict[str, str]) -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - a wrong key or a wrong row
        CODEC.open(sealed(), **{"owner": OWNER, "context": CONTEXT, **changes})
    assert raised.type.__name__ in ("AppError", "InvalidTag")


def test_a_destroyed_key_opens_nothing() -> None:
    for key in (b"", None):
        with pytest.raises(AppError):
            CODEC.open(sealed()._replace(key_id=key), owner=OWNER, context=CONTEXT)


def test_a_changed_byte_is_seen() -> None:
    at_rest = sealed()
    changed = bytes([at_rest.body[0] ^ 1]) + at_rest.body[1:]
    with pytest.raises(AppError):
        CODEC.open(at_rest._replace(body=changed), owner=OWNER, context=CONTEXT)


def test_another_root_opens_nothing() -> None:
    other = EnvelopeCodec(
        lambda purpose: hashlib.sha512(purpose.encode()).digest()[:32], os.urandom
    )
    with pytest.raises(AppError):
        other.open(sealed(), owner=OWNER, context=CONTEXT)


def test_equal_texts_are_not_equal_at_rest() -> None:
    assert sealed().body != sealed().body


def test_a_deletion_keeps_nothing_and_needs_no_key() -> None:
    key = CODEC.new_key(7, OWNER)
    tombstone = CODEC.seal(b"", key=key, owner=OWNER, context=CONTEXT)
    assert tombstone == (b"", IDENTITY, None, None)
    assert CODEC.open(Sealed(b"", IDENTITY, None, None), owner=OWNER, context=CONTEXT) == b""

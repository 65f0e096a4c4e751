"""Sealed text opens for its own row and key, and for nothing else."""

from __future__ import annotations

import hashlib
import os

import pytest

from app.core.errors import AppError
from app.repositories.codec import ENVELOPE, IDENTITY, DataKey, EnvelopeCodec, Sealed
from tests.support.sealing import derive

TEXT = b'{"resourceType":"Patient","id":"x"}'
OWNER, CONTEXT = "Patient/x", "7|1|x|1"
FIRST, SECOND = "01" * 8, "02" * 8


def holding(*keys: str) -> EnvelopeCodec:
    """A codec that holds tenant keys; the same id is the same key."""
    codec = EnvelopeCodec(derive, os.urandom)
    for key_id in keys:
        codec.hold(7, key_id, hashlib.sha256(key_id.encode()).digest())
    return codec


CODEC = holding(FIRST, SECOND)


def sealed(text: bytes = TEXT, *, under: str = FIRST) -> Sealed:
    key = CODEC.new_key(7, OWNER, under=under)
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


def test_another_tenant_key_opens_nothing() -> None:
    with pytest.raises(AppError):
        holding(SECOND).open(sealed(under=FIRST), owner=OWNER, context=CONTEXT)


def test_a_key_wrapped_anew_opens_what_it_sealed() -> None:
    at_rest = sealed(under=FIRST)
    assert isinstance(at_rest.key_id, bytes)
    anew = CODEC.rewrapped(at_rest.key_id, 7, OWNER, under=SECOND)
    opened = holding(SECOND).open(at_rest._replace(key_id=anew), owner=OWNER, context=CONTEXT)
    assert opened == TEXT


def test_a_key_from_before_tenants_had_keys_still_opens() -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce, octets = os.urandom(12), os.urandom(32)
    derived = AESGCM(derive("data keys of tenant 7"))
    key = DataKey("old", nonce + derived.encrypt(nonce, octets, f"7|{OWNER}".encode()))
    body, cipher, _, n = CODEC.seal(TEXT, key=key, owner=OWNER, context=CONTEXT)
    at_rest = Sealed(body, cipher, key.wrapped, n)
    assert CODEC.open(at_rest, owner=OWNER, context=CONTEXT) == TEXT
    anew = CODEC.rewrapped(key.wrapped, 7, OWNER, under=FIRST)
    opened = CODEC.open(at_rest._replace(key_id=anew), owner=OWNER, context=CONTEXT)
    assert opened == TEXT


def test_equal_texts_are_not_equal_at_rest() -> None:
    assert sealed().body != sealed().body


def test_a_deletion_keeps_nothing_and_needs_no_key() -> None:
    key = CODEC.new_key(7, OWNER, under=FIRST)
    tombstone = CODEC.seal(b"", key=key, owner=OWNER, context=CONTEXT)
    assert tombstone == (b"", IDENTITY, None, None)
    assert CODEC.open(Sealed(b"", IDENTITY, None, None), owner=OWNER, context=CONTEXT) == b""

"""Passwords: what will do, and hashing that holds up nobody."""

import asyncio

import pytest

from app.core.errors import AppError
from app.security import totp
from app.security.passwords import Passwords, flaw


@pytest.mark.parametrize(
    "password, reason",
    [
        ("", "password-short"),
        ("ninechars", "password-short"),
        ("x" * 1025, "password-long"),
        ("1234567890", "password-common"),
        ("password123!", "password-common"),
        ("Iloveyou2024", "password-common"),
        ("aaaaaaaaaaaa", "password-common"),
        ("abababababab", "password-common"),
        ("seven quiet rivers", ""),
        ("пять тихих рек", ""),
        ("خمسة أنهار هادئة", ""),
        ("\N{GRINNING FACE}" * 3 + " and seven more", ""),
        ("x1" * 32 + "yzq", ""),
        ("y" * 500 + "abcdefg", ""),
    ],
)
def test_length_and_rarity_are_what_counts(password, reason):
    assert flaw(password) == reason


def test_a_password_is_not_one_s_own_name():
    assert flaw("anneliese12", about=("anneliese",)) == "password-about-you"
    assert flaw("anneliese walks far away", about=("anneliese",)) == ""


async def test_what_looks_the_same_is_the_same_and_nothing_is_cut_off():
    hasher = Passwords(memory_kib=64, passes=1)
    composed, decomposed = "café crème 12", "café crème 12"
    encoded = await hasher.hash(composed)
    assert encoded.startswith("$argon2id$")
    assert await hasher.verify(decomposed, encoded)
    long = "a" * 72 + "b"
    assert not await hasher.verify("a" * 72 + "c", await hasher.hash(long))
    assert not await hasher.verify("a\0b", await hasher.hash("a\0c"))
    hasher.close()


async def test_nobody_s_password_costs_the_same_and_never_matches():
    hasher = Passwords(memory_kib=64, passes=1)
    assert not await hasher.verify("anything at all", None)
    assert "m=64,t=1,p=1" in hasher._nobodys
    assert not await hasher.verify("x" * 10_000, hasher._nobodys)
    hasher.close()


async def test_the_default_is_the_second_choice_of_rfc_9106():
    hasher = Passwords()
    assert (await hasher.hash("seven quiet rivers")).startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert "m=65536,t=3,p=1" in hasher._nobodys
    assert hasher.is_outdated("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$aGFzaA")
    hasher.close()


async def test_who_comes_when_the_queue_is_full_is_told_to_come_back():
    hasher = Passwords(memory_kib=64, passes=1)
    hasher._waiting = 400
    with pytest.raises(AppError) as refused:
        await hasher.hash("seven quiet rivers")
    assert refused.value.retry_after
    hasher.close()


async def test_hashing_leaves_the_loop_free():
    hasher = Passwords(memory_kib=8192, passes=3)
    hashing = asyncio.gather(*(hasher.hash(f"password number {n}") for n in range(6)))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 6
    await hashing
    hasher.close()


@pytest.mark.parametrize(
    "seconds, code",
    [
        (59, "94287082"), (1111111109, "07081804"), (1111111111, "14050471"),
        (1234567890, "89005924"), (2000000000, "69279037"), (20000000000, "65353130"),
    ],
)  # fmt: skip
def test_codes_are_those_of_rfc_6238(seconds, code):
    secret = b"12345678901234567890"
    assert totp.code(secret, seconds // 30) == code[-6:]
    assert totp.matching_step(secret, code[-6:], now=seconds * 1_000_000) == seconds // 30


def test_a_neighbouring_code_counts_and_a_further_one_does_not():
    secret = b"12345678901234567890"
    for apart, good in ((-2, False), (-1, True), (0, True), (1, True), (2, False)):
        given = totp.code(secret, 100 + apart)
        assert (totp.matching_step(secret, given, now=100 * 30_000_000) is not None) is good

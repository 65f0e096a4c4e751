"""Forged and misshapen tokens: what is not exactly ours is refused, and never with a fault."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from app.security import jose
from app.security.keys import client_key, new_es384_key
from app.security.keys import thumbprint as thumb

KEY = new_es384_key()
OTHER = new_es384_key()
PAIR = jose.key_pair(KEY.private_jwk, kid=KEY.kid, algorithm="ES384")
PUBLIC = jose.public_key(KEY.public_jwk, kid=KEY.kid, algorithm="ES384")
CLAIMS = {"iss": "https://a.example.org", "sub": "one", "exp": 2_000_000_000, "iat": 1}
GOOD = jose.sign(CLAIMS, PAIR, typ="at+jwt")


def b64(octets):
    if isinstance(octets, (dict, list)):
        octets = json.dumps(octets).encode()
    elif isinstance(octets, str):
        octets = octets.encode()
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def signed(header, payload=CLAIMS, pair=PAIR):
    """A token with a header and payload of our choice and a true signature over them."""
    text = f"{b64(header)}.{b64(payload)}"
    return f"{text}.{b64(pair.key.sign(text.encode()))}"


def header(**members):
    return {"alg": "ES384", "kid": KEY.kid, "typ": "at+jwt", **members}


def refused(token):
    with pytest.raises(jose.TokenRefused):
        jose.verify(jose.read(token), PUBLIC)


def test_a_token_of_ours_is_believed():
    assert jose.verify(jose.read(GOOD), PUBLIC) == CLAIMS
    assert jose.verify(jose.read(signed(header())), PUBLIC) == CLAIMS


@pytest.mark.parametrize("name", ["none", "None", "nOnE", "NONE", ""])
def test_no_algorithm_is_none(name):
    refused(f"{b64(header(alg=name))}.{b64(CLAIMS)}.")
    refused(f"{b64(header(alg=name))}.{b64(CLAIMS)}.{GOOD.rpartition('.')[2]}")
    refused(signed(header(alg=name)))


def public_encodings():
    key: Any = PAIR.key.public_key()
    key = key.prepared_key
    for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER):
        octets = key.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
        yield octets
        yield octets.strip()
        yield base64.b64encode(octets)
    yield key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    for value in (dict(KEY.public_jwk), [dict(KEY.public_jwk)], {"keys": [dict(KEY.public_jwk)]}):
        yield json.dumps(value).encode()
        yield json.dumps(value, separators=(",", ":")).encode()
    yield b""


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("secret", list(public_encodings()))
def test_our_public_key_is_nobody_s_secret(algorithm, secret):
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
    text = f"{b64(header(alg=algorithm))}.{b64(CLAIMS)}"
    mac = hmac.new(secret, text.encode(), digest[algorithm]).digest()
    refused(f"{text}.{b64(mac)}")


@pytest.mark.parametrize(
    "members",
    [
        {"jwk": dict(OTHER.public_jwk)},
        {"jku": "https://attacker.example.org/keys"},
        {"x5u": "https://attacker.example.org/chain"},
        {"x5c": ["MII"]},
        {"x5t": "x"},
        {"crit": ["exp"]},
        {"crit": ["b64"], "b64": False},
        {"b64": False},
        {"zip": "DEF"},
        {"cty": "JWT"},
        {"enc": "A256GCM"},
        {"kid": None},
        {"kid": ""},
        {"kid": 7},
        {"kid": "x" * 10_000},
        {"typ": ["at+jwt"]},
        {"alg": ["ES384"]},
    ],
)
def test_a_header_says_algorithm_key_and_type_and_nothing_else(members):
    refused(signed(header(**members)))
    pair = jose.key_pair(OTHER.private_jwk, kid=OTHER.kid, algorithm="ES384")
    refused(signed(header(**members), pair=pair))


@pytest.mark.parametrize(
    "kid",
    ["../../etc/passwd", "' OR 1=1 --", pytest.param(OTHER.kid, id="another key's"), "*"],
)
def test_another_key_s_name_is_another_key(kid):
    refused(signed(header(kid=kid)))


@pytest.mark.parametrize("algorithm", ["ES256", "ES512", "RS256", "PS384", "es384", "EdDSA"])
def test_the_key_chooses_the_algorithm(algorithm):
    refused(signed(header(alg=algorithm)))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_flipped_bit_anywhere_breaks_it(part):
    parts = GOOD.split(".")
    octets = bytearray(jose.decode(parts[part]))
    octets[len(octets) // 2] ^= 1
    parts[part] = b64(bytes(octets))
    refused(".".join(parts))


@pytest.mark.parametrize(
    "token",
    [
        "", ".", "..", "...", "a.b", "a.b.c.d.e", GOOD + ".", "." + GOOD, GOOD + "=",
        GOOD.replace(".", ".."), GOOD[:-10], GOOD + " ", " " + GOOD, GOOD + "\n", GOOD + "é",
        GOOD.replace(".", "\n."), GOOD.upper(), "x" * 17_000, f"{GOOD}{'A' * 20_000}",
    ],
)  # fmt: skip
def test_what_is_not_three_strict_parts_is_refused(token):
    refused(token)


def test_unused_bits_of_base64_must_be_zero():
    padded = jose.encode(b"ab")
    assert padded == "YWI"
    with pytest.raises(jose.TokenRefused):
        jose.decode("YWJ")


@pytest.mark.parametrize(
    "payload",
    [
        '{"sub":"one","sub":"two"}',
        '{"a":{"b":1,"b":2}}',
        '{"exp":NaN}',
        '{"exp":Infinity}',
        "[]",
        '"sub"',
        "null",
        "",
        "{" * 3000,
        "[" * 6000,
        '{"sub":"\\ud800"}',
        '\ufeff{"sub":"one"}',
    ],
)
def test_a_payload_that_two_parsers_could_read_differently_is_refused(payload):
    refused(signed(header(), payload))


@pytest.mark.parametrize(
    "head",
    ['{"alg":"none","alg":"ES384","kid":"k"}', '{"alg":"ES384","kid":"a","kid":"b"}'],
)
def test_a_header_name_comes_once(head):
    refused(signed(head.replace('"k"', f'"{KEY.kid}"').replace('"b"', f'"{KEY.kid}"')))


@pytest.mark.parametrize(
    "value", [True, False, None, "1", "2e9", [], {}, -1, 10**400, 1e300, 253_402_300_800]
)
def test_a_time_is_a_number_within_reason(value):
    text = json.dumps({"exp": value})
    claims = jose.verify(jose.read(signed(header(), text)), PUBLIC)
    with pytest.raises(jose.TokenRefused):
        jose.seconds(claims, "exp")


def test_a_fraction_of_a_second_is_a_time():
    claims = jose.read(signed(header(), '{"exp": 1700000000.75}')).claims
    assert jose.seconds(claims, "exp") == 1_700_000_000


@pytest.mark.parametrize(
    "times, now, good",
    [
        ({"exp": 100}, 129, True),
        ({"exp": 100}, 130, False),
        ({"exp": 1000, "nbf": 130}, 100, True),
        ({"exp": 1000, "nbf": 131}, 100, False),
        ({"exp": 1000, "iat": 130}, 100, True),
        ({"exp": 1000, "iat": 131}, 100, False),
        ({}, 100, False),
    ],
)
def test_thirty_seconds_of_skew_and_no_more(times, now, good):
    if good:
        jose.check_times(times, now=now)
    else:
        with pytest.raises(jose.TokenRefused):
            jose.check_times(times, now=now)


@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=120))
def test_no_octets_at_all_raise_anything_else(head, body, signature):
    refused(f"{b64(head)}.{b64(body)}.{b64(signature)}")


@given(st.text(max_size=200))
def test_no_text_at_all_raises_anything_else(text):
    refused(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"d": KEY.private_jwk["d"]},
        {"kty": "oct", "k": "AAAA"},
        {"crv": "P-256"},
        {"crv": "secp256k1"},
        {"alg": "ES256"},
        {"alg": "HS256"},
        {"use": "enc"},
        {"key_ops": ["sign"]},
        {"key_ops": "verify"},
        {"kid": ""},
        {"kid": None},
        {"x": "AAAA"},
        {"x": None},
        {"x": KEY.public_jwk["y"]},
        {"kty": "RSA", "n": jose.encode(b"\xff" * 128), "e": "AQAB"},
        {"kty": "RSA", "n": jose.encode(b"\xff" * 256), "e": "Aw"},
        {"kty": "OKP", "crv": "Ed25519"},
    ],
)
def test_a_client_key_that_is_not_a_strong_public_one_is_refused(changes):
    with pytest.raises(jose.TokenRefused):
        client_key({**KEY.public_jwk, **changes})


def test_a_key_is_named_by_its_thumbprint():
    # The example of RFC 7638 section 3.1.
    rsa = {
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tS"
        "oc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YG"
        "jQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-"
        "bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        "e": "AQAB",
    }
    assert thumb(rsa) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"

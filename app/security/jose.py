"""JSON Web Tokens, strictly: the only module that imports python-jose.

RFC 7515, 7519, 8725, 9068. The library verifies too little and believes too much, so it is left
with the arithmetic: our own reader takes a token apart first (three parts, strict base64url, no
duplicate member at any depth, a closed list of header members), the algorithm is the key's and
never the token's choice, and claims are checked here. HS*, ``none`` and JWE do not exist: no key
has such an algorithm.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from jose import jwk as jose_jwk
from jose import jws
from jose.backends.base import Key
from jose.exceptions import JOSEError

from app.core.errors import AppError
from app.fhir import json

# The last two are for tokens of identity providers that a clinic trusts.
Algorithm = Literal["ES384", "RS384", "ES256", "RS256"]

MAX_TOKEN: Final = 16 * 1024
SKEW: Final = 30
_SEGMENT = re.compile(rb"[A-Za-z0-9_-]+")
_HEADER_MEMBERS = frozenset({"alg", "kid", "typ"})
_LATEST: Final = 253_402_300_799  # the last second of the year 9999


class TokenRefused(Exception):
    """A token that is not to be believed; ``reason`` is for the audit, never for the caller."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A key to sign with and its algorithm, the only one it is ever used with."""

    kid: str
    algorithm: Algorithm
    key: Key


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key to verify with and its algorithm, the only one it is ever used with."""

    kid: str
    algorithm: Algorithm
    key: Key


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A token taken apart. Nothing in it may be believed before ``verify``."""

    text: str
    algorithm: str
    kid: str
    typ: str | None
    jku: str | None
    claims: Mapping[str, Any]


def key_pair(private_jwk: Mapping[str, Any], *, kid: str, algorithm: Algorithm) -> KeyPair:
    """The signing key of a private JWK, built once and used many times."""
    return KeyPair(kid, algorithm, jose_jwk.construct(dict(private_jwk), algorithm))


def public_key(jwk: Mapping[str, Any], *, kid: str, algorithm: Algorithm) -> PublicKey:
    """The verification key of a public JWK. Raises ``TokenRefused`` for one that is none."""
    try:
        return PublicKey(kid, algorithm, jose_jwk.construct(dict(jwk), algorithm))
    except (JOSEError, ValueError, TypeError, KeyError, OverflowError):
        raise TokenRefused("key") from None


def sign(claims: Mapping[str, Any], key: KeyPair, *, typ: str) -> str:
    """The compact serialisation of claims under ``key``."""
    return jws.sign(
        json.dumps(dict(claims)),
        key.key,
        headers={"kid": key.kid, "typ": typ},
        algorithm=key.algorithm,
    )


def read(token: str, *, also: frozenset[str] = frozenset()) -> UnverifiedToken:
    """Takes a token apart, or raises ``TokenRefused("malformed")``.

    ``also`` names header members beyond algorithm, key and type that are let through and not
    believed: a client assertion's ``jku``, which its checker compares with the registered address
    (SMART App Launch 2.2), an identity provider's ``x5t``. Nobody fetches anything.
    """
    if len(token) > MAX_TOKEN or not token.isascii():
        raise TokenRefused("malformed")
    segments = token.encode().split(b".")
    if len(segments) != 3:
        raise TokenRefused("malformed")
    head, body, _ = [_decoded(segment) for segment in segments]
    header, claims = _object(head), _object(body)
    if not header.keys() <= _HEADER_MEMBERS | also or not all(
        isinstance(v, str) for v in header.values()
    ):
        raise TokenRefused("header")
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm is None or not kid or len(kid) > 255:
        raise TokenRefused("header")
    return UnverifiedToken(token, algorithm, kid, header.get("typ"), header.get("jku"), claims)


def verify(token: UnverifiedToken, key: PublicKey) -> Mapping[str, Any]:
    """The claims of a token that ``key`` signed, or ``TokenRefused``."""
    if token.algorithm != key.algorithm or token.kid != key.kid:
        raise TokenRefused("algorithm")
    try:
        jws.verify(token.text, key.key, algorithms=[key.algorithm])
    except (JOSEError, ValueError, TypeError):
        raise TokenRefused("signature") from None
    return token.claims


def sign_detached(octets: bytes, key: KeyPair) -> str:
    """A signature over octets that travel apart from it: RFC 7515, appendix F."""
    whole = jws.sign(octets, key.key, headers={"kid": key.kid}, algorithm=key.algorithm)
    head, _, signature = whole.split(".")
    return f"{head}..{signature}"


def kid_of_detached(signature: str) -> str:
    """The key that a detached signature names, or ``TokenRefused``."""
    head, empty, _ = [*signature.split("."), "", "", ""][:3]
    header = _object(_decoded(head.encode()))
    if empty or not isinstance(header.get("kid"), str):
        raise TokenRefused("malformed")
    return str(header["kid"])


def verify_detached(signature: str, octets: bytes, key: PublicKey) -> None:
    """Raises ``TokenRefused`` unless ``key`` signed the octets."""
    head, _, tail = [*signature.split("."), "", "", ""][:3]
    try:
        jws.verify(f"{head}.{encode(octets)}.{tail}", key.key, algorithms=[key.algorithm])
    except (JOSEError, ValueError, TypeError):
        raise TokenRefused("signature") from None


def text(claims: Mapping[str, Any], name: str) -> str:
    """A claim that must be a text and not empty."""
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise TokenRefused(f"claim {name}")
    return value


def seconds(claims: Mapping[str, Any], name: str) -> int:
    """A NumericDate claim, in whole seconds since the epoch."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, json.Number)):
        raise TokenRefused(f"claim {name}")
    exact = json.to_decimal(value)
    if not 0 <= exact <= _LATEST:
        raise TokenRefused(f"claim {name}")
    return int(exact)


def audiences(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """The ``aud`` claim, which is one text or a list of texts."""
    value = claims.get("aud")
    found = value if isinstance(value, list) else [value]
    if not found or not all(isinstance(one, str) for one in found):
        raise TokenRefused("claim aud")
    return tuple(found)


def check_times(claims: Mapping[str, Any], *, now: int) -> None:
    """Refuses a token that has expired or is not yet valid; ``now`` in seconds, 30 s of skew."""
    if seconds(claims, "exp") + SKEW <= now:
        raise TokenRefused("expired")
    if "iat" in claims and seconds(claims, "iat") > now + SKEW:
        raise TokenRefused("not yet valid")
    if "nbf" in claims and seconds(claims, "nbf") > now + SKEW:
        raise TokenRefused("not yet valid")


def encode(octets: bytes) -> str:
    """base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The octets of a strict base64url text, or ``TokenRefused``."""
    if not text.isascii():
        raise TokenRefused("malformed")
    return _decoded(text.encode())


def _decoded(segment: bytes) -> bytes:
    if not _SEGMENT.fullmatch(segment):
        raise TokenRefused("malformed")
    try:
        octets = base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
    except (binascii.Error, ValueError):
        raise TokenRefused("malformed") from None
    # Two texts must not stand for the same octets: the unused bits of the last letter are zero.
    if base64.urlsafe_b64encode(octets).rstrip(b"=") != segment:
        raise TokenRefused("malformed")
    return octets


def _object(octets: bytes) -> Mapping[str, Any]:
    try:
        return json.parse_resource(octets)
    except AppError:
        raise TokenRefused("malformed") from None

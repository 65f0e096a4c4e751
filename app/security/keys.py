"""The keys that sign: ES384 for tokens, and the public keys of clients and providers.

Token signing keys are sealed under the root key; their associated data is the key id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from app.fhir import json
from app.security import jose

_EC_SIZE = 48  # octets of a P-384 coordinate
_MIN_RSA_BITS = 2048


@dataclass(frozen=True, slots=True)
class NewKey:
    """A fresh ES384 key: its public JWK and its private one."""

    kid: str
    public_jwk: Mapping[str, Any]
    private_jwk: Mapping[str, Any]


def new_es384_key() -> NewKey:
    """Makes an ES384 key whose id is its RFC 7638 thumbprint."""
    private = ec.generate_private_key(ec.SECP384R1())
    numbers = private.private_numbers()
    point = {
        "kty": "EC",
        "crv": "P-384",
        "x": jose.encode(numbers.public_numbers.x.to_bytes(_EC_SIZE, "big")),
        "y": jose.encode(numbers.public_numbers.y.to_bytes(_EC_SIZE, "big")),
    }
    kid = thumbprint(point)
    public = {**point, "alg": "ES384", "use": "sig", "kid": kid}
    secret = {**public, "d": jose.encode(numbers.private_value.to_bytes(_EC_SIZE, "big"))}
    return NewKey(kid, public, secret)


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """The RFC 7638 thumbprint (SHA-256, base64url) of a public EC or RSA key."""
    members = ("crv", "kty", "x", "y") if jwk["kty"] == "EC" else ("e", "kty", "n")
    return jose.encode(hashlib.sha256(json.dumps({m: jwk[m] for m in members})).digest())


def client_key(jwk: Mapping[str, Any]) -> jose.PublicKey:
    """The verification key of a client's public JWK: P-384 for ES384, RSA for RS384.

    The algorithm follows from the key's type; a key that names another, serves encryption, is
    too short, has no ``kid`` or holds a secret raises ``TokenRefused``.
    """
    kid = jose.text(jwk, "kid")
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list):
        raise jose.TokenRefused("key")
    if "verify" not in operations:
        raise jose.TokenRefused("key")
    if jwk.keys() & {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}:
        raise jose.TokenRefused("key holds a secret")
    algorithm: jose.Algorithm
    if jwk.get("kty") == "EC" and jwk.get("crv") == "P-384":
        algorithm, members = "ES384", {"x": _EC_SIZE, "y": _EC_SIZE}
        if any(len(jose.decode(jose.text(jwk, m))) != size for m, size in members.items()):
            raise jose.TokenRefused("key")
    elif jwk.get("kty") == "RSA":
        algorithm, members = "RS384", {"n": 0, "e": 0}
        modulus = int.from_bytes(jose.decode(jose.text(jwk, "n")), "big")
        exponent = int.from_bytes(jose.decode(jose.text(jwk, "e")), "big")
        if not _MIN_RSA_BITS <= modulus.bit_length() <= 8192 or not 65537 <= exponent < 2**32:
            raise jose.TokenRefused("key")
    else:
        raise jose.TokenRefused("key")
    if jwk.get("alg", algorithm) != algorithm:
        raise jose.TokenRefused("key")
    public = {"kty": jwk["kty"], **{m: jwk[m] for m in members}}
    if algorithm == "ES384":
        public["crv"] = "P-384"
    return jose.public_key(public, kid=kid, algorithm=algorithm)


def client_keys(jwks: Mapping[str, Any]) -> tuple[jose.PublicKey, ...]:
    """The usable keys of a client's JWK Set; keys of other kinds are passed over."""
    listed = jwks.get("keys")
    if not isinstance(listed, list):
        raise jose.TokenRefused("key set")
    usable = []
    for jwk in listed:
        try:
            usable.append(client_key(jwk if isinstance(jwk, dict) else {}))
        except jose.TokenRefused:
            continue
    return tuple(usable)


_PROVIDER_EC: Final[Mapping[str, jose.Algorithm]] = {"P-256": "ES256", "P-384": "ES384"}


def provider_keys(jwks: Mapping[str, Any]) -> tuple[jose.PublicKey, ...]:
    """The keys of a trusted identity provider: P-256, P-384, or RSA for RS256 or RS384."""
    listed = jwks.get("keys")
    usable = []
    for jwk in listed if isinstance(listed, list) else ():
        try:
            usable.append(_provider_key(jwk if isinstance(jwk, dict) else {}))
        except jose.TokenRefused:
            continue
    return tuple(usable)


def _provider_key(jwk: Mapping[str, Any]) -> jose.PublicKey:
    algorithm: jose.Algorithm
    if jwk.get("use", "sig") != "sig":
        raise jose.TokenRefused("key")
    if jwk.get("kty") == "EC" and jwk.get("crv") in _PROVIDER_EC:
        algorithm = _PROVIDER_EC[jwk["crv"]]
        members: tuple[str, ...] = ("kty", "crv", "x", "y")
    elif jwk.get("kty") == "RSA" and jwk.get("alg", "RS256") in ("RS256", "RS384"):
        algorithm = "RS384" if jwk.get("alg") == "RS384" else "RS256"
        members = ("kty", "n", "e")
        if len(jose.decode(jose.text(jwk, "n"))) * 8 < _MIN_RSA_BITS:
            raise jose.TokenRefused("key")
    else:
        raise jose.TokenRefused("key")
    if jwk.get("alg", algorithm) != algorithm:
        raise jose.TokenRefused("key")
    public = {member: jose.text(jwk, member) for member in members}
    return jose.public_key(public, kid=jose.text(jwk, "kid"), algorithm=algorithm)

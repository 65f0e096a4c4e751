"""What the authorization server offers, as clients read it before anything else.

SMART App Launch 2.2 (``.well-known/smart-configuration``) and OpenID Connect Discovery 1.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

AUTHORIZE: Final = "/oauth/authorize"
TOKEN: Final = "/oauth/token"
INTROSPECT: Final = "/oauth/introspect"
REVOKE: Final = "/oauth/revoke"
JWKS: Final = "/oauth/jwks"
USERINFO: Final = "/oauth/userinfo"

_AUTH_METHODS: Final = (
    "private_key_jwt", "client_secret_basic", "client_secret_post", "none",
)  # fmt: skip
_ASSERTION_ALGORITHMS: Final = ("ES384", "RS384")
_SYSTEM_SCOPES: Final = ("system/*.cruds", "system/*.rs", "system/*.read", "system/*.*")
_PERSON_SCOPES: Final = (
    "openid", "fhirUser", "profile", "launch", "launch/patient", "offline_access",
    "online_access", "patient/*.cruds", "patient/*.rs", "patient/*.read", "user/*.cruds",
    "user/*.rs", "user/*.read",
)  # fmt: skip
_SYSTEM_CAPABILITIES: Final = ("client-confidential-asymmetric", "permission-v1", "permission-v2")
_PERSON_CAPABILITIES: Final = (
    "launch-ehr", "launch-standalone", "authorize-post", "client-public",
    "client-confidential-symmetric", "sso-openid-connect", "context-ehr-patient",
    "context-ehr-encounter", "context-standalone-patient", "permission-offline",
    "permission-online", "permission-patient", "permission-user",
)  # fmt: skip


def smart_configuration(origin: str, *, grants: Iterable[str]) -> Mapping[str, Any]:
    """The SMART configuration for the grant types that are offered."""
    offered = sorted(grants)
    interactive = "authorization_code" in offered
    document: dict[str, Any] = {
        "issuer": origin,
        "jwks_uri": origin + JWKS,
        "token_endpoint": origin + TOKEN,
        "token_endpoint_auth_methods_supported": list(_AUTH_METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(_ASSERTION_ALGORITHMS),
        "introspection_endpoint": origin + INTROSPECT,
        "revocation_endpoint": origin + REVOKE,
        "grant_types_supported": offered,
        "scopes_supported": [*(_PERSON_SCOPES if interactive else ()), *_SYSTEM_SCOPES],
        "code_challenge_methods_supported": ["S256"],
        "capabilities": [
            *(_PERSON_CAPABILITIES if interactive else ()),
            *_SYSTEM_CAPABILITIES,
        ],
    }
    if interactive:
        document["authorization_endpoint"] = origin + AUTHORIZE
        document["response_types_supported"] = ["code"]
        document["authorization_response_iss_parameter_supported"] = True
    return document


def openid_configuration(origin: str, *, grants: Iterable[str]) -> Mapping[str, Any]:
    """The OpenID Connect provider metadata, which is RFC 8414's too."""
    smart = smart_configuration(origin, grants=grants)
    document = {key: value for key, value in smart.items() if key != "capabilities"}
    return document | {
        "userinfo_endpoint": origin + USERINFO,
        "response_modes_supported": ["query"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES384"],
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "amr", "fhirUser", "name",
        ],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }  # fmt: skip

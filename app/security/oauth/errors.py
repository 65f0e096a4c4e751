"""Refusals of the authorization server, in the words of RFC 6749."""

from __future__ import annotations

from app.core.errors import AppError, Category, Issue

_CATEGORIES = {
    "invalid_client": Category.UNAUTHENTICATED,
    "access_denied": Category.FORBIDDEN,
    "temporarily_unavailable": Category.UNAVAILABLE,
}


class OAuthError(AppError):
    """An RFC 6749 error code and a description for developers.

    ``reason`` is for the audit; where the answer must not tell why, only ``reason`` does.
    """

    def __init__(self, error: str, description: str, *, reason: str = "") -> None:
        self.error = error
        self.description = description
        self.reason = reason or error
        super().__init__(_CATEGORIES.get(error, Category.INVALID), [Issue("security", description)])


def invalid_client(reason: str) -> OAuthError:
    """The one answer to every client that did not prove who it is."""
    return OAuthError("invalid_client", "client authentication failed", reason=reason)


def invalid_grant(reason: str) -> OAuthError:
    """The one answer to every code or refresh token that is not good."""
    return OAuthError("invalid_grant", "the code or refresh token is not valid", reason=reason)


def invalid_request(description: str) -> OAuthError:
    """A request that lacks, repeats or misshapes something."""
    return OAuthError("invalid_request", description)

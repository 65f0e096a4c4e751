"""What is said of a resource that is not there for the caller."""

from __future__ import annotations

from app.core.errors import AppError, Category
from app.interactions.context import Context


def not_found() -> AppError:
    """Absent, or hidden: the two are told in the same words."""
    return AppError.of(Category.NOT_FOUND, "not-found", "no such resource")


def gone() -> AppError:
    """Deleted, and the caller could see it."""
    return AppError.of(Category.GONE, "deleted", "the resource was deleted")


def hidden(context: Context) -> AppError:
    """A resource that the caller cannot see stands in the way.

    Only a system client, which chooses ids, learns that the id is taken.
    """
    if context.principal.is_person:
        return not_found()
    return AppError.of(Category.CONFLICT, "conflict", "the id is not available")


def unavailable() -> AppError:
    """The database could not serve in time."""
    return AppError.of(Category.UNAVAILABLE, "transient", "the server is busy; try again")

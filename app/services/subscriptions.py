"""Subscriptions: refused as long as no topic is delivered.

A subscription that nothing would deliver is a promise that nobody keeps.
"""

from __future__ import annotations

from app.core.errors import AppError, Category
from app.services.changes import Change


def refuse(change: Change) -> Change:
    """Refuses every Subscription."""
    raise AppError.of(
        Category.UNPROCESSABLE,
        "not-supported",
        "no subscription topic is delivered by this server",
        f"{change.type}.criteria",
    )

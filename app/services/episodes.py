"""Courses of therapy: each step is one that the clinic's rules know, and history is kept."""

from __future__ import annotations

from dataclasses import replace

from app.core.clock import Clock, format_instant
from app.domain.episode import keep_history
from app.fhir import json
from app.services.changes import Change


class Episodes:
    """Keeps the status and the status history of episodes."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock

    def step(self, change: Change) -> Change:
        """The change with its ``statusHistory``; refuses a step that does not exist."""
        previous = change.previous
        stored = json.parse_stored(previous.text) if previous and not previous.deleted else None
        now = format_instant(self._clock.now())
        history = keep_history(stored, change.tree, now=now)
        if change.tree.get("statusHistory") == history:
            return change
        tree = {**change.tree, "statusHistory": history}
        return replace(change, tree=tree, text=json.dumps(tree))

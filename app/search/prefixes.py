"""Comparison prefixes: https://hl7.org/fhir/R4/search.html#prefix."""

from __future__ import annotations

PREFIXES = frozenset(("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"))


def split(text: str) -> tuple[str, str]:
    """Prefix and the rest; without a prefix it is ``eq``."""
    return (text[:2], text[2:]) if text[:2] in PREFIXES else ("eq", text)

"""Text as an index key: whole where it is short, its start and a digest where it is long.

A B-tree page bounds how long a key may be, and clients do not. Used on both sides, so a long
identifier is still found, and found exactly.
"""

from __future__ import annotations

import hashlib

LIMIT = 400


def key(text: str) -> str:
    """At most ``LIMIT`` characters that stand for the text."""
    if len(text) <= LIMIT:
        return text
    digest = hashlib.blake2b(text.encode(), digest_size=24).hexdigest()
    return f"{text[: LIMIT - 49]}#{digest}"

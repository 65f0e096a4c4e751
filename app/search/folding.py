"""One normaliser for text that is compared without case and accents.

https://hl7.org/fhir/R4/search.html#string. Used when a text is indexed and when one is asked
for, so that the two cannot drift apart.
"""

from __future__ import annotations

import unicodedata

LIMIT = 256
LAST = "\U0010ffff"


def fold(text: str) -> str:
    """Lower case, no accents, single spaces."""
    if text.isascii():
        return " ".join(text.lower().split())
    # Twice, since folding case may compose again: NFKD(casefold(NFKD(x))) is stable.
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return " ".join("".join(c for c in folded if not unicodedata.combining(c)).split())


def prefix_range(prefix: str) -> tuple[str, str]:
    """The half-open range of the texts that start with a prefix, by code point."""
    return prefix, prefix + LAST

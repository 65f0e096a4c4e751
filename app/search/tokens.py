"""``system|code``: reading it and testing for it.

https://hl7.org/fhir/R4/search.html#token. Tokens stand for coded values, for identifiers, for
the identifier of a reference and for the unit of a quantity. Codes match as they are written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache

from sqlalchemy import ColumnElement, String, and_, cast, literal_column

from app.db.tables.indexes import idx_token
from app.search.escapes import split, unescape
from app.search.expression import Scalar, Test
from app.search.values import Columns, equals, one_of

NO_SYSTEM = 0


@lru_cache(maxsize=4096)
def system_id(uri: str | None) -> int:
    """The signed 64-bit hash that stands for a system; 0 for none."""
    if not uri:
        return NO_SYSTEM
    digest = hashlib.blake2b(uri.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True) or 1


def read(text: str) -> tuple[int | None, str | None]:
    """System and code of ``code``, ``system|code``, ``|code`` or ``system|``; None is any."""
    parts = split(text, "|")
    if len(parts) > 2:
        raise ValueError("has more than one separator")
    if len(parts) == 1:
        return None, unescape(text)
    system, code = map(unescape, parts)
    if not system and not code:
        raise ValueError("names neither a system nor a code")
    return system_id(system), code or None


def tests(tokens: Iterable[tuple[int | None, str | None]]) -> tuple[Test, ...]:
    """Tests for any of the tokens, one for each way in which a token is asked for."""
    codes: list[Scalar] = []
    systems: list[Scalar] = []
    pairs: list[tuple[int, str]] = []
    for system, code in dict.fromkeys(tokens):
        if system is None:
            codes.append(code)
        elif code is None:
            systems.append(system)
        else:
            pairs.append((system, code))
    found = []
    if codes:
        found.append(Test("code", (codes[0] if len(codes) == 1 else tuple(codes),)))
    if systems:
        found.append(Test("system", (systems[0] if len(systems) == 1 else tuple(systems),)))
    if len(pairs) == 1:
        found.append(Test("both", pairs[0]))
    elif pairs:
        # The index finds the codes; of those, the pairs are kept.
        found.append(
            Test(
                "pairs",
                (
                    tuple(dict.fromkeys(code for _, code in pairs)),
                    tuple(f"{system}|{code}" for system, code in pairs),
                ),
            )
        )
    return tuple(found)


def predicate(rows: Columns, test: Test) -> ColumnElement[bool]:
    """Whether a row of the token index passes."""
    match test.form, test.values:
        case "code", (code,):
            return one_of(rows.code, code)
        case "system", (system,):
            return and_(one_of(rows.system, system), rows.code != "")
        case "both", (system, code):
            return and_(equals(rows.code, code), equals(rows.system, system))
        case "pairs", (codes, pairs):
            joined = cast(rows.system, String) + literal_column("'|'") + rows.code
            return and_(one_of(rows.code, codes), one_of(joined, pairs))
    raise AssertionError(test.form)


TABLE = idx_token

"""AuditEvent ids in SQL: milliseconds and number in decimal, which two columns hold.

https://hl7.org/fhir/R4/search.html#id. An id that is asked for is taken apart instead of
comparing a text for every row, so that the primary key answers.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, BindParameter, ColumnElement, bindparam, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import Text

from app.search.expression import Slot, Value
from app.search.values import Columns, name


class _KeyIs(ColumnElement[bool]):
    """Whether a row has the key that one of the ids in a parameter stands for."""

    inherit_cache = True

    def __init__(
        self, recorded: ColumnElement[int], aid: ColumnElement[int], ids: BindParameter[Any]
    ) -> None:
        self.recorded, self.aid, self.ids = recorded, aid, ids


def key_is(columns: Columns, ids: Value) -> ColumnElement[bool]:
    """Whether a row's id is this, or one of these."""
    many = isinstance(ids, tuple) or (isinstance(ids, Slot) and ids.is_list)
    type_ = ARRAY(Text()) if many else Text()
    given = bindparam(name(ids), type_=type_) if isinstance(ids, Slot) else literal(ids, type_)
    return _KeyIs(columns.recorded, columns.aid, given)


# What is no id of an event has no key. A number past 63 bits is none either.
_KEYS = """SELECT CAST(substr(value, 1, 13) AS BIGINT) * 1000 AS recorded,
CAST(substr(value, 15) AS BIGINT) AS aid
FROM {listed} WHERE length(value) = 33 AND substr(value, 15) <= '9223372036854775807'
AND {shaped}"""


@compiles(_KeyIs, "postgresql")
def _key_postgresql(element: _KeyIs, compiler: SQLCompiler, **options: Any) -> str:
    many = isinstance(element.ids.type, ARRAY)
    given = compiler.process(element.ids, **options)
    listed = f"unnest({given if many else f'ARRAY[{given}]'}::text[]) AS given (value)"
    shaped = "value ~ '^[0-9]{13}-[0-9]{19}$'"
    recorded = compiler.process(element.recorded, **options)
    # The instants by themselves too, which lead into the key's index whatever the order.
    known = _KEYS.format(listed=listed, shaped=shaped)
    instants = f"SELECT known.recorded FROM ({known}) AS known"  # noqa: S608 - compiled
    keys = _key(element, compiler, listed, shaped, **options)
    return f"({recorded} = ANY (ARRAY({instants})) AND {keys})"


@compiles(_KeyIs, "sqlite")
def _key_sqlite(element: _KeyIs, compiler: SQLCompiler, **options: Any) -> str:
    many = isinstance(element.ids.type, ARRAY)
    given = compiler.process(element.ids, **options)
    listed = f"json_each({given if many else f'json_array({given})'})"
    digits = "[0-9]"
    return _key(element, compiler, listed, f"value GLOB '{digits * 13}-{digits * 19}'", **options)


def _key(element: _KeyIs, compiler: SQLCompiler, listed: str, shaped: str, **options: Any) -> str:
    recorded, aid = (compiler.process(each, **options) for each in (element.recorded, element.aid))
    return f"({recorded}, {aid}) IN ({_KEYS.format(listed=listed, shaped=shaped)})"

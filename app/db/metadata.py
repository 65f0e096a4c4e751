"""The one ``MetaData`` and the column types both databases share.

Instants are microseconds in a BIGINT and text compares by code point, so that SQLite and
PostgreSQL order and compare alike.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, LargeBinary, MetaData, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Str = Text().with_variant(Text(collation="C"), "postgresql")
Micros = BigInteger()
Blob = LargeBinary()

"""The stamp of what decides over a clinic's tokens and Consents, in one small row."""

from __future__ import annotations

from sqlalchemy import Integer, bindparam, select

from app.db.engine import Query, Statement
from app.db.tables.stamps import access_stamp

_STAMP = Statement(
    select(access_stamp.c.stamp).where(
        access_stamp.c.tenant == bindparam("this_tenant", type_=Integer())
    ),
    by_key=True,
)


def stamp_query(tenant: int) -> Query:
    """What finds a clinic's stamp; it is another after every change to who may see what."""
    return Query(_STAMP, {"this_tenant": tenant})

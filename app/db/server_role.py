"""Whether row-level security holds whom the server connects as."""

from __future__ import annotations

from typing import Final

from sqlalchemy import column, text

from app.db.engine import Database, EveryTenant, Statement

_ROLE: Final = Statement(
    text(
        "SELECT rolsuper, rolbypassrls, EXISTS (SELECT FROM pg_class JOIN pg_namespace n "
        "ON n.oid = relnamespace WHERE nspname = 'public' AND relkind IN ('r', 'p') "
        "AND pg_has_role(relowner, 'MEMBER')) AS owns, EXISTS (SELECT FROM pg_policies p "
        "JOIN pg_class c ON c.oid = format('%I.%I', schemaname, tablename)::regclass "
        "WHERE policyname = 'tenant_rows' AND NOT (relrowsecurity AND relforcerowsecurity)) "
        "AS off FROM pg_roles WHERE rolname = current_user"
    ).columns(column("rolsuper"), column("rolbypassrls"), column("owns"), column("off"))
)
_WHO: Final = EveryTenant("the server's role is the installation's")


async def weaknesses(database: Database) -> list[str]:
    """Why the role would see other rows than those it says it wants; empty where it would not."""
    if database.dialect == "sqlite":
        return []
    async with database.read(_WHO) as connection:
        is_super, bypasses, owns, off = (await connection.fetch(_ROLE))[0]
    found = []
    if is_super:
        found.append("the database role is a superuser")
    if bypasses and not is_super:
        found.append("the database role has BYPASSRLS")
    if owns and not is_super:
        found.append("the database role owns tables, or is a member of their owner")
    if off:
        found.append("row-level security is off for a table")
    return found

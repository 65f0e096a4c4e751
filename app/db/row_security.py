"""Row-level security: PostgreSQL itself keeps each clinic's rows apart, behind every predicate.

A session or a transaction says whose rows it is about; a policy on every table that has a
tenant lets it see and change no others, whatever its statements ask. Where nothing was said,
nothing is seen. FORCE holds the tables' owner to it too; only a superuser or a role with
BYPASSRLS is not, so a server may not run as one (``server_role.py``).

Three kinds of tables. What a clinic's records are made of is for one tenant at a time, always.
The official definitions are tenant 0's, and every tenant reads them. What must be met before a
tenant is known (a token's hash, a user's name, what waits in a queue) and the one audit log are
seen together by whoever says so: ``EveryTenant``, with a reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from app.db.engine import EveryTenant, Whose

SEEN_TOGETHER: Final = frozenset(
    (
        "access_grant", "access_stamp", "account", "account_link", "answer_link", "assertion_jti",
        "audit_event", "audit_leaf", "audit_pending", "authorization_code",
        "browser_session", "client", "data_key", "export_file", "export_job", "external_identity",
        "identity_provider", "issued_token", "launch_context", "outbox", "passkey",
        "recovery_code", "refresh_token", "sign_in_state", "subscription", "subscription_event",
        "subscription_token", "tenant", "tenant_key", "totp",
    )
)  # fmt: skip

NOBODY: Final = -2
_EVERYBODY: Final = -1
_SETTING: Final = "rapport.tenant"
# Empty is what a setting leaves behind whose transaction has ended.
_SAID: Final = f"NULLIF(current_setting('{_SETTING}', true), '')::integer"
_ONCE: Final = f"(SELECT {_SAID})"  # evaluated once a statement, not once a row


def number(whose: Whose) -> int:
    """Whose rows, as the setting says it."""
    return _EVERYBODY if isinstance(whose, EveryTenant) else whose


def seeing(whose: Whose, *, local: bool = False) -> str:
    """The statement that says whose rows are meant: to the session, or to the transaction."""
    return f"SET {'LOCAL ' if local else ''}{_SETTING} = {number(whose)}"


def seeing_all(work: str) -> str:
    """The body of a trigger's function whose work is on everybody's rows, whoever changed one."""
    setting = f"current_setting('{_SETTING}', true)"
    return (
        f"DECLARE said text := {setting}; "
        f"BEGIN PERFORM set_config('{_SETTING}', '{_EVERYBODY}', true); {work}; "
        f"PERFORM set_config('{_SETTING}', coalesce(said, ''), true); RETURN NULL; END"
    )


def statements(
    table: str, *, column: str = "tenant", shared: bool = False, together: bool = False
) -> Iterator[str]:
    """What holds a table to it; run by its owner.

    ``shared``: every tenant reads tenant 0's rows; ``together``: ``EveryTenant`` sees them all.
    """
    own = f"{column} = {_ONCE if shared else _SAID}"
    if together:
        own = f"{_ONCE} IN ({column}, {_EVERYBODY})"
    yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
    yield f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY"
    yield f"CREATE POLICY tenant_rows ON {table} USING ({own}) WITH CHECK ({own})"
    if shared:
        yield f"CREATE POLICY shared_rows ON {table} FOR SELECT USING ({column} = 0)"

"""Accounts: the clients, people, keys and grants of the authorization server."""

from __future__ import annotations

from app.db.engine import Connection
from app.repositories.accounts_clients import Clients
from app.repositories.accounts_factors import Factors
from app.repositories.accounts_grants import Grants
from app.repositories.accounts_keys import SigningKeys
from app.repositories.accounts_people import People
from app.repositories.accounts_providers import Providers
from app.repositories.accounts_sessions import Sessions
from app.repositories.accounts_tokens import Tokens


class Accounts:
    """The account repositories of one unit of work."""

    __slots__ = (
        "clients",
        "factors",
        "grants",
        "keys",
        "people",
        "providers",
        "sessions",
        "tokens",
    )

    def __init__(self, connection: Connection) -> None:
        self.clients = Clients(connection)
        self.factors = Factors(connection)
        self.grants = Grants(connection)
        self.keys = SigningKeys(connection)
        self.people = People(connection)
        self.providers = Providers(connection)
        self.sessions = Sessions(connection)
        self.tokens = Tokens(connection)

    async def purge(self, *, before: int) -> None:
        """Forgets tokens, sessions, links and counts that ended before then."""
        for part in (self.tokens, self.grants, self.sessions):
            await part.purge(before=before)

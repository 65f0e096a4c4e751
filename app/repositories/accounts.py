"""Accounts: the clients, people, keys and grants of the authorization server."""

from __future__ import annotations

from functools import cached_property

from app.db.engine import Connection
from app.repositories.accounts_clients import Clients
from app.repositories.accounts_factors import Factors
from app.repositories.accounts_grants import Grants
from app.repositories.accounts_keys import SigningKeys
from app.repositories.accounts_left_behind import LeftBehind
from app.repositories.accounts_people import People
from app.repositories.accounts_providers import Providers
from app.repositories.accounts_sessions import Sessions
from app.repositories.accounts_tokens import Tokens


class Accounts:
    """The account repositories of one unit of work, each made when it is first asked for."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @cached_property
    def clients(self) -> Clients:
        """Client programs."""
        return Clients(self._connection)

    @cached_property
    def factors(self) -> Factors:
        """Second factors."""
        return Factors(self._connection)

    @cached_property
    def grants(self) -> Grants:
        """What people granted."""
        return Grants(self._connection)

    @cached_property
    def keys(self) -> SigningKeys:
        """The keys that sign."""
        return SigningKeys(self._connection)

    @cached_property
    def left_behind(self) -> LeftBehind:
        """What goes on in a person's name."""
        return LeftBehind(self._connection)

    @cached_property
    def people(self) -> People:
        """People and their passwords."""
        return People(self._connection)

    @cached_property
    def providers(self) -> Providers:
        """Identity providers of clinics."""
        return Providers(self._connection)

    @cached_property
    def sessions(self) -> Sessions:
        """Sign-ins."""
        return Sessions(self._connection)

    @cached_property
    def tokens(self) -> Tokens:
        """Access tokens."""
        return Tokens(self._connection)

    async def purge(self, *, before: int) -> None:
        """Forgets tokens, sessions, links and counts that ended before then."""
        for part in (self.tokens, self.grants, self.sessions):
            await part.purge(before=before)

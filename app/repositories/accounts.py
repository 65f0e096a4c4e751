"""Accounts: the clients, people, keys and grants of the authorization server."""

from __future__ import annotations

from app.db.engine import Connection
from app.repositories.accounts_clients import Clients
from app.repositories.accounts_keys import SigningKeys
from app.repositories.accounts_tokens import Tokens


class Accounts:
    """The account repositories of one unit of work."""

    __slots__ = ("clients", "keys", "tokens")

    def __init__(self, connection: Connection) -> None:
        self.clients = Clients(connection)
        self.keys = SigningKeys(connection)
        self.tokens = Tokens(connection)

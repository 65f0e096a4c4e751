"""Clients, signing keys and single-use assertions of the authorization server."""

from __future__ import annotations

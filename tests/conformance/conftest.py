"""The shared clinic of the tests over HTTP."""

from __future__ import annotations

from tests.http.conftest import _houses, ehr, house

__all__ = ["_houses", "ehr", "house"]

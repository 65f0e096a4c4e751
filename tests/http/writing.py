"""Storing what a test over HTTP begins with."""

from __future__ import annotations

from typing import Any

import httpx

from tests.http.answers import made
from tests.http.resources import episode, patient


async def put(http: httpx.AsyncClient, tree: Any) -> httpx.Response:
    """Stores a resource under its id."""
    stored = await http.put(f"{tree['resourceType']}/{tree['id']}", json=tree)
    assert stored.status_code in (200, 201), stored.text
    return stored


async def two_courses(http: httpx.AsyncClient) -> None:
    """Anna, whom Theo treats, and Berta, whom Tess does."""
    for name, therapist in (("anna", "theo"), ("berta", "tess")):
        made(await put(http, patient(name, id=name)))
        treated = {"careManager": {"reference": f"Practitioner/{therapist}"}}
        made(await put(http, episode(f"Patient/{name}", id=f"e-{name}", **treated)))

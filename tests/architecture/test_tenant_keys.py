"""Every key of a clinic's records leads with the clinic, and every join asks for it.

So a cluster can place tables by ``tenant`` as they are, and no question leaves a clinic's part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Select, Table, UniqueConstraint

from app.db.tables import metadata
from app.fhir.registry import REGISTRY
from app.search import pages, parser
from app.search.plans import plan
from app.search.visibility import Visible

BASE = "https://clinic.example.org/fhir"
# Of the installation as a whole: its keys, its one audit tree, its work, who its clinics are.
INSTALLATION = {
    "allocator", "audit_checkpoint", "audit_key", "audit_leaf", "audit_node", "audit_pending",
    "installation", "key_copy", "lease", "login_failure", "signing_key", "tenant",
}  # fmt: skip
# Found by the hash of a secret, or a name at the door, before anybody knows whose they are.
AT_THE_DOOR = {
    "account", "account_link", "answer_link", "authorization_code",
    "browser_session", "launch_context", "passkey", "refresh_token", "sign_in_state",
    "subscription_token",
}  # fmt: skip
_NAMED = re.compile(r"(?:FROM|JOIN|,) (\w+)(?: AS (\w+))?")
SEARCHES = (
    "QuestionnaireResponse?subject=Patient/1&_sort=-authored",
    "QuestionnaireResponse?subject:Patient.identifier=urn:s|1&_sort=-authored",
    "Patient?_has:EpisodeOfCare:patient:care-manager=Practitioner/1",
    "Observation?code=urn:s|1&value-quantity=gt5&date=ge2026-01-01",
    "Patient?family=a&birthdate=lt2000&_sort=family,-birthdate",
    "Questionnaire?url=urn:q&version=1",
)


def _keys(table: Table) -> Iterator[tuple[str, ...]]:
    yield tuple(column.name for column in table.primary_key.columns)
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield tuple(column.name for column in constraint.columns)
    for index in table.indexes:
        if index.unique:
            yield tuple(column.name for column in index.columns)


@pytest.mark.parametrize("name", sorted(metadata.tables))
def test_every_unique_key_leads_with_the_tenant(name: str) -> None:
    others = [key for key in _keys(metadata.tables[name]) if key[0] != "tenant"]
    assert bool(others) == (name in INSTALLATION | AT_THE_DOOR), others


@pytest.mark.parametrize("search", SEARCHES)
def test_every_table_of_a_search_is_asked_for_its_tenant(search: str) -> None:
    type_name, _, query = search.partition("?")
    pairs = [tuple(pair.split("=", 1)) for pair in query.split("&")]
    asked = parser.parse(
        pairs,  # type: ignore[arg-type]
        type_name=type_name,
        base=BASE,
        now=0,
        compartment=None,
        strict=True,
        count=20,
        max_count=100,
    )
    planned = plan(asked, visible=Visible.everything(1, reason="a test asks"))
    assert asked.kinds == (REGISTRY[type_name].code,)
    for part in planned.parts(None):
        page: Any = pages.page(planned.shape, part=part, after=None, limit=21)
        _assert_tenants(page._build())
    total: Any = pages.total(planned.counted)
    _assert_tenants(total._build())


def _assert_tenants(statement: Select[Any]) -> None:
    text = str(statement)
    named = [
        (table, alias or table)
        for table, alias in _NAMED.findall(text)
        if table in metadata.tables and "tenant" in metadata.tables[table].c
    ]
    assert named
    for table, name in named:
        bound = rf"\b{name}\.tenant = |= {name}\.tenant\b"
        assert re.search(bound, text), f"{table} AS {name}\n{text}"

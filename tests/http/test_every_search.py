"""Whoever asks, of whatever type, gets an answer: no sight makes a statement too deep to read."""

from __future__ import annotations

import pytest

from app.fhir.registry import REGISTRY
from app.security import roles
from tests.support.eyes import eyes

CHAINED = (
    ("Task", "focus.identifier"),
    ("Task", "based-on._id"),
    ("Task", "patient:Patient.general-practitioner.name"),
    ("Communication", "part-of._id"),
    ("Observation", "focus.subject:Group.member.name"),
    ("Patient", "_has:Task:patient:focus:Communication.part-of:Communication.sender._id"),
)


@pytest.mark.parametrize("dialect", ["sqlite"])  # its parser has room for a hundred levels
@pytest.mark.parametrize("role", sorted(roles.table()))
async def test_every_role_may_ask_for_every_type(house, role):
    actor = "Patient/anna" if role == "client" else "Practitioner/sana"
    who = eyes(house, role, actor)
    for name in REGISTRY:
        if "s" in roles.actions(role, name):
            found = await who.finds(name, ("_tag", "nobody-has-it"), ("_sort", "_lastUpdated"))
            assert found == (set(), 0), name


@pytest.mark.parametrize("dialect", ["sqlite"])
@pytest.mark.parametrize("query", CHAINED, ids=".".join)
async def test_a_supervisor_may_ask_along_references(house, query):
    name, code = query
    who = eyes(house, "supervisor", "Practitioner/sana")
    assert await who.finds(name, (code, "nobody")) == (set(), 0)

"""What each role may do: one table, ``definitions/roles.csv``, read strictly.

A row is a type, a column a role, a cell ``-`` (a refusal) or rules such as ``rs@care``: SMART
action letters and the condition under which they hold. A cell that is not there is a refusal
too, and a test compares the table with the registry.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Final

from app.security.scopes import ACTIONS


class Condition(StrEnum):
    """Which rows a rule is about."""

    ALL = "all"  # every row of the tenant
    SELF = "self"  # the compartment of the person's own Patient
    CARE = "care"  # compartments of patients whom the person treats now
    SUPERVISION = "supervision"  # compartments of patients whom a supervisee treats now
    CONSENT = "consent"  # compartments of patients whose Consent permits the caller


@dataclass(frozen=True, slots=True)
class Rule:
    """Actions (letters of ``cruds``) and the rows they hold for."""

    actions: str
    condition: Condition


class RoleTableError(Exception):
    """The table is not one: the program must not start."""


REFUSAL: Final = "-"
_RULE = re.compile(rf"(?P<actions>[{ACTIONS}]+)@(?P<condition>[a-z]+)")
_ANY_TYPE: Final = "*"

# Roles of people who work in the clinic; production asks them for a second factor.
STAFF: Final = frozenset(
    {
        "therapist", "co_therapist", "supervisor", "clinical_lead", "reception", "researcher",
        "auditor", "admin",
    }
)  # fmt: skip
SYSTEMS: Final = frozenset({"system", "outside_system", "auditor"})


@cache
def table() -> Mapping[str, Mapping[str, tuple[Rule, ...]]]:
    """The rules by role, then by type."""
    text = resources.files("app.definitions").joinpath("roles.csv").read_text("utf-8")
    header, *rows = csv.reader(text.splitlines())
    return {
        role: {row[0]: _cell(row[column]) for row in rows}
        for column, role in enumerate(header)
        if column > 0
    }


@cache
def rules(role: str, type_name: str) -> tuple[Rule, ...]:
    """The rules of one cell; none for a role or type that the table does not name."""
    return table().get(role, {}).get(type_name, ())


@cache
def actions(role: str, type_name: str) -> str:
    """The actions a role may do to a type; for ``*`` those that it may do to any."""
    row = table().get(role, {})
    cells = row.values() if type_name == _ANY_TYPE else [row.get(type_name, ())]
    allowed = {action for cell in cells for rule in cell for action in rule.actions}
    return "".join(action for action in ACTIONS if action in allowed)


def exists(role: str) -> bool:
    """Whether there is such a role."""
    return role in table()


def _cell(text: str) -> tuple[Rule, ...]:
    if text == REFUSAL:
        return ()
    parsed = []
    for part in text.split(" "):
        match = _RULE.fullmatch(part)
        if match is None or match["condition"] not in set(Condition):
            raise RoleTableError(f"not a rule: {part!r}")
        letters = match["actions"]
        if letters != "".join(a for a in ACTIONS if a in letters):
            raise RoleTableError(f"not in order: {part!r}")
        parsed.append(Rule(letters, Condition(match["condition"])))
    return tuple(parsed)

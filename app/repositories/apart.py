"""Opened resources and their index in clear, in a database in memory, for one search."""

from __future__ import annotations

from collections.abc import Iterable

from app.db.engine import Insert, Params
from app.db.scratch import ScratchConnection
from app.db.tables.indexes import INDEX_TABLES
from app.db.tables.keys import data_key
from app.db.tables.resources import compartment, resource, resource_author
from app.fhir import json
from app.fhir.registry import REGISTRY, by_code
from app.repositories.codec import IDENTITY
from app.search import indexer
from app.search.found import Found

TABLES = (resource, compartment, resource_author, data_key, *INDEX_TABLES)

_PATIENT = REGISTRY["Patient"].code
_RESOURCE = Insert(resource)
_OWNER = Insert(compartment)
_INDEX = [Insert(table) for table in INDEX_TABLES]


def fill(connection: ScratchConnection, found: Iterable[Found], *, tenant: int) -> None:
    """Puts in what was found, as the caller sees it."""
    resources: list[Params] = []
    owners: list[Params] = []
    index: dict[str, list[Params]] = {table.name: [] for table in INDEX_TABLES}
    for each in found:
        key = {"tenant": tenant, "rid": each.rid}
        resources.append(key | _row(each))
        about = {"kind": each.kind, "owner_kind": _PATIENT}
        owners.extend(key | about | {"owner_id": patient} for patient in each.whose.patients)
        tree, name = json.parse_stored(each.text), by_code(each.kind).name
        # No base: what refers to others was asked where they are.
        indexed = indexer.index(tree, name, id=each.id, base="")
        for table_name, rows in indexed.rows.items():
            index[table_name].extend([key | row for row in rows])
    connection.add(_RESOURCE, resources)
    connection.add(_OWNER, owners)
    for statement in _INDEX:
        connection.add(statement, index[statement.table.name])


def _row(found: Found) -> dict[str, object]:
    return {
        "kind": found.kind,
        "id": found.id,
        "version": found.version,
        "updated": found.updated,
        "deleted": 0,
        "interaction": 0,
        "body": found.text,
        "cipher": IDENTITY,
        "key_id": None,
        "nonce": None,
        "key_owner": "",
        "confidentiality": 0,
        "sensitivity": 0,
        "data_class": None,
    }

"""One version of a resource, out of its row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import FromClause, and_, literal_column, or_

from app.db.engine import Row
from app.db.tables.resources import resource_history
from app.repositories.codec import EnvelopeCodec, Sealed
from app.search.found import NOBODY, Whose
from app.search.visibility import Visible

CLINIC: Final = "tenant"  # the key owner of what is no patient's and no couple's


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One version as it is stored; ``text`` is empty for a deletion.

    ``whose`` it is says the compartments that it is in.
    """

    tenant: int
    kind: int
    id: str
    rid: int
    version: int
    updated: int
    deleted: bool
    interaction: int
    text: bytes
    key_owner: str
    confidentiality: int
    sensitivity: int
    data_class: str | None
    whose: Whose = NOBODY

    @property
    def patients(self) -> tuple[str, ...]:
        """The ids of the patients in whose compartments it is."""
        return self.whose.patients

    @property
    def told(self) -> Whose:
        """Whose it is, as the log tells it."""
        return self.whose.told_of(self.kind, self.id)


def with_past(current: FromClause) -> FromClause:
    """Superseded versions joined to their current rows, as far as both are about the same.

    A record may have been moved to whom it belongs; what it said of somebody else before is not
    for those who see it now.
    """
    past = resource_history.c
    theirs = or_(
        past.key_owner == current.c.key_owner, past.key_owner == literal_column(f"'{CLINIC}'")
    )
    return resource_history.join(
        current, and_(past.tenant == current.c.tenant, past.rid == current.c.rid, theirs)
    )


def as_seen(stored: StoredVersion, visible: Visible) -> StoredVersion:
    """The version with the text that may be seen."""
    text = visible.shown(stored.kind, stored.text)
    return stored if text is stored.text else replace(stored, text=text)


def open_row(row: Row, codec: EnvelopeCodec, *, whose: Whose = NOBODY) -> StoredVersion:
    """A stored version from the columns of ``resource`` or ``resource_history``, and more.

    One whose key was destroyed is as one that was deleted: that it was is all there is to know.
    """
    tenant, kind, id, rid, version, updated, deleted, interaction, *sealed = row[:12]
    owner, confidentiality, sensitivity, data_class = row[12:16]
    body, cipher, key_id, nonce = sealed
    at_rest = Sealed(bytes(body), cipher, key_id, nonce)
    return StoredVersion(
        tenant=tenant,
        kind=kind,
        id=id,
        rid=rid,
        version=version,
        updated=updated,
        deleted=bool(deleted) or at_rest.is_destroyed,
        interaction=interaction,
        text=b""
        if at_rest.is_destroyed
        else codec.open(at_rest, owner=owner, context=f"{tenant}|{kind}|{id}|{version}"),
        key_owner=owner,
        confidentiality=confidentiality,
        sensitivity=sensitivity,
        data_class=data_class,
        whose=whose,
    )

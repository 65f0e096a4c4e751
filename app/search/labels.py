"""Whether a row's labels are within what may be seen."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, false

from app.search.values import bound, number


def cleared(label: ColumnElement[int] | None, name: str, limit: Any) -> ColumnElement[bool]:
    """Whether a label, ``confidentiality`` or ``sensitivity``, is within a limit.

    Rows without labels of their own are as confidential as anything can be.
    """
    if label is None:
        return false()
    if name == "confidentiality":
        return label <= bound(limit, label)
    return label.bitwise_and(bound(limit, label).bitwise_not()) == number(0)

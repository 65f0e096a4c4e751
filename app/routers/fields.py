"""A request's header fields, read once. https://www.rfc-editor.org/rfc/rfc9110#section-5.3"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from starlette.types import Scope

Fields = Mapping[str, str]


def fields_of(scope: Scope) -> Fields:
    """The fields by name in small letters; one that came more than once is a list with commas."""
    state = scope.setdefault("state", {})
    if "fields" not in state:
        fields: dict[str, str] = {}
        for octets, value in scope["headers"]:
            name, text = octets.decode("latin-1").lower(), value.decode("latin-1")
            fields[name] = f"{fields[name]}, {text}" if name in fields else text
        state["fields"] = fields
    return cast("Fields", state["fields"])

"""Which interaction a method and a path mean. https://hl7.org/fhir/R4/http.html#summary

The one table for requests and for Bundle entries.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.core.errors import AppError, Category
from app.fhir.registry import REGISTRY, Interaction

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
_VERSION = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Address:
    """What is meant: an interaction, or an operation by its name without the dollar sign."""

    interaction: Interaction | None = None
    operation: str | None = None
    type: str | None = None
    id: str | None = None
    version: int | None = None
    compartment: tuple[str, str] | None = None


def resolve(method: str, path: str) -> Address:
    """The meaning of a method and a path below the base.

    Raises ``not-found`` for what is not an address of this server and ``not-allowed`` for one
    that does not answer to the method.
    """
    segments = path.strip("/").split("/") if path.strip("/") else []
    if "" in segments:
        raise _unknown()
    method = "GET" if method == "HEAD" else method
    match segments:
        case []:
            return _pick(method, {"GET": Interaction.SEARCH_SYSTEM, "POST": Interaction.BATCH})
        case ["_search"]:
            return _pick(method, {"POST": Interaction.SEARCH_SYSTEM})
        case ["_history"]:
            return _pick(method, {"GET": Interaction.HISTORY_SYSTEM})
        case [name] if name.startswith("$"):
            return _operation(method, name)
        case [type_name, *rest]:
            return _typed(method, _type(type_name), rest)
    raise _unknown()


def _typed(method: str, type_name: str, rest: list[str]) -> Address:
    match rest:
        case []:
            return _pick(
                method,
                {
                    "GET": Interaction.SEARCH_TYPE,
                    "POST": Interaction.CREATE,
                    "PUT": Interaction.UPDATE,
                    "PATCH": Interaction.PATCH,
                    "DELETE": Interaction.DELETE,
                },
                type=type_name,
            )
        case ["_search"]:
            return _pick(method, {"POST": Interaction.SEARCH_TYPE}, type=type_name)
        case ["_history"]:
            return _pick(method, {"GET": Interaction.HISTORY_TYPE}, type=type_name)
        case [name] if name.startswith("$"):
            return _operation(method, name, type=type_name)
        case [id, *deeper]:
            return _instance(method, type_name, _checked(id), deeper)
    raise _unknown()


def _instance(method: str, type_name: str, id: str, rest: list[str]) -> Address:
    match rest:
        case []:
            return _pick(
                method,
                {
                    "GET": Interaction.READ,
                    "PUT": Interaction.UPDATE,
                    "PATCH": Interaction.PATCH,
                    "DELETE": Interaction.DELETE,
                },
                type=type_name,
                id=id,
            )
        case ["_history"]:
            return _pick(method, {"GET": Interaction.HISTORY_INSTANCE}, type=type_name, id=id)
        case ["_history", version]:
            if not _VERSION.fullmatch(version):
                raise _unknown()
            return _pick(
                method, {"GET": Interaction.VREAD}, type=type_name, id=id, version=int(version)
            )
        case [name] if name.startswith("$"):
            return _operation(method, name, type=type_name, id=id)
        case ["_search"] | ["*", "_search"]:
            return _member(method, "POST", (type_name, id), None)
        case ["*"]:
            return _member(method, "GET", (type_name, id), None)
        case [member, "_search"]:
            return _member(method, "POST", (type_name, id), _type(member))
        case [member]:
            return _member(method, "GET", (type_name, id), _type(member))
    raise _unknown()


def _member(
    method: str, expected: str, compartment: tuple[str, str], type_name: str | None
) -> Address:
    interaction = Interaction.SEARCH_TYPE if type_name else Interaction.SEARCH_SYSTEM
    return _pick(method, {expected: interaction}, type=type_name, compartment=compartment)


def _pick(
    method: str,
    choices: dict[str, Interaction],
    *,
    type: str | None = None,
    id: str | None = None,
    version: int | None = None,
    compartment: tuple[str, str] | None = None,
) -> Address:
    interaction = choices.get(method)
    if interaction is None:
        raise not_allowed()
    if type is not None and interaction not in REGISTRY[type].interactions:
        raise not_allowed()
    return Address(interaction, None, type, id, version, compartment)


def _operation(
    method: str, name: str, *, type: str | None = None, id: str | None = None
) -> Address:
    if method not in ("GET", "POST"):
        raise not_allowed()
    return Address(None, name[1:], type, id)


def _type(name: str) -> str:
    if name not in REGISTRY:
        raise AppError.of(Category.NOT_FOUND, "not-supported", "no such resource type")
    return name


def _checked(id: str) -> str:
    if not _ID.fullmatch(id):
        raise _unknown()
    return id


def _unknown() -> AppError:
    return AppError.of(Category.NOT_FOUND, "not-found", "no such resource")


def not_allowed() -> AppError:
    """The address exists and does not offer this."""
    return AppError.of(
        Category.NOT_ALLOWED, "not-supported", "this address does not offer that interaction"
    )

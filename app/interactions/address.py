"""Which interaction a method and a path mean. https://hl7.org/fhir/R4/http.html#summary

The one table for requests and for Bundle entries.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from app.core.errors import AppError, Category, Issue
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


class NotAllowed(AppError):
    """The address exists and does not answer to the method, but to ``methods``."""

    def __init__(self, methods: Iterable[str]) -> None:
        text = "this address does not offer that interaction"
        super().__init__(Category.NOT_ALLOWED, (Issue("not-supported", text),))
        self.methods = tuple(methods)


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
        case ["metadata"]:  # read where no token is asked for
            raise NotAllowed(["GET"])
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
    owner = compartment[0]
    if type_name is None:
        members = any(owner in entry.compartments for entry in REGISTRY.values())
    else:
        members = owner in REGISTRY[type_name].compartments or owner == type_name
    if not members:
        raise _unknown()
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
    offered = {
        name: interaction
        for name, interaction in choices.items()
        if type is None or interaction in REGISTRY[type].interactions
    }
    if method not in offered:
        raise NotAllowed(offered)
    return Address(offered[method], None, type, id, version, compartment)


def _operation(
    method: str, name: str, *, type: str | None = None, id: str | None = None
) -> Address:
    if method not in ("GET", "POST"):
        raise NotAllowed(["GET", "POST"])
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

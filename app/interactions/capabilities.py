"""What is really offered: the operations there are, and of each type what some role may do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from app import __version__
from app.core.config import Settings
from app.fhir import json
from app.fhir.capability import Authorization, Offered, capability_statement
from app.fhir.registry import REGISTRY, Interaction
from app.interactions import pipeline
from app.interactions.operations import OPERATIONS
from app.security import roles
from app.security.oauth import discovery
from app.services.topics import topics


@cache
def withheld() -> Mapping[str, tuple[Interaction, ...]]:
    """What the registry allows of a type and nobody is offered: it is in no role's hands."""
    return {name: tuple(_of_no_role(name, entry.interactions)) for name, entry in REGISTRY.items()}


def _of_no_role(name: str, interactions: Iterable[Interaction]) -> Iterator[Interaction]:
    allowed = {action for role in roles.table() for action in roles.actions(role, name)}
    return (one for one in interactions if pipeline.ACTIONS[one] not in allowed)


def of_types() -> list[Offered]:
    """The operations that a type or one of its resources has."""
    return [
        operation.offered
        for operation in OPERATIONS.values()
        if operation.type_level or operation.instance_level
    ]


def _of_the_system() -> list[json.Tree]:
    return [
        {"name": operation.name, "definition": operation.definition}
        for operation in OPERATIONS.values()
        if operation.system_level
    ]


def statement(settings: Settings | None) -> json.Tree:
    """The CapabilityStatement of a server with these settings; the software's own without."""
    tree = capability_statement(
        base=None if settings is None else settings.fhir_base,
        operations=of_types(),
        authorization=None if settings is None else _authorization(settings),
        without=withheld(),
        topics=[topic.canonical for topic in topics().values()],
        socket=None if settings is None else settings.socket_url,
        version=__version__,
    )
    rest = tree["rest"][0]
    rest["operation"] = [*rest.get("operation", ()), *_of_the_system()]
    return tree


def of_the_software() -> json.Tree:
    """What every server that runs this says."""
    return statement(None)


def _authorization(settings: Settings) -> Authorization:
    return Authorization(
        authorize=settings.origin + discovery.AUTHORIZE,
        token=settings.origin + discovery.TOKEN,
        introspect=settings.origin + discovery.INTROSPECT,
        revoke=settings.origin + discovery.REVOKE,
    )

"""The agents of an AuditEvent: who asked, through what, and who answered.

BALP wants the client's machine and the server; its OAuth patterns add the application by its
client id and the person by issuer, subject and token.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from app.fhir.audit import codes
from app.fhir.audit.kinds import Kind, Shape
from app.fhir.audit.record import AuditRecord
from app.fhir.json import Tree

_APPLICATION_IS_CLIENT = frozenset((Shape.DELETE, Shape.CONSENT, Shape.SECURITY))


def agents_of(record: AuditRecord, kind: Kind) -> list[Tree]:
    """The client's machine, this server, the application by its token, and the person."""
    client_type, server_type, user_type = codes.AGENT_TYPES[kind.shape]
    server = {"address": record.site, "type": "5"}
    # What the server does by itself, it does from its own address.
    network = _network(record.address) or (server if kind.profile else None)
    policy = [codes.JTI + record.token] if record.token is not None else None
    alone = not record.by_person
    agents: list[Tree] = []
    if kind.shape not in _APPLICATION_IS_CLIENT:
        if kind.shape is not Shape.INTERNAL:
            agents.append(_agent(client_type, _client(record), network=network))
    elif network is not None or record.client is not None:
        own = policy if alone and kind.shape is Shape.SECURITY else None
        agents.append(_agent(client_type, _client(record), network=network, policy=own))
    consent = kind.shape is Shape.CONSENT
    agents.append(_agent(server_type, codes.SERVER, network=None if consent else server))
    if record.client is not None and kind.shape not in _APPLICATION_IS_CLIENT:
        agents.append(
            _agent(
                codes.APPLICATION,
                _client(record),
                requestor=alone,
                name=record.client_name,
                network=network,
                policy=policy if alone else None,
                purpose=record.purpose if alone else None,
            )
        )
    if consent:
        agents.append(_agent(codes.PROVIDER, _organization(record)))
    delete = kind.shape is Shape.DELETE
    if consent or not alone:
        agents.append(
            _agent(
                user_type,
                _user(record),
                requestor=True,
                name=record.name,
                role=record.role,
                policy=None if delete else policy,
                purpose=record.purpose,
            )
        )
    if delete and policy:
        # The Delete profile keeps the token out of its agents, so it stands on its own.
        agents.append(_agent(codes.TOKEN_HOLDER, None, requestor=True, policy=policy))
    return agents


def _agent(
    type: Tree,
    who: Tree | None,
    *,
    requestor: bool = False,
    name: str | None = None,
    role: str | None = None,
    network: Tree | None = None,
    policy: list[str] | None = None,
    purpose: str | None = None,
) -> Tree:
    agent: Tree = {"type": type, "requestor": requestor}
    if role is not None:
        agent["role"] = [codes.concept(codes.OUR_ROLE, role)]
    if who is not None:
        agent["who"] = who
    if name is not None:
        agent["name"] = name
    if policy is not None:
        agent["policy"] = policy
    if network is not None:
        agent["network"] = network
    if purpose is not None:
        agent["purposeOfUse"] = [codes.concept(codes.ACT_REASON, purpose)]
    return agent


def _client(record: AuditRecord) -> Tree:
    who: Tree = {}
    if not record.by_person and record.actor is not None:
        who["reference"] = record.actor
    if record.client is not None:
        who["identifier"] = {"value": record.client}
    shown = record.client_name or record.client or record.address
    return who | ({"display": shown} if shown else codes.SERVER)


def _user(record: AuditRecord) -> Tree:
    who: Tree = {}
    if record.actor is not None:
        who["reference"] = record.actor
    if record.subject is not None:
        parts = urlsplit(record.site)
        issuer = record.issuer or f"{parts.scheme}://{parts.netloc}"
        who["identifier"] = {"system": issuer, "value": record.subject}
    if record.name is not None:
        who["display"] = record.name
    return who or {"display": "unknown"}


def _organization(record: AuditRecord) -> Tree:
    if record.organization is None:
        return {"display": "unknown"}
    return {"reference": record.organization}


def _network(address: str | None) -> Tree | None:
    return None if address is None else {"address": address, "type": "2"}

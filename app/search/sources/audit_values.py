"""Which values the AuditEvent of a row has, by search parameter, as expressions in SQL.

The mirror of ``fhir/audit``: what is rendered there is found here. A test holds the two
together by indexing rendered events in the ordinary store and asking both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    String,
    and_,
    cast,
    false,
    func,
    literal_column,
    not_,
    or_,
    true,
)

from app.db.metadata import Str
from app.fhir.audit import codes
from app.fhir.audit.kinds import KINDS, Kind, Shape, of_shape
from app.fhir.audit.record import SUCCESS
from app.fhir.json import Tree
from app.fhir.registry import REGISTRY
from app.search.folding import fold
from app.search.tokens import system_id
from app.search.values import Columns, number

_PATIENT, _CONSENT, _ORGANIZATION = (
    REGISTRY[name].code for name in ("Patient", "Consent", "Organization")
)
_ACTION = "http://hl7.org/fhir/audit-event-action"
_OUTCOME = "http://hl7.org/fhir/audit-event-outcome"
_PROFILE = f"{codes.BALP}/StructureDefinition/IHE.BasicAudit."

Row = Columns


class Part(NamedTuple):
    """A value that events may have: when it is there, and its columns as an index has them.

    ``kind`` is the number of the only type that a reference may lead to, None for any.
    """

    there: ColumnElement[bool]
    values: Columns
    kind: int | None = None


def parts(row: Row, code: str, index: str = "") -> list[Part]:
    """The values of a parameter, or of its side index (``:text``, ``:identifier``)."""
    found = _PARAMETERS.get(code + index)
    return [] if found is None else list(found(row))


# ------------------------------------------------------------------------ pieces of conditions


def _text(value: str) -> ColumnElement[str]:
    return literal_column("'" + value.replace("'", "''") + "'", type_=Str)


def _event_in(row: Row, kinds: Iterable[str]) -> ColumnElement[bool]:
    return or_(false(), row.event.in_([_text(name) for name in sorted(kinds)]))


def _by_person(row: Row) -> ColumnElement[bool]:
    return and_(row.subject.is_not(None), or_(row.client.is_(None), row.subject != row.client))


def _user(row: Row) -> ColumnElement[bool]:
    """Whether the event has the agent of a person."""
    return or_(_by_person(row), _event_in(row, _CONSENTS))


_CONSENTS = of_shape(Shape.CONSENT)
_APPLICATION_IS_CLIENT = of_shape(Shape.DELETE, Shape.CONSENT, Shape.SECURITY)


def _has_client(row: Row) -> ColumnElement[bool]:
    """Whether the event has an agent for the client."""
    return or_(_there(row.client), not_(_event_in(row, of_shape(Shape.INTERNAL))))


def _there(*columns: ColumnElement[Any]) -> ColumnElement[bool]:
    return and_(true(), *(column.is_not(None) for column in columns))


def _jti(row: Row) -> ColumnElement[str]:
    return _text(codes.JTI).op("||", return_type=Str)(row.token)


def _why(row: Row) -> ColumnElement[bool]:
    """Whether a Consent is among the entities."""
    return and_(_there(row.consent), or_(_there(row.decision), _event_in(row, _CONSENTS)))


# --------------------------------------------------------------------------------- parameters


def _token(code: Any, system: str | None = None) -> Columns:
    return SimpleNamespace(code=code, system=number(system_id(system)))


def _reference(kind: Any, id: Any, version: Any = None) -> Columns:
    absent = literal_column("NULL", type_=Str)
    number_ = cast(version, String) if version is not None else absent
    return SimpleNamespace(target_kind=kind, target_id=id, version=number_)


def _fixed(kind: int, id: Any, there: ColumnElement[bool], version: Any = None) -> Part:
    return Part(there, _reference(number(kind), id, version), kind)


# A reference without a target that can be asked for.
_PRESENT = _reference(number(0), _text(""))


def _string(exact: Any, folded: Any = None) -> Columns:
    lower = func.lower(exact, type_=Str)
    return SimpleNamespace(exact=exact, folded=lower if folded is None else folded)


def _of_kind(value: Callable[[Kind], Tree]) -> Callable[[Row], Iterator[Part]]:
    def found(row: Row) -> Iterator[Part]:
        for coding, kinds in _grouped(value).items():
            yield Part(_event_in(row, kinds), _token(_text(coding[1]), coding[0]))

    return found


def _words_of_kind(value: Callable[[Kind], Tree]) -> Callable[[Row], Iterator[Part]]:
    def found(row: Row) -> Iterator[Part]:
        for (_, _, display), kinds in _grouped(value).items():
            if display:
                yield Part(_event_in(row, kinds), _string(_text(display), _text(fold(display))))

    return found


@cache
def _grouped(value: Callable[[Kind], Tree]) -> Mapping[tuple[str, str, str], list[str]]:
    groups: dict[tuple[str, str, str], list[str]] = {}
    for name, kind in KINDS.items():
        coding = value(kind)
        key = coding["system"], coding["code"], coding.get("display", "")
        groups.setdefault(key, []).append(name)
    return groups


def _outcome(row: Row) -> Iterator[Part]:
    yield Part(true(), _token(row.outcome, _OUTCOME))


def _address(row: Row) -> Iterator[Part]:
    yield Part(and_(_there(row.address), _has_client(row)), _string(row.address))
    shown = or_(row.address.is_(None), not_(_event_in(row, _CONSENTS)))
    yield Part(shown, _string(row.site))


def _agent(row: Row) -> Iterator[Part]:
    yield Part(_there(row.actor_id), _reference(row.actor_kind, row.actor_id))
    consents = and_(_event_in(row, _CONSENTS), _there(row.organization))
    yield _fixed(_ORGANIZATION, row.organization, consents)
    yield Part(true(), _PRESENT, 0)  # this server, which has no reference


def _agent_identifier(row: Row) -> Iterator[Part]:
    yield Part(_there(row.client), _token(row.client))
    yield Part(and_(_user(row), _there(row.subject)), _token(row.subject))


def _agent_name(row: Row) -> Iterator[Part]:
    yield Part(and_(_user(row), _there(row.name)), _string(row.name, row.folded))
    named = and_(_there(row.client, row.client_name), not_(_event_in(row, _APPLICATION_IS_CLIENT)))
    yield Part(named, _string(row.client_name, row.folded))


def _agent_role(row: Row) -> Iterator[Part]:
    yield Part(and_(_user(row), _there(row.role)), _token(row.role, codes.OUR_ROLE))


def _entity(row: Row) -> Iterator[Part]:
    there = _there(row.entity_id)
    yield Part(there, _reference(row.entity_kind, row.entity_id, row.entity_version))
    yield _fixed(_PATIENT, row.patient, _there(row.patient))
    yield _fixed(_CONSENT, row.consent, _why(row), row.consent_version)
    consents = _event_in(row, _CONSENTS)
    by_request = and_(_there(row.request), not_(consents))
    yield Part(or_(by_request, and_(_there(row.token), consents)), _PRESENT, 0)


def _entity_identifier(row: Row) -> Iterator[Part]:
    consents = _event_in(row, _CONSENTS)
    yield Part(and_(_there(row.request), not_(consents)), _token(row.request))
    yield Part(and_(_there(row.token), consents), _token(_jti(row)))


def _entity_name(row: Row) -> Iterator[Part]:
    yield Part(_there(row.entity_name), _string(row.entity_name))


def _roles(row: Row) -> Iterator[tuple[ColumnElement[bool], Tree]]:
    thing = or_(_there(row.entity_id), _there(row.entity_name))
    internal = _event_in(row, of_shape(Shape.INTERNAL))
    yield _there(row.query), codes.QUERY
    yield and_(thing, not_(internal)), codes.DATA
    yield and_(thing, internal), codes.JOB
    yield _there(row.patient), codes.PATIENT


def _types(row: Row) -> Iterator[tuple[ColumnElement[bool], Tree]]:
    consents = _event_in(row, _CONSENTS)
    others = not_(consents)
    yield or_(_there(row.query), _there(row.entity_id), _there(row.entity_name)), codes.OBJECT
    yield _there(row.patient), codes.PERSON
    yield _why(row), codes.CONSENT
    yield and_(_there(row.token), consents), codes.TOKEN
    yield and_(_there(row.request), others), codes.TRANSACTION
    yield and_(_there(row.reason), others), codes.OUTCOME
    yield and_(_there(row.decision), row.consent.is_(None), others), codes.DECISION
    yield and_(_there(row.detail), others), codes.DETAIL


_Codings = Callable[[Row], Iterator[tuple[ColumnElement[bool], Tree]]]


def _codes(found: _Codings) -> Callable[[Row], Iterator[Part]]:
    return lambda row: (
        Part(there, _token(_text(coding["code"]), coding["system"])) for there, coding in found(row)
    )


def _words(found: _Codings) -> Callable[[Row], Iterator[Part]]:
    return lambda row: (
        Part(there, _string(_text(coding["display"]), _text(fold(coding["display"]))))
        for there, coding in found(row)
        if "display" in coding
    )


def _patient(row: Row) -> Iterator[Part]:
    yield _fixed(_PATIENT, row.patient, _there(row.patient))
    acting = and_(_there(row.actor_id), row.actor_kind == number(_PATIENT))
    yield _fixed(_PATIENT, row.actor_id, acting)
    touched = and_(_there(row.entity_id), row.entity_kind == number(_PATIENT))
    yield _fixed(_PATIENT, row.entity_id, touched, row.entity_version)


def _policy(row: Row) -> Iterator[Part]:
    held = or_(_there(row.client), _user(row), _event_in(row, of_shape(Shape.DELETE)))
    yield Part(and_(_there(row.token), held), SimpleNamespace(value=_jti(row)))


def _site(row: Row) -> Iterator[Part]:
    yield Part(true(), _token(row.site))


def _source(row: Row) -> Iterator[Part]:
    yield Part(true(), _PRESENT, 0)


def _profiles(row: Row) -> Iterator[Part]:
    succeeded = row.outcome == _text(SUCCESS)
    for profile in sorted({kind.profile for kind in KINDS.values() if kind.profile}):
        kinds = {name for name, kind in KINDS.items() if kind.profile == profile}
        of_kind = _event_in(row, kinds)
        value = {"": _text(_PROFILE + profile), "Patient": _text(f"{_PROFILE}Patient{profile}")}
        if kinds <= _CONSENTS:
            told = or_(_there(row.entity_id), _there(row.query), _there(row.consent))
            yield Part(and_(of_kind, told), SimpleNamespace(value=value[""]))
            continue
        named = and_(_there(row.entity_id), row.query.is_(None))
        told = _there(row.query) if kinds <= of_shape(Shape.QUERY) else named
        shaped = and_(of_kind, succeeded, told)
        yield Part(and_(shaped, row.patient.is_(None)), SimpleNamespace(value=value[""]))
        yield Part(and_(shaped, _there(row.patient)), SimpleNamespace(value=value["Patient"]))
        use = "Minimal" if kinds <= of_shape(Shape.DELETE) else "Comprehensive"
        token_use = _text(f"{_PROFILE}OAUTHaccessTokenUse.{use}")
        yield Part(and_(shaped, _there(row.client)), SimpleNamespace(value=token_use))


def _kind_type(kind: Kind) -> Tree:
    return kind.type


def _kind_subtype(kind: Kind) -> Tree:
    return kind.subtype


def _kind_action(kind: Kind) -> Tree:
    return {"system": _ACTION, "code": kind.action}


_PARAMETERS: Mapping[str, Callable[[Row], Iterator[Part]]] = {
    "_profile": _profiles,
    "action": _of_kind(_kind_action),
    "address": _address,
    "agent": _agent,
    "agent:identifier": _agent_identifier,
    "agent-name": _agent_name,
    "agent-role": _agent_role,
    "entity": _entity,
    "entity:identifier": _entity_identifier,
    "entity-name": _entity_name,
    "entity-role": _codes(_roles),
    "entity-role:text": _words(_roles),
    "entity-type": _codes(_types),
    "entity-type:text": _words(_types),
    "outcome": _outcome,
    "patient": _patient,
    "policy": _policy,
    "site": _site,
    "source": _source,
    "subtype": _of_kind(_kind_subtype),
    "subtype:text": _words_of_kind(_kind_subtype),
    "type": _of_kind(_kind_type),
    "type:text": _words_of_kind(_kind_type),
}

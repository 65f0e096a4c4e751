"""May the caller do this to this type at all, and which rows are theirs to see.

Rights are what the scopes and the role both allow. ``decide`` answers without looking at
data; ``visible`` says the same of rows, as part of every query: each rule of the role joined
with each scope that speaks of the type is one way to see its rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from app.core.clock import SECOND
from app.core.errors import AppError, Category
from app.fhir.registry import REGISTRY, ResourceType
from app.search.asker import Concern
from app.search.expression import EVERYTHING, And, Chain, Expression, Has, Missing, Or
from app.search.hidden import asks_for_hidden
from app.search.parser import parse_criteria
from app.search.sight import Ways
from app.search.visibility import Alternative, Visible
from app.security import care, clearance, consents, own_log, roles
from app.security.principal import Principal
from app.security.roles import Condition
from app.security.scopes import ACTIONS, ResourceScope, Scopes

_PATIENT = REGISTRY["Patient"].code
_PRACTITIONER = REGISTRY["Practitioner"].code
_RESPONSE = REGISTRY["QuestionnaireResponse"].code
_OBSERVATION = REGISTRY["Observation"].code
_TASK = REGISTRY["Task"].code
_FLAG = REGISTRY["Flag"].code
_TOLD = frozenset(("Task", "Flag"))
_TASK_CODES = "https://rapport.example.org/CodeSystem/task-code"
_SAFETY = f"{_TASK_CODES}|safety-follow-up,{_TASK_CODES}|safety-notice"
# The person, who reads of themselves only, and whom a private answer is for.
_HEARS_ALL = frozenset(("client", "clinical_lead"))
_STAFF_RATED = ("Practitioner", "PractitionerRole")


def decide(principal: Principal, type_name: str | None, action: str) -> None:
    """Refuses what neither scope nor role ever allows for the type; None: for any type."""
    if any(
        _may(principal, name, action) for name in (REGISTRY if type_name is None else [type_name])
    ):
        return
    raise forbidden()


def forbidden() -> AppError:
    """The one refusal of what a caller may never do; it tells nothing of what is stored."""
    return AppError.of(
        Category.FORBIDDEN, "forbidden", "your scopes or your role do not allow this"
    )


def check_owners(
    principal: Principal, *, before: Collection[str] | None, after: Collection[str]
) -> None:
    """Refuses a change that moves a resource between patients.

    ``before`` and ``after`` are the ids of the patients in whose compartments the stored and the
    new version are; ``before`` is None for a creation. Only a system may correct whose a record
    is, and a client writes of nobody but themselves.
    """
    if principal.role not in roles.SYSTEMS and before is not None and set(before) != set(after):
        raise forbidden()
    if principal.role == "client" and not set(after) <= {own_patient(principal)}:
        raise forbidden()


def check_couples(principal: Principal, *, before: Collection[str], after: Collection[str]) -> None:
    """Refuses a change that moves a resource between couples, as only a system may.

    ``before`` and ``after`` are the Groups (``Group/x``) that the versions are about.
    """
    if principal.role not in roles.SYSTEMS and set(before) != set(after):
        raise forbidden()


def visible(principal: Principal, action: str, concern: Concern) -> Visible:
    """The rows that the caller may see in an interaction of this kind.

    It follows from the caller's rights and the second of the request, so equal callers share it.
    What the rows say is not part of it, and is judged anew by every query; ``concern`` is how
    Consents concern the caller now.
    """
    second = principal.at - principal.at % SECOND
    return _visible(
        replace(principal, token_id="", name="", auth_time=None, amr=(), at=second), action, concern
    )


@lru_cache(maxsize=2048)
def _visible(principal: Principal, action: str, concern: Concern) -> Visible:
    reach = _Reach.of(principal)
    grants = {}
    for definition in REGISTRY.values():
        ways = tuple(dict.fromkeys(_ways(principal, definition, action, reach, concern)))
        if ways:
            grants[definition.code] = (Alternative(),) if Alternative() in ways else ways
    denials = _denials(principal, action, concern)
    return Visible(
        principal.tenant,
        grants,
        denials,
        withholds=not hears_all(principal),
        rated=frozenset(concern.rated),
    )


def in_sight_of_role(principal: Principal, concern: Concern) -> Visible:
    """The rows that the caller's role and Consents let them read, whatever the token is for."""
    whole = Scopes((ResourceScope("user", "*", ACTIONS),))
    return visible(replace(principal, scopes=whole), "r", concern)


def hears_all(principal: Principal) -> bool:
    """Whether private answers are shown to the caller, in the responses that the caller sees."""
    return principal.role in _HEARS_ALL


def own_patient(principal: Principal) -> str | None:
    """The id of the Patient that the caller is."""
    kind, _, id = (principal.actor or "").partition("/")
    return id if kind == "Patient" and principal.is_person else None


def _is_staff(principal: Principal) -> bool:
    return principal.is_person and (principal.actor or "").startswith("Practitioner/")


def _may(principal: Principal, type_name: str, action: str) -> bool:
    return principal.scopes.allows(type_name, action) and action in roles.actions(
        principal.role, type_name
    )


@dataclass(frozen=True, slots=True)
class _Reach:
    """What the conditions of a role come to for one caller: conditions on a Patient."""

    self_id: str | None
    care: Expression | None
    supervision: Expression | None

    @classmethod
    def of(cls, principal: Principal) -> _Reach:
        actor, base = principal.actor or "", principal.base
        if not _is_staff(principal):
            return cls(own_patient(principal), None, None)
        return cls(
            None,
            care.treated_by(actor, base=base, now=principal.at),
            care.supervised_by(actor, base=base, now=principal.at)
            if principal.role == "supervisor"
            else None,
        )


def _ways(
    principal: Principal,
    definition: ResourceType,
    action: str,
    reach: _Reach,
    concern: Concern,
) -> Iterator[Alternative]:
    name = definition.name
    scopes = list(principal.scopes.covering(name, action))
    if not scopes:
        return
    for rule in roles.rules(principal.role, name):
        if action in rule.actions:
            for way in _role_ways(principal, definition, rule.condition, reach):
                for scope in scopes:
                    yield from _scoped(principal, definition, way, scope)
    for way in consents.ways(principal, definition, action, concern):
        for scope in scopes:
            yield from _scoped(principal, definition, way, scope)


def _role_ways(
    principal: Principal, definition: ResourceType, condition: Condition, reach: _Reach
) -> Iterable[Alternative]:
    """The ways to see a type's rows under a role's condition, scopes left aside."""
    match condition:
        case Condition.ALL:
            return [_cleared(Alternative(), principal, definition)]
        case Condition.SELF if reach.self_id is not None:
            own = _in_compartment(definition, reach.self_id)
            return [
                _cleared(way, principal, definition)
                for way in (own, *consents.joint(definition, reach.self_id))
            ]
        case Condition.CARE if reach.care is not None:
            return _staff_ways(principal, definition, reach.care)
        case Condition.SUPERVISION if reach.supervision is not None:
            return _staff_ways(principal, definition, reach.supervision)
        case _:  # nobody without the reach that the condition asks for; see ``consents.ways``
            return []


def _staff_ways(
    principal: Principal, definition: ResourceType, where: Expression
) -> Iterator[Alternative]:
    for way in _of_patients(definition, where):
        yield _cleared(way, principal, definition)
        if principal.role in clearance.SEES_VIOLENCE:
            violence = _criteria(definition.name, (("_security", clearance.VIOLENCE),))
            yield replace(_and(way, violence), sensitivity=clearance.all_but_notes())
    if definition.name == "DocumentReference" and principal.actor:
        yield Alternative(author=(_PRACTITIONER, principal.actor.partition("/")[2]))
    if definition.name in _TOLD and principal.actor:
        yield Alternative(constraint=_told(definition.name, principal.actor))


def _cleared(way: Alternative, principal: Principal, definition: ResourceType) -> Alternative:
    """The way, up to what the role's and the client's clearance allow."""
    if definition.store != "resource" or not consents.is_personal(definition):
        return way
    return replace(
        way,
        confidentiality=clearance.rank(principal.role, principal.clearance),
        sensitivity=clearance.all_but_notes(),
    )


def _in_compartment(definition: ResourceType, patient: str) -> Alternative:
    if definition.name == "Patient" or "Patient" in definition.compartments:
        return Alternative(compartment=(_PATIENT, patient))
    # A Task is in no patient's compartment, but says whose it is.
    return Alternative(constraint=_criteria(definition.name, (("patient", f"Patient/{patient}"),)))


def _of_patients(definition: ResourceType, where: Expression) -> Iterator[Alternative]:
    """Rows about patients for whom ``where`` holds, a couple's own rows among them."""
    if definition.name == "Patient" or "Patient" in definition.compartments:
        yield Alternative(within=(_PATIENT, where))
    elif "patient" in definition.search:
        yield Alternative(constraint=Chain(definition.code, "patient", ((_PATIENT, where),)))
    subject = definition.search.get("subject")
    if subject is not None and (not subject.targets or "Group" in subject.targets):
        # What is about a Group falls in no patient's compartment: it is its members'.
        group = REGISTRY["Group"].code
        members = Chain(group, "member", ((_PATIENT, where),))
        yield Alternative(constraint=Chain(definition.code, "subject", ((group, members),)))


def _scoped(
    principal: Principal, definition: ResourceType, way: Alternative, scope: ResourceScope
) -> Iterator[Alternative]:
    """The way, as far as a scope reaches."""
    if scope.context == "patient" and consents.is_personal(definition):
        if principal.patient is None:
            return
        if way.within is not None and way.within[0] == consents.GROUP:
            if principal.patient == own_patient(principal):
                yield way  # the person's couple goes with the person
            return
        own = _in_compartment(definition, principal.patient)
        if way.compartment not in (None, own.compartment):
            return  # a person in one compartment, a scope for another
        way = replace(way, compartment=own.compartment or way.compartment)
        if own.constraint is not None:
            way = _and(way, own.constraint)
    if scope.constraints:
        narrowed = _criteria(definition.name, scope.constraints, principal.base)
        if asks_for_hidden(narrowed):
            return  # nobody can tell of a row at hand whether it meets that: so none does
        way = _and(way, narrowed)
    yield way


def _and(way: Alternative, more: Expression) -> Alternative:
    constraint = more if way.constraint is None else And((way.constraint, more))
    return replace(way, constraint=constraint)


def _denials(principal: Principal, action: str, concern: Concern) -> Mapping[int, Ways]:
    """What is never seen, whatever the conditions of the role reach."""
    found = dict(consents.denials(principal, action, concern))
    if _is_staff(principal):
        rated = _criteria("Flag", (("withheld-from", principal.known_as),))
        for kind, where in (
            (_FLAG, rated),
            (_TASK, Chain(_TASK, "focus", ((_FLAG, rated),))),
        ):
            found[kind] = (*found.get(kind, ()), Alternative(constraint=where))
    if principal.role == "client":
        hidden = _no_clients()
        for kind, where in hidden:
            found[kind] = (*found.get(kind, ()), Alternative(constraint=where))
        untold = own_log.leaves_out(principal, own_patient(principal), hidden, concern)
        found[own_log.EVENT] = (untold,)
    return found


def _told(type_name: str, actor: str) -> Expression:
    """Safety tasks that are somebody's to do, and the flags that these are about."""
    task = _criteria("Task", (("code", _SAFETY), ("owner", actor)))
    return task if type_name == "Task" else Has(_TASK, "focus", task)


@lru_cache
def _no_clients() -> tuple[tuple[int, Expression], ...]:
    """By type, the rows that no client sees, of themselves either."""
    rated = _rated_by_staff()
    return (
        (_RESPONSE, rated),
        (_OBSERVATION, Chain(_OBSERVATION, "derived-from", ((_RESPONSE, rated),))),
        (_TASK, _criteria("Task", (("code", _SAFETY),))),
    )


@lru_cache
def _rated_by_staff() -> Expression:
    """Responses in a therapist's own voice: staff is their source, or author where none is."""
    targets = tuple((REGISTRY[name].code, EVERYTHING) for name in _STAFF_RATED)
    no_source = Missing(_RESPONSE, "source", "reference")
    return Or(
        (
            Chain(_RESPONSE, "source", targets),
            And((no_source, Chain(_RESPONSE, "author", targets))),
        )
    )


@lru_cache(maxsize=1024)
def _criteria(type_name: str, pairs: tuple[tuple[str, str], ...], base: str = "") -> Expression:
    return parse_criteria(type_name, pairs, base=base).where

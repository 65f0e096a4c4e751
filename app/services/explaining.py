"""Who may see a resource, and why: the same predicate as every query's, taken apart.

The decision is the query's own. The reason is found by asking it again with one thing left out
at a time; which Consent and provision decided is then told by ``domain/consent``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from app.domain import consent
from app.fhir import json
from app.fhir.registry import REGISTRY, by_code
from app.repositories.resources import StoredVersion
from app.repositories.unit_of_work import UnitOfWork
from app.search.asker import Concern, Form
from app.search.sight import Alternative
from app.search.visibility import Visible
from app.security import access, roles
from app.security.principal import PATIENT_REQUEST, TREATMENT, Principal
from app.security.scopes import ResourceScope, Scopes
from app.services import labels

ACTIONS: Final = {
    "read": "r", "access": "r", "use": "r", "disclose": "r", "r": "r",
    "search": "s", "s": "s",
    "create": "c", "collect": "c", "c": "c",
    "update": "u", "patch": "u", "correct": "u", "u": "u",
    "delete": "d", "d": "d",
}  # fmt: skip


_CONSENT: Final = REGISTRY["Consent"].code


@dataclass(frozen=True, slots=True)
class Because:
    """One reason: its kind, the Consent where one decided and whose, and the same in words."""

    kind: str
    text: str
    reference: str | None = None
    version: int | None = None
    provision: str | None = None
    patient: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The decision and what it rests on."""

    permit: bool
    because: tuple[Because, ...]


async def explain(
    uow: UnitOfWork, who: Principal, action: str, type_name: str, id: str
) -> Explanation:
    """Whether a caller may do something to a stored resource now; ``action`` is a SMART letter."""
    if action not in roles.actions(who.role, type_name):
        text = f"the role {who.role} may never do this to a {type_name}"
        return Explanation(permit=False, because=(Because("role", text),))
    if not who.scopes.allows(type_name, action):
        text = "no scope of the caller allows it"
        return Explanation(permit=False, because=(Because("scope", text),))
    concern = await uow.consents.concern(
        who.known_as, tenant=who.tenant, now=who.at, rated=who.may_be_rated
    )
    visible = access.visible(who, action, concern)
    question = _Question(uow, who, action, visible, REGISTRY[type_name].code, id, concern)
    permit = await question.within(visible)
    reason = await (question.allowed() if permit else question.refused())
    return Explanation(permit, (reason,))


@dataclass(frozen=True, slots=True)
class _Question:
    """One question, and what the caller's sight is made of."""

    uow: UnitOfWork
    who: Principal
    action: str
    visible: Visible
    kind: int
    id: str
    concern: Concern

    async def within(self, visible: Visible) -> bool:
        return await self.uow.resources.read(self.kind, self.id, visible=visible) is not None

    def denied(self, counts: Callable[[Alternative], bool]) -> Visible:
        """What would be seen if only some of the denials counted."""
        ways = tuple(way for way in self.visible.denials.get(self.kind, ()) if counts(way))
        return replace(self.visible, denials={self.kind: ways} if ways else {})

    async def by(self, ways: Iterable[Alternative], *, visible: Visible) -> bool:
        granted = tuple(ways)
        return bool(granted) and await self.within(replace(visible, grants={self.kind: granted}))

    async def allowed(self) -> Because:
        ways = self.visible.grants.get(self.kind, ())
        plain = [way for way in ways if way.consent is None]
        if await self.by(plain, visible=self.visible):
            if any(_is_unconditional(way) for way in plain):
                return Because("role", f"the role {self.who.role} sees every row of the type")
            own = self.who.role == "client"
            text = "the person's own record" if own else "the caller treats or supervises"
            return Because("care-relationship", text)
        glass = [way for way in ways if way.consent and way.consent.form is Form.GLASS]
        if await self.by(glass, visible=self.visible):
            return Because("break-glass", "an emergency was declared about the patient")
        return await self.by_consent()

    async def refused(self) -> Because:
        open_to = replace(self.visible, denials={})
        if await self.within(open_to):
            if self.who.role == "client":
                text = "it is also somebody else's, or in a clinician's own voice"
                return Because("partner", text)
            if await self.within(self.denied(lambda way: way.consent is not None)):
                return Because("label", "it is about the caller, who is not told of it")
            if await self.within(self.denied(lambda way: not _asks(way, Form.SILENT))):
                text = f"no Consent permits it, and the policy without one is {self.concern.policy}"
                return Because("consent", text)
            return await self.by_consent()
        unlabelled = [
            replace(way, confidentiality=None, sensitivity=None)
            for way in self.visible.grants.get(self.kind, ())
        ]
        if await self.by(unlabelled, visible=open_to):
            return Because("label", "it is more confidential than the caller may see")
        if self.who.role == "outside_system":
            return Because("consent", "no active Consent permits it to the caller")
        if self.who.role != "client":
            text = "the caller neither treats nor supervises the patient"
            return Because("care-relationship", text)
        if await self.is_partners():
            return Because("partner", "it is the partner's own")
        return Because("care-relationship", "it is not the person's own record")

    async def is_partners(self) -> bool:
        """Whether it is somebody's who is, or was, in a couple or group with the caller."""
        tenant = self.who.tenant
        everything = Visible.everything(tenant, reason="a decision is explained")
        stored = await self.uow.resources.read(self.kind, self.id, visible=everything)
        if stored is None:
            return False
        owners = {f"Patient/{id}" for id in await self.uow.consents.owners(tenant, stored.rid)}
        for group in self.concern.actors:
            if group.startswith("Group/"):
                members = await self.uow.consents.members(group, tenant=tenant)
                if owners & {reference for reference, _, _ in members}:
                    return True
        return False

    async def by_consent(self) -> Because:
        tenant = self.who.tenant
        everything = Visible.everything(tenant, reason="a decision is explained")
        stored = await self.uow.resources.read(self.kind, self.id, visible=everything)
        assert stored is not None
        found: list[consent.Policy] = []
        for patient in await self.uow.consents.owners(tenant, stored.rid):
            for consent_id in await self.uow.consents.of_patient(patient, tenant=tenant):
                version = await self.uow.resources.read(_CONSENT, consent_id, visible=everything)
                if version is not None and not version.deleted:
                    tree = json.parse_resource(version.text)
                    policy = consent.read(
                        tree,
                        id=consent_id,
                        version=version.version,
                        base=self.who.base,
                    )
                    if isinstance(policy, consent.Policy):
                        found.append(policy)
        request = consent.Request(
            actor=self.who.actor or "",
            memberships=frozenset(self.concern.actors),
            action=self.action,
            purpose=self.who.purpose,
            now=self.who.at,
            broken_glass=self.concern.glass,
        )
        decision = consent.decide(found, request, await data_of(self.uow, stored))
        if decision.policy is None or decision.rule is None:
            return Because("consent", "the Consents of all whom it is about decide together")
        verb = "permits" if decision.outcome is consent.Outcome.PERMIT else "does not permit"
        return Because(
            "consent",
            f"{decision.rule.path} {verb} it to the caller for {self.who.purpose}",
            f"Consent/{decision.policy.consent}",
            decision.policy.version,
            f"Consent.{decision.rule.path}",
            decision.policy.patient,
        )


async def data_of(uow: UnitOfWork, stored: StoredVersion) -> consent.Data:
    """A stored resource as the rules of Consents speak of it."""
    name = by_code(stored.kind).name
    kept = labels.data_class(json.parse_stored(stored.text), name) if stored.text else None
    links = await uow.consents.links(stored.tenant, stored.kind, stored.id, stored.rid)
    return consent.Data(
        reference=links.reference,
        rank=stored.confidentiality,
        sensitivities=frozenset(labels.codes(stored.sensitivity)),
        codes=frozenset((kept or "").split("\n")) - {""},
        refers=links.refers,
        referred=links.referred,
        authors=links.authors,
        period=links.period,
        is_dated=links.is_dated,
    )


def _asks(way: Alternative, form: Form) -> bool:
    return way.consent is not None and way.consent.form is form


def _is_unconditional(way: Alternative) -> bool:
    return replace(way, confidentiality=None, sensitivity=None) == Alternative()


async def principal_of(
    uow: UnitOfWork, actor: str, *, asking: Principal, purpose: str | None
) -> Principal | None:
    """A person or system as if it asked, with every scope that its role can use."""
    kind, _, id = actor.partition("/")
    context = {"Organization": "system", "Patient": "patient"}.get(kind, "user")
    scopes = Scopes((ResourceScope(context, "*", "cruds"),))
    own = actor == asking.actor
    base = replace(
        asking,
        actor=actor,
        scopes=asking.scopes if own else scopes,
        patient=asking.patient if own else (id if kind == "Patient" else None),
    )
    if own:
        return replace(base, purpose=purpose or asking.purpose)
    account = await uow.accounts.people.of_person(asking.tenant, actor)
    if account is not None:
        usual = PATIENT_REQUEST if kind == "Patient" else TREATMENT
        return replace(
            base,
            client_id="",
            subject=account.account_id,
            role=account.role,
            clearance="V",
            purpose=purpose or usual,
        )
    for client in await uow.accounts.clients.of_tenant(asking.tenant):
        if client.actor == actor:
            return replace(
                base,
                client_id=client.client_id,
                subject=client.client_id,
                role=client.role,
                clearance=client.clearance,
                scopes=Scopes((ResourceScope("system", "*", "cruds"),)),
                purpose=purpose or client.purpose,
            )
    return None

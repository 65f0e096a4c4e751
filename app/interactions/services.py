"""The services that rules, reactions and operations use, built once."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.clock import Clock
from app.core.ids import IdSource
from app.security.hooks import Post
from app.security.notifier import Notifier
from app.security.root_key import RootKey
from app.services.alliance import Alliance
from app.services.answering import Answering
from app.services.audit import AuditTrail
from app.services.benchmarks import Benchmarks
from app.services.bindings import Bindings
from app.services.caseloads import Caseloads
from app.services.couples import Couples
from app.services.courses import Courses
from app.services.definitions import Definitions
from app.services.deliveries import Deliveries
from app.services.derived import Derived
from app.services.emergencies import Emergencies
from app.services.episodes import Episodes
from app.services.joint import Joint
from app.services.matching import Matching
from app.services.population import Population
from app.services.publishing import Publishing
from app.services.questionnaires import Questionnaires
from app.services.records import Records
from app.services.reminders import Reminders
from app.services.rescoring import Rescoring
from app.services.responsible import Responsible
from app.services.safety import Safety
from app.services.schedules import Schedules
from app.services.scoring import Scoring
from app.services.signing import Signing
from app.services.subscriptions import Subscriptions
from app.services.succession import Succession
from app.services.supervision import Supervision
from app.services.terminology import Terminology


@dataclass(frozen=True, slots=True)
class Services:
    """One of each."""

    derived: Derived
    questionnaires: Questionnaires
    scoring: Scoring
    rescoring: Rescoring
    episodes: Episodes
    alliance: Alliance
    safety: Safety
    emergencies: Emergencies
    definitions: Definitions
    courses: Courses
    couples: Couples
    caseloads: Caseloads
    benchmarks: Benchmarks
    supervision: Supervision
    terminology: Terminology
    population: Population
    answering: Answering
    schedules: Schedules
    reminders: Reminders
    joint: Joint
    signing: Signing
    succession: Succession
    subscriptions: Subscriptions
    deliveries: Deliveries
    bindings: Bindings


def assembled(
    *,
    records: Records,
    trail: AuditTrail,
    clock: Clock,
    ids: IdSource,
    root: RootKey,
    notifier: Notifier,
    post: Post,
    retry_for: int,
    base: str,
) -> Services:
    """Every service, wired. Deliveries are tried again ``retry_for`` microseconds."""
    questionnaires, definitions = Questionnaires(base=base), Definitions(base=base)
    derived = Derived(records=records, trail=trail)
    courses = Courses(definitions=definitions, base=base)
    terminology = Terminology(base=base)
    responsible = Responsible(clock=clock, base=base)
    publishing = Publishing(clock=clock, key=root.derive("benchmark"))
    subscriptions = Subscriptions(root=root, clock=clock, post=post, base=base)
    matching = Matching(subscriptions=subscriptions, clock=clock, base=base)
    deliveries = Deliveries(
        subscriptions=subscriptions,
        matching=matching,
        derived=derived,
        trail=trail,
        post=post,
        clock=clock,
        ids=ids,
        retry_for=retry_for,
        base=base,
    )
    signing = Signing(derived=derived, root=root, clock=clock)
    scoring = Scoring(
        derived=derived, definitions=definitions, questionnaires=questionnaires, base=base
    )
    return Services(
        derived=derived,
        questionnaires=questionnaires,
        scoring=scoring,
        rescoring=Rescoring(scoring=scoring, derived=derived, clock=clock),
        episodes=Episodes(clock=clock),
        alliance=Alliance(
            derived=derived, definitions=definitions, courses=courses, clock=clock, base=base
        ),
        safety=Safety(
            derived=derived,
            definitions=definitions,
            questionnaires=questionnaires,
            responsible=responsible,
        ),
        emergencies=Emergencies(derived=derived, responsible=responsible, trail=trail),
        definitions=definitions,
        courses=courses,
        couples=Couples(courses=courses, base=base),
        caseloads=Caseloads(courses=courses, definitions=definitions, clock=clock, base=base),
        benchmarks=Benchmarks(
            courses=courses, definitions=definitions, publishing=publishing, base=base
        ),
        supervision=Supervision(
            courses=courses, definitions=definitions, publishing=publishing, base=base
        ),
        terminology=terminology,
        population=Population(base=base),
        schedules=Schedules(derived=derived, courses=courses, clock=clock, base=base),
        answering=Answering(
            derived=derived, terminology=terminology, clock=clock, ids=ids, base=base
        ),
        reminders=Reminders(derived=derived, notifier=notifier, clock=clock, base=base),
        joint=Joint(clock=clock, base=base),
        signing=signing,
        succession=Succession(derived=derived, signing=signing, base=base),
        subscriptions=subscriptions,
        deliveries=deliveries,
        bindings=Bindings(deliveries=deliveries, clock=clock, ids=ids, base=base),
    )

"""Many records at once, through the server's own write path.

What a server would do for each request is left out (tokens, validation, reactions); what it
stores is the same: sealed texts, index rows, compartments, labels. The first patients' answers
are whole forms of 40 items; those of the crowd behind them have one item, which gives the same
index rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from app.core.config import Settings
from app.db.engine import EveryTenant
from app.fhir.registry import Interaction
from app.main import Core, opened
from app.search import parser
from app.search.visibility import Visible
from app.services.changes import Change
from bench import records

EACH = 50  # responses of a patient
WHOLE = 20  # patients whose responses have 40 items
_AT_ONCE = 500
_CLINICS = EveryTenant("the benchmark's own is looked for")


async def seed(settings: Settings, trees: Iterable[records.Tree]) -> None:
    """Stores records, those with an id under it, in the benchmark's clinic."""
    async with opened(settings) as core:
        await store(core, await tenant_of(core), trees)


async def tenant(settings: Settings) -> int:
    """The number of the benchmark's clinic."""
    async with opened(settings) as core:
        return await tenant_of(core)


async def tenant_of(core: Core) -> int:
    """The benchmark's clinic."""
    async with core.units.read(_CLINICS) as unit:
        return next(each.id for each in await unit.installation.tenants() if each.slug == "bench")


async def ids(settings: Settings, count: int) -> list[str]:
    """Responses of the first patients."""
    async with opened(settings) as core:
        return await _ids(core, await tenant_of(core), count)


async def _ids(core: Core, tenant: int, count: int) -> list[str]:
    async with core.units.read(tenant) as unit:
        visible = Visible.everything(tenant, reason="the benchmark picks some")
        found: list[str] = []
        for patient in range(WHOLE):
            criteria = [("subject", f"Patient/p{patient}")]
            query = parser.parse_criteria("QuestionnaireResponse", criteria, base="")
            matches = await unit.searches.matches(query, visible=visible, limit=count)
            found += [match.id for match in matches]
    return found[:count]


async def store(core: Core, tenant: int, trees: Iterable[records.Tree]) -> None:
    """Stores records."""
    stream = iter(trees)
    while batch := list(islice(stream, _AT_ONCE)):
        async with core.units.write(tenant, resources=len(batch)) as unit:
            for tree in batch:
                core.engine.records.store(unit, _change(core, tree), tenant=tenant)
            unit.written.clear()


def _change(core: Core, tree: records.Tree) -> Change:
    interaction = Interaction.UPDATE if "id" in tree else Interaction.CREATE
    id = tree.get("id") or core.ids.new_id()
    return Change(tree["resourceType"], id, records.text(tree), tree, None, interaction)


def clinic(patients: range) -> Iterator[records.Tree]:
    """Patients, each with a course of therapy and 50 responses; the first range has the rest."""
    if patients.start == 0:
        yield records.organization()
        yield records.questionnaire(40, "forty")
    for patient in patients:
        if patient % records.CASELOAD == 0:
            yield records.therapist(patient // records.CASELOAD)
        yield from records.course(patient)
        for number in range(EACH):
            yield records.response(patient, number, items=40 if patient < WHOLE else 1)


def crowd(patients: range) -> Iterator[records.Tree]:
    """More patients, each with a course of therapy and one response."""
    for patient in patients:
        if patient % records.CASELOAD == 0:
            yield records.therapist(patient // records.CASELOAD)
        yield from records.course(patient)
        yield records.response(patient, 0, items=1)

"""Named operations, one file each. https://hl7.org/fhir/R4/operations.html"""

from __future__ import annotations

from collections.abc import Mapping

from app.interactions.address import Address
from app.interactions.operations import (
    accounting_of_disclosures,
    alliance_chart,
    alliance_trend,
    benchmark,
    binding_token,
    break_glass,
    caseload,
    congruence,
    couple_summary,
    detect_ruptures,
    everything,
    expand,
    explain_access,
    export,
    extract,
    issue_link,
    lookup,
    populate,
    reliable_change,
    rescore,
    resolve,
    score,
    subscription_events,
    subscription_status,
    supervision_summary,
    validate,
    validate_code,
)
from app.interactions.operations.operation import Operation, unknown

OPERATIONS: Mapping[str, Operation] = {
    operation.name: operation
    for operation in (
        accounting_of_disclosures.OPERATION,
        validate.OPERATION,
        everything.OPERATION,
        export.OPERATION,
        break_glass.OPERATION,
        explain_access.OPERATION,
        score.OPERATION,
        rescore.OPERATION,
        alliance_trend.OPERATION,
        alliance_chart.OPERATION,
        congruence.OPERATION,
        detect_ruptures.OPERATION,
        reliable_change.OPERATION,
        couple_summary.OPERATION,
        caseload.OPERATION,
        benchmark.OPERATION,
        supervision_summary.OPERATION,
        resolve.OPERATION,
        expand.OPERATION,
        validate_code.OPERATION,
        lookup.OPERATION,
        populate.OPERATION,
        extract.OPERATION,
        issue_link.OPERATION,
        subscription_status.OPERATION,
        subscription_events.OPERATION,
        binding_token.OPERATION,
    )
}

__all__ = ["OPERATIONS", "Operation", "offered"]


def offered(address: Address, *, method: str) -> Operation:
    """The operation at an address; raises where there is none, or not for the method."""
    operation = OPERATIONS.get(address.operation or "")
    if operation is None:
        raise unknown()
    operation.check(address.type, address.id, method=method)
    return operation

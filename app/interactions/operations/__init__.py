"""Named operations, one file each. https://hl7.org/fhir/R4/operations.html"""

from __future__ import annotations

from collections.abc import Mapping

from app.interactions.operations import (
    alliance_trend,
    caseload,
    congruence,
    couple_summary,
    detect_ruptures,
    everything,
    reliable_change,
    resolve,
    score,
    validate,
)
from app.interactions.operations.operation import Operation

OPERATIONS: Mapping[str, Operation] = {
    operation.name: operation
    for operation in (
        validate.OPERATION,
        everything.OPERATION,
        score.OPERATION,
        alliance_trend.OPERATION,
        congruence.OPERATION,
        detect_ruptures.OPERATION,
        reliable_change.OPERATION,
        couple_summary.OPERATION,
        caseload.OPERATION,
        resolve.OPERATION,
    )
}

__all__ = ["OPERATIONS", "Operation"]

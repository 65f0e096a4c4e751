"""Named operations, one file each. https://hl7.org/fhir/R4/operations.html"""

from __future__ import annotations

from collections.abc import Mapping

from app.interactions.operations import everything, validate
from app.interactions.operations.operation import Operation

OPERATIONS: Mapping[str, Operation] = {
    operation.name: operation for operation in (validate.OPERATION, everything.OPERATION)
}

__all__ = ["OPERATIONS", "Operation"]

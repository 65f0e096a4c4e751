"""Tasks that ask for answers, and answers to a form as its page sends them."""

from __future__ import annotations

from typing import Any

from tests.support.therapy import OURS, Therapy, Tree

FORM = {"system": f"{OURS}/CodeSystem/task-code", "code": "complete-questionnaire"}
PULSE = {"item-B1": "3", "item-G1": "3", "item-T1": "2", "item-S2": "1", "item-O1": "4"}


def asking(patient: str, form: str = "asc-pulse", **more: Any) -> Tree:
    """A Task that asks ``Patient/x`` for a form; what is None in ``more`` is left out."""
    task = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": {"coding": [FORM]},
        "focus": {"reference": f"Questionnaire/{form}"},
        "for": {"reference": patient},
        **more,
    }
    return {name: value for name, value in task.items() if value is not None}


async def asked(course: Therapy, form: str = "asc-pulse", *, session: int, **more: Any) -> str:
    """Asks for a form about a session; the id of the Task."""
    about = {"reference": f"Encounter/s-{course.key}-{session}"}
    task = asking(course.patient, form, id=f"{form}-{course.key}", encounter=about, **more)
    await course.put(task)
    return str(task["id"])

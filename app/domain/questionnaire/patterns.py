"""Patterns of the ``regex`` extension, matched in bounded time.

https://hl7.org/fhir/R4/extension-regex.html. The engine never goes back, so what it does is at most
the pattern's size times the answer's length. Both are others' choice: counted repetitions in each
other, as in ``([a-z]{0,500}){0,100}``, make a size of 50,000 out of twenty characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pydantic_core import SchemaError, SchemaValidator, core_schema

from app.core.errors import Severity
from app.domain.questionnaire.definition import Check, Problem
from app.fhir.json import JSON, Number

_MOST = 500_000  # steps: some 25 ms
_PART = re.compile(
    r"\{(?P<least>\d+)(?P<range>,(?P<most>\d*))?\}|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL
)


def matching(pattern: str) -> Check | None:
    """The whole value matches; none where the pattern is not regular.

    Of an answer that it would take too long to match the issue says so, as a warning. The engine
    knows no look-around and no back-references.
    """
    try:
        _compile(pattern)  # alone, so that it cannot close the group that is put around it
        matches = _compile(rf"\A(?:{pattern})\z")
    except SchemaError:
        return None
    weight = _weight(pattern)

    def check(_: str, value: JSON, __: object) -> Problem | None:
        text = str(value) if isinstance(value, (str, int, Number)) else ""
        if weight * len(text) > _MOST:
            words = "the pattern takes too long to match with an answer of this length"
            return Problem("not-supported", words, Severity.WARNING)
        return None if matches(text) else Problem("value", "does not match the pattern")

    return check


def _compile(pattern: str) -> Callable[[str], bool]:
    schema = core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")
    return SchemaValidator(schema).isinstance_python


def _weight(pattern: str) -> int:
    """About how many places of the pattern one character may have to be held against.

    1 for a pattern that repeats by count once at most: where it is in the count is known then.
    """
    counted, last = 0, 0
    sizes = [0]  # of each group that is open, the whole pattern's first
    for part in _PART.finditer(pattern):
        text = part.group()
        if part["least"] is not None:
            times = max(int(part["most"] or part["least"]), 1)
            counted += times > 1
            sizes[-1] += last * (times - 1)
            last *= times
        elif text == "(":
            sizes.append(0)
        elif text == ")" and len(sizes) > 1:
            last = sizes.pop()
            sizes[-1] += last
        elif text not in "|*+?^$":
            last = 1
            sizes[-1] += 1
    return sizes[0] if counted > 1 else 1

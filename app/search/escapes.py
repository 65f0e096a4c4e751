r"""Separators in a parameter's value: ``\,`` ``\|`` ``\$`` and ``\\`` stand for themselves.

https://hl7.org/fhir/R4/search.html#escaping.
"""

from __future__ import annotations

import re

_ESCAPED = re.compile(r"\\([\\,|$])")
_SPECIAL = re.compile(r"[\\,|$]")
_PARTS = {
    separator: re.compile(
        rf"((?:[^\\{re.escape(separator)}]|\\.?)*+){re.escape(separator)}", re.DOTALL
    )
    for separator in ",|$"
}


def split(text: str, separator: str) -> list[str]:
    """The parts between separators that are not escaped; what is escaped stays so."""
    if separator not in text:
        return [text]
    if "\\" not in text:
        return text.split(separator)
    parts, start, pattern = [], 0, _PARTS[separator]
    while match := pattern.match(text, start):
        parts.append(match[1])
        start = match.end()
    return [*parts, text[start:]]


def unescape(text: str) -> str:
    """The text without escapes."""
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def escape(text: str) -> str:
    """The text as one value, whatever it holds."""
    return _SPECIAL.sub(r"\\\g<0>", text)

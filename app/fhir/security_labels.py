"""The security labels that the program knows: ``definitions/labels.json``, read once.

https://hl7.org/fhir/R4/security-labels.html
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources

from app.fhir import json


@cache
def rules() -> json.Tree:
    """The codes of sensitivity, and which labels follow from type, instrument and content."""
    return json.parse_resource(
        resources.files("app.definitions").joinpath("labels.json").read_bytes()
    )


def sensitivities() -> Sequence[str]:
    """The codes of sensitivity, in the order of their bits."""
    codes: list[str] = rules()["sensitivity"]
    return codes

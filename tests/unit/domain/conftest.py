"""The shipped definitions, ready to use."""

from __future__ import annotations

import pytest

from app.domain.scoring import ScoringKey, scoring_key
from app.fhir.json import Tree
from app.services.instruments import definition_in, shipped


@pytest.fixture(scope="session")
def definitions() -> dict[str, Tree]:
    """Measurement definitions by the id of their Library."""
    return {
        tree["id"]: definition_in(tree) for tree in shipped() if tree["resourceType"] == "Library"
    }


@pytest.fixture(scope="session")
def questionnaires() -> dict[str, Tree]:
    return {tree["id"]: tree for tree in shipped() if tree["resourceType"] == "Questionnaire"}


@pytest.fixture(scope="session")
def keys(definitions) -> dict[str, ScoringKey]:
    found = [scoring_key(each) for each in definitions.values() if each["kind"] == "scoring-key"]
    return {key.instrument: key for key in found}

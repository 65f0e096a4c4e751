"""An emergency is for reading: nothing is made of what it alone opens, nor with it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.answers import comparable, made, ok, refused
from tests.http.resources import EMERGENCY, encounter, observation
from tests.http.writing import two_courses
from tests.support.consents import actor, consent, provision, purposes
from tests.support.staff import signed_in


@pytest.fixture
async def records(clinic):
    """Anna, whom Theo treats, and Berta, whom he does not."""
    await two_courses(clinic.http)
    return clinic.http


def with_both(other: str) -> list[dict[str, Any]]:
    """What would be Anna's and another's."""
    people = [{"entity": {"reference": f"Patient/{one}"}} for one in ("anna", other)]
    course = {"reference": f"EpisodeOfCare/e-{other}"}
    return [
        {"resourceType": "Group", "type": "person", "actual": True, "member": people},
        {**observation("Patient/anna"), "performer": [{"reference": f"Patient/{other}"}]},
        {**encounter("Patient/anna"), "episodeOfCare": [course]},
        encounter(f"Patient/{other}"),
    ]


@pytest.mark.parametrize("by", ["care that is missing", "a Consent for emergencies"])
async def test_nothing_is_made_about_whom_an_emergency_opens(clinic, records, by):
    """Neither of them alone nor together with somebody whom the therapist treats."""
    if by.startswith("a Consent"):
        opens = provision("permit", actor=[actor("Practitioner/theo")], purpose=purposes("BTG"))
        made(await records.put("Consent/k", json=consent("berta", opens, id="k")))
    theo = await signed_in(clinic, "therapist", "Practitioner/theo")
    ok(await theo.post("Patient/berta/$break-glass", json=EMERGENCY))
    ok(await theo.get("Patient/berta"))
    for tree, absent in zip(with_both("berta"), with_both("nobody"), strict=True):
        answer = await theo.post(tree["resourceType"], json=tree)
        refused(answer, 403, "forbidden")
        nobody = await theo.post(tree["resourceType"], json=absent)
        assert comparable(answer) == comparable(nobody)
    for tree in with_both("anna"):  # of whom he treats he still writes
        made(await theo.post(tree["resourceType"], json=tree))


async def test_whom_a_consent_opens_for_treatment_may_be_joined(clinic, records):
    opens = provision("permit", actor=[actor("Practitioner/theo")], purpose=purposes("TREAT"))
    made(await records.put("Consent/k", json=consent("berta", opens, id="k")))
    theo = await signed_in(clinic, "therapist", "Practitioner/theo")
    group, *_ = with_both("berta")
    made(await theo.post("Group", json=group))

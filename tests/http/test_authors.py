"""Who wrote something is who wrote it: what a person sends puts nobody else in their place.

An author sees a note of their own whatever it is labelled, and keeps what they wrote when a Consent
closes the rest.
"""

from __future__ import annotations

import pytest

from tests.http.answers import made, refused
from tests.http.resources import episode, observation, patient
from tests.support.staff import signed_in

MERGE = {"Content-Type": "application/merge-patch+json"}
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
NOTE = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSYTHPN"}
TESS, THEO, ANNA = "Practitioner/tess", "Practitioner/theo", "Patient/anna"


def by(*whom, **members):
    """A psychotherapy note about anna."""
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": ANNA},
        **({"author": [{"reference": one} for one in whom]} if whom else {}),
        "meta": {"security": [{"system": CONFIDENTIALITY, "code": "V"}, NOTE]},
        "content": [{"attachment": {"title": "a note"}}],
        **members,
    }


@pytest.fixture
async def tess(clinic):
    """Anna's therapist."""
    for one in ("tess", "theo"):
        tree = {"resourceType": "Practitioner", "id": one}
        await clinic.http.put(f"Practitioner/{one}", json=tree)
    await clinic.http.put(ANNA, json=patient("Costa", id="anna"))
    made(
        await clinic.http.post("EpisodeOfCare", json=episode(ANNA, careManager={"reference": TESS}))
    )
    return await signed_in(clinic, "therapist", TESS)


@pytest.mark.parametrize("authors", [[THEO], [TESS, THEO], [f"{TESS}/_history/1", THEO]])
async def test_a_note_is_written_in_nobody_else_s_name(tess, clinic, authors):
    refused(await tess.post("DocumentReference", json=by(*authors)), 403, "forbidden")
    sent = {"resource": by(*authors), "request": {"method": "POST", "url": "DocumentReference"}}
    whole = {"resourceType": "Bundle", "type": "transaction", "entry": [sent]}
    refused(await tess.post("", json=whole), 403, "forbidden")
    theo = await signed_in(clinic, "therapist", THEO)
    assert (await theo.get("DocumentReference")).json()["total"] == 0


async def test_a_note_stays_its_author_s(tess):
    where = made(await tess.post("DocumentReference", json=by(TESS)))
    id = where.partition("/")[2]
    for authors in ([THEO], [TESS, THEO], []):
        refused(await tess.put(where, json=by(*authors, id=id)), 403, "forbidden")
        patched = {"author": [{"reference": one} for one in authors] or None}
        refused(await tess.patch(where, json=patched, headers=MERGE), 403, "forbidden")
    kept = await tess.put(where, json=by(TESS, id=id, description="as it was"))
    assert kept.status_code == 200
    assert kept.json()["author"] == [{"reference": TESS}]


async def test_a_score_keeps_who_gave_it(tess, clinic):
    """A person may join those who did something, and take nobody away; a system corrects."""
    given = observation(ANNA, performer=[{"reference": ANNA}], id="o")
    assert (await clinic.http.put("Observation/o", json=given)).status_code == 201
    for performers in ([], [THEO], [TESS], [ANNA, THEO]):
        changed = given | {"performer": [{"reference": one} for one in performers]}
        changed = {name: value for name, value in changed.items() if value}
        refused(await tess.put("Observation/o", json=changed), 403, "forbidden")
    both = given | {"performer": [{"reference": one} for one in (ANNA, TESS)]}
    assert (await tess.put("Observation/o", json=both)).status_code == 200
    other = given | {"performer": [{"reference": THEO}]}
    refused(await tess.put("Observation/o", json=other), 403, "forbidden")
    assert (await clinic.http.put("Observation/o", json=other)).status_code == 200

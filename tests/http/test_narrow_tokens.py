"""What a token is not for, no operation does with it, whatever the person behind it may do."""

from __future__ import annotations

import pytest

from tests.http.answers import comparable, ok, refused
from tests.http.resources import EMERGENCY
from tests.http.writing import two_courses
from tests.support.staff import person


@pytest.fixture
async def records(clinic):
    """Anna, whom Theo treats, and Berta, whom he does not."""
    await two_courses(clinic.http)


async def test_a_program_for_one_patient_declares_no_emergency_of_another(clinic, records):
    """Nor does it learn that there is such a patient; the person's other programs stay as blind."""
    theo = await person(clinic, "therapist", "Practitioner/theo")
    narrow = await theo.signs_in("openid launch/patient patient/*.rs", patient="anna")
    hidden, absent = [
        await narrow.post(f"Patient/{id}/$break-glass", json=EMERGENCY)
        for id in ("berta", "nobody")
    ]
    refused(hidden, 404, "not-found")
    assert comparable(hidden) == comparable(absent)
    ok(await narrow.post("Patient/anna/$break-glass", json=EMERGENCY))
    clinic.application.clock.turn(seconds=60)  # a code of the second factor is good once
    whole = await theo.signs_in()
    refused(await whole.get("Patient/berta"), 404)
    ok(await whole.post("Patient/berta/$break-glass", json=EMERGENCY))
    ok(await whole.get("Patient/berta"))


@pytest.mark.parametrize("scope", ["openid", "openid user/Observation.rs", "user/Patient.cus"])
async def test_a_program_that_reads_no_patient_declares_no_emergency(clinic, records, scope):
    theo = await person(clinic, "therapist", "Practitioner/theo")
    narrow = await theo.signs_in(scope)
    answers = [
        await narrow.post(f"Patient/{id}/$break-glass", json=EMERGENCY)
        for id in ("anna", "berta", "nobody")
    ]
    for each in answers:
        refused(each, 403, "forbidden")
        assert comparable(each) == comparable(answers[0])


@pytest.mark.parametrize(
    "role, who", [("client", "Patient/anna"), ("clinical_lead", "Practitioner/lea")]
)
async def test_a_program_that_reads_no_log_gets_no_account_of_it(clinic, records, role, who):
    asker = await person(clinic, role, who)
    for scope, status in (("patient/Patient.rs", 403), ("patient/*.r", 403), ("patient/*.rs", 200)):
        chosen = None if role == "client" else "anna"
        http = await asker.signs_in(f"openid launch/patient {scope}", patient=chosen)
        answer = await http.get("Patient/anna/$accounting-of-disclosures")
        assert answer.status_code == status, scope
        clinic.application.clock.turn(seconds=60)

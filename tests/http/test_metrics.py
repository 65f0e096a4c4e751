"""Figures for whoever runs the server; none of them tells of a person."""

import re

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.http.answers import refused
from tests.support.application import ORIGIN, clinic_of, running


def read(text):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def requests(figures, endpoint, status):
    labels = (("endpoint", endpoint), ("method", "GET"), ("status", status))
    return figures.get(("rapport_requests_total", labels), 0)


@pytest.fixture
async def application(database, tmp_path):
    file = tmp_path / "token"
    file.write_text("a-long-word-of-the-operator\n")
    async with running(database, tmp_path, metrics_token_file=file) as running_one:
        yield running_one


def from_here(application):
    transport = httpx.ASGITransport(application.app, client=("127.0.0.1", 4711))
    return httpx.AsyncClient(transport=transport, base_url=ORIGIN)


async def test_requests_are_counted_by_what_they_were_for(application):
    async with from_here(application) as http, clinic_of(application) as clinic:
        before = read((await http.get("/metrics")).text)
        one = await clinic.ehr.http()
        patient = (await one.post("Patient", json={"resourceType": "Patient"})).json()
        for _ in range(3):
            await one.get(f"Patient/{patient['id']}")
        await one.get("Secret-Words/of-a-caller")
        await one.aclose()
        await http.get("/health/live")
        text = (await http.get("/metrics")).text
    after = read(text)

    def more(endpoint, status):
        return requests(after, endpoint, status) - requests(before, endpoint, status)

    assert more("/fhir/Patient/-", "200") == 3
    assert more("/fhir/-/-", "404") == 1
    assert more("/health/live", "200") == 1
    assert ("rapport_reactions_waiting", ()) in after
    assert ("rapport_deliveries_waiting", ()) in after
    assert after[("rapport_reactions_age_seconds", ())] >= 0
    assert patient["id"] not in text
    assert "Secret" not in text


async def test_no_clinic_program_or_person_is_a_label(application):
    async with from_here(application) as http, clinic_of(application):
        text = (await http.get("/metrics")).text
    own = [line for line in text.splitlines() if line.startswith("rapport_")]
    assert own
    allowed = {"method", "endpoint", "status", "le"}
    assert {name for line in own for name in re.findall(r'(\w+)="', line)} <= allowed


async def test_from_elsewhere_the_operators_token_is_needed(application):
    async with application.http() as http:
        refused(await http.get("/metrics"), 401, "login")
        wrong = {"Authorization": "Bearer another-word"}
        refused(await http.get("/metrics", headers=wrong), 401, "login")
        right = {"Authorization": "Bearer a-long-word-of-the-operator"}
        assert (await http.get("/metrics", headers=right)).status_code == 200


async def test_what_a_proxy_passes_on_does_not_come_from_here(application):
    async with from_here(application) as http:
        passed_on = {"X-Forwarded-For": "127.0.0.1"}
        assert (await http.get("/metrics", headers=passed_on)).status_code == 401
        assert (await http.get("/metrics")).status_code == 200


async def test_without_a_token_file_none_opens_it(database, tmp_path):
    async with running(database, tmp_path) as application, application.http() as http:
        for given in ("", "Bearer ", "Bearer", "Bearer None"):
            answer = await http.get("/metrics", headers={"Authorization": given})
            assert answer.status_code == 401

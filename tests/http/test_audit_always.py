"""No setting turns the audit log off: a read is recorded whatever is set."""

from __future__ import annotations

from typing import Any

from app.core.config import Settings
from tests.http.answers import ok, resources
from tests.http.resources import patient
from tests.support.application import clinic_of, running

# Every setting that speaks of the log, with the least that it takes.
LEAST: dict[str, Any] = {
    "audit_copy_dir": None,
    "audit_witness_url": "",
    "audit_bucket_url": "",
    "audit_bucket_region": "",
    "audit_bucket_key_file": None,
    "audit_keep_days": 2192,
}


def test_these_are_the_settings_of_the_log():
    """A new one is added above, and held to it below."""
    assert {name for name in Settings.model_fields if "audit" in name} == LEAST.keys()


async def test_a_read_is_recorded_with_the_least_that_can_be_set(databases, tmp_path):
    made = await databases.make("sqlite")
    switches: dict[str, Any] = {
        name: False for name, field in Settings.model_fields.items() if field.annotation is bool
    }
    least = {**LEAST, **switches}
    async with running(made, tmp_path, **least) as own, clinic_of(own) as clinic:
        where = (await clinic.http.post("Patient", json=patient())).headers["Location"]
        id = where.split("/Patient/")[1].partition("/")[0]
        ok(await clinic.http.get(f"Patient/{id}"))
        auditor = await clinic.as_client("system/AuditEvent.rs", role="auditor")
        told = ok(await auditor.get("AuditEvent", params={"entity": f"Patient/{id}"}))
        codes = {event["subtype"][0]["code"] for event in resources(told)}
        assert codes == {"create", "read"}

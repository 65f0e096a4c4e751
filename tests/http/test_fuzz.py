"""Whatever the description of the API lets a tool think of is answered in FHIR's words."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.fhir import json
from app.routers.documentation import description
from tests.support.application import Clinic

SCHEMA = schemathesis.openapi.from_dict(json.parse_resource(description()))
OPERATIONS = sorted(
    (found.ok() for found in SCHEMA.get_all_operations()),
    key=lambda operation: (operation.path, operation.method),
)


def _body(request: dict[str, Any]) -> dict[str, Any]:
    if "json" in request:
        return {"content": json.dumps(request["json"])}
    body = request.get("data")
    return {"data": body} if isinstance(body, dict) else {"content": body}


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_no_request_of_the_description_is_a_fault(clinic: Clinic, data: st.DataObject):
    operation = data.draw(st.sampled_from(OPERATIONS), label="operation")
    case = data.draw(operation.as_strategy(), label="case")
    request = case.as_transport_kwargs(base_url="https://rapport.test/fhir")
    headers = {
        name: value
        for name, value in (request.get("headers") or {}).items()
        if name.lower() != "authorization"
    }
    answer = await clinic.http.request(
        request["method"],
        request["url"],
        params=request.get("params"),
        headers={**headers, "Authorization": clinic.http.headers["Authorization"]},
        **_body(request),
    )
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400 and request["method"] != "HEAD":
        assert answer.json()["resourceType"] == "OperationOutcome"

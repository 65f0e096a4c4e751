"""What an answer must be, whatever was asked."""

from __future__ import annotations

from typing import Any

import httpx

_PASSING = ("date", "x-request-id")


def made(answer: httpx.Response) -> str:
    """``Type/id`` of what a 201 made."""
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"].split("/fhir/")[1].split("/_history/")[0]


def ok(answer: httpx.Response) -> Any:
    """The body of a 200."""
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer: httpx.Response, status: int, code: str | None = None) -> list[dict[str, Any]]:
    """The issues of a refusal, which is an OperationOutcome and tells nothing else."""
    assert answer.status_code == status, f"{answer.status_code} {answer.text}"
    assert answer.headers["Content-Type"] == "application/fhir+json"
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    issues: list[dict[str, Any]] = body["issue"]
    assert issues
    assert all(issue["severity"] in ("error", "fatal") for issue in issues)
    if code is not None:
        assert code in [issue["code"] for issue in issues], issues
    return issues


def comparable(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    """All of an answer but what differs between any two."""
    headers = [(name, value) for name, value in answer.headers.items() if name not in _PASSING]
    return answer.status_code, sorted(headers), answer.content


def version(answer: httpx.Response) -> int:
    """The version that an ETag names."""
    tag = answer.headers["ETag"]
    assert tag.startswith('W/"') and tag.endswith('"')
    return int(tag[3:-1])


def resources(bundle: Any) -> list[dict[str, Any]]:
    """The resources of a Bundle, in order."""
    return [entry["resource"] for entry in bundle.get("entry", ()) if "resource" in entry]

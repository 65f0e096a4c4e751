"""The same requests to any FHIR R4 server: ``python -m bench.load --base URL --token TOKEN``.

It speaks plain FHIR: a transaction puts a few patients with their sessions there, POSTs give
them answers, and what the server made of those is then read and searched. One line a request
kind: answers a second and times, with so many connections at once. Only ``http:`` is driven.
"""

from __future__ import annotations

import argparse
import http.client
import json
from typing import Any

from bench import records
from bench.driving import Load, Sample, Target, middle, sides

PATIENTS = 10


def main() -> None:
    """Loads a server and prints what it bore."""
    asked = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    asked.add_argument("--base", required=True, help="the FHIR base, http://host:port/path")
    asked.add_argument("--token", default="", help="a bearer token, where one is needed")
    asked.add_argument("--connections", type=int, default=16)
    asked.add_argument("--seconds", type=float, default=3)
    asked.add_argument("--repeats", type=int, default=3)
    given = asked.parse_args()
    target = Target(given.base, given.token)
    found = sides(
        {
            name: Load(target, requests, given.connections)
            for name, requests in kinds(target, prepared(target)).items()
        },
        seconds=given.seconds,
        repeats=given.repeats,
        warm_up=1,
    )
    print(f"{'request':<14}{'answers/s':>10}{'p50 ms':>9}{'p99 ms':>9}")
    for name, samples in found.items():
        print(f"{name:<14}{told(samples)}")


def told(samples: list[Sample]) -> str:
    """Medians over the repeats."""
    rate, p50, p99 = (
        middle(samples, lambda each: each.rate),
        middle(samples, lambda each: each.p50),
        middle(samples, lambda each: each.p99),
    )
    return f"{rate:>10.1f}{p50:>9.2f}{p99:>9.2f}"


def prepared(target: Target) -> list[str]:
    """Puts patients there and gives each 20 responses; the ids of these."""
    head = [records.organization(), records.therapist(0), records.questionnaire(40, "forty")]
    trees = head + [tree for n in range(2 * PATIENTS) for tree in records.course(n)]
    send(target, "POST", "", records.transaction(trees))
    return [
        post(target, records.response(n, number)) for n in range(PATIENTS) for number in range(20)
    ]


def kinds(target: Target, ids: list[str], patients: int = PATIENTS) -> dict[str, list[bytes]]:
    """What is asked, by the name of its kind; others are written about than are searched for."""
    responses = [records.response(n, n) for n in range(patients, 2 * patients)]
    return {
        "read": [target.request("GET", f"/QuestionnaireResponse/{id}") for id in ids],
        "search": [target.request("GET", search(n)) for n in range(patients)],
        "chained": [target.request("GET", chained(n)) for n in range(patients)],
        "_has": [target.request("GET", reverse(n // records.CASELOAD)) for n in range(patients)],
        "_include": [target.request("GET", including(n)) for n in range(patients)],
        "create": [
            target.request("POST", "/QuestionnaireResponse", records.text(each))
            for each in responses
        ],
        "transaction": [
            target.request("POST", "", records.text(records.transaction([each] * 20)))
            for each in responses
        ],
    }


def search(patient: int) -> str:
    """A patient's newest answers."""
    return f"/QuestionnaireResponse?subject=Patient/p{patient}&_sort=-authored&_count=20"


def chained(patient: int) -> str:
    """The same by the patient's record number."""
    number = f"{records.BASE}/record-number|RN{patient:07d}"
    return f"/QuestionnaireResponse?subject:Patient.identifier={number}&_sort=-authored&_count=20"


def reverse(therapist: int) -> str:
    """The patients of a therapist."""
    return f"/Patient?_has:EpisodeOfCare:patient:care-manager=Practitioner/t{therapist}&_count=20"


def including(patient: int) -> str:
    """Newest answers with whom and what they are about."""
    more = "_include=QuestionnaireResponse:subject&_include=QuestionnaireResponse:encounter"
    return f"{search(patient)}&{more}"


def post(target: Target, tree: records.Tree) -> str:
    """Stores a new record; its id."""
    return str(send(target, "POST", f"/{tree['resourceType']}", tree)["id"])


def put(target: Target, tree: records.Tree) -> None:
    """Stores a record under its id."""
    send(target, "PUT", f"/{tree['resourceType']}/{tree['id']}", tree)


def send(target: Target, method: str, path: str, tree: records.Tree) -> Any:
    """One request and the resource that answers it."""
    connection = http.client.HTTPConnection(target.host, target.port, timeout=120)
    connection.connect()
    connection.sock.sendall(target.request(method, path, records.text(tree)))
    answer = http.client.HTTPResponse(connection.sock, method=method)
    answer.begin()
    content = answer.read()
    connection.close()
    if answer.status not in (200, 201):
        raise RuntimeError(f"{path or '/'}: {answer.status} {content[:2000]!r}")
    return json.loads(content)


if __name__ == "__main__":
    main()

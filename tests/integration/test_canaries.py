"""Words and figures put into confidential records are afterwards in no file of the installation."""

from __future__ import annotations

import asyncio
import base64
import logging
import tempfile
import zlib
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from tests.http.answers import ok
from tests.integration.test_at_rest import contents, narrative
from tests.integration.test_backup import backups
from tests.support import therapy
from tests.support.application import Application, Clinic
from tests.support.asking import asked
from tests.support.consents import actor, consent, provision
from tests.support.operations import one
from tests.support.people import browser, forms
from tests.support.traces import forms as forms_of
from tests.support.traces import traces, traces_in_files

VISIBLE = "q7seen7visible7"  # an id: what the scan must find
ANSWER, NOTE, NARRATIVE = "q7answer7kestrel", "q7nöte7plover", "q7narrative7wren"
IDENTIFIER, CODE, LETTER = "q7identifier7rook", "q7code7curlew", "q7letter7siskin"
SCORE, DRAFT, REFUSED = "31.4159265771", "q7draft7fieldfare", "q7refused7dotterel"
FAILED, CODED = "q7failed7merlin", "q7coded7redshank"
WORDS = (
    ANSWER, NOTE, NARRATIVE, IDENTIFIER, CODE, LETTER, SCORE, DRAFT, REFUSED, FAILED, CODED,
)  # fmt: skip
CODING = [{"system": f"https://{CODED}.example", "code": CODED}]
FORM = {
    "resourceType": "Questionnaire",
    "id": "q7-free",
    "url": f"{therapy.OURS}/Questionnaire/q7-free",
    "version": "1",
    "status": "active",
    "item": [
        {"linkId": "said", "text": "What was it like?", "type": "text"},
        {"linkId": "short", "text": "In a word?", "type": "string", "maxLength": 20},
    ],
}


@pytest.fixture
def application(installation: Application) -> Application:
    """An installation of the test's own, since all of it is gone through."""
    return installation


@pytest.mark.parametrize("word", WORDS)
def test_a_trace_is_found_in_every_form(word: str):
    for form in forms_of(word):
        assert traces(b"before " + form + b" after", [word]) == {word}
    assert traces(b"\0\0" + zlib.compress(f"so {word} so".encode()) + b"\0", [word]) == {word}
    encoded = [base64.b64encode(b"x" * n + word.encode() + b"yz") for n in range(3)]
    assert [traces(each, [word]) for each in encoded] == [{word}] * 3
    assert not traces(b"nothing", [word])


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where programs put temporary files now."""
    place = tmp_path / "temporary"
    place.mkdir()
    for name in ("TMPDIR", "SQLITE_TMPDIR"):
        monkeypatch.setenv(name, str(place))
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


@pytest.fixture
def talkative(tmp_path: Path):
    """Everything that anybody logs, in a file; the test's own client left out."""
    path = tmp_path / "debug.log"
    handler = logging.FileHandler(path)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    yield path
    root.setLevel(before)
    root.removeHandler(handler)
    handler.close()


def records(course: therapy.Therapy) -> list[dict[str, Any]]:
    """What must not show anywhere, as it comes to be stored."""
    subject = {"reference": course.patient}
    hidden = [{"system": f"https://{IDENTIFIER}.example", "value": IDENTIFIER}]
    letter = base64.b64encode(f"Dear {LETTER}".encode()).decode()
    return [
        {
            "resourceType": "QuestionnaireResponse", "id": VISIBLE, "status": "completed",
            "subject": subject, "identifier": hidden[0], "text": narrative(NARRATIVE),
            "item": [{"linkId": "1", "answer": [{"valueString": ANSWER}]}],
        },
        {
            "resourceType": "Observation", "id": "q7-score", "status": "final",
            "subject": subject, "identifier": hidden, "text": narrative(NARRATIVE),
            "code": {"coding": [{"system": f"{therapy.OURS}/q7", "code": "q7"}], "text": CODE},
            "valueQuantity": {"value": float(SCORE), "unit": CODE}, "note": [{"text": NOTE}],
            "component": [{"code": {"text": CODE}, "valueString": ANSWER}],
        },
        {
            "resourceType": "Goal", "id": "q7-goal", "lifecycleStatus": "active",
            "subject": subject, "identifier": hidden, "description": {"text": NOTE},
            "target": [{"measure": {"text": CODE}, "detailQuantity": {"value": float(SCORE)}}],
        },
        {
            "resourceType": "Condition", "id": "q7-condition", "subject": subject,
            "code": {"text": CODE, "coding": CODING}, "note": [{"text": NOTE}],
            "identifier": hidden, "category": [{"coding": CODING}],
        },
        consent(course.patient.partition("/")[2], provision("permit", provision(
            "deny", actor=[actor("Organization/q7")], code=[{"coding": CODING}]
        )), id="q7-consent"),
        {
            "resourceType": "DocumentReference", "id": "q7-note", "status": "current",
            "subject": subject, "description": NOTE, "author": [{"reference": course.therapist}],
            "content": [{"attachment": {"contentType": "text/plain", "data": letter}}],
            "meta": {"security": [
                {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSYTHPN"}
            ]},
        },
    ]  # fmt: skip


async def written(course: therapy.Therapy) -> None:
    """Stored, changed, put away, and what could not be stored."""
    http = course.http
    await course.put(*records(course))
    for tree in records(course)[:-1]:  # the note is its author's to change
        path = f"{tree['resourceType']}/{tree['id']}"
        assert (await http.put(path, json={**tree, "language": "en"})).status_code == 200
    patch = [{"op": "replace", "path": "/note/0/text", "value": f"{NOTE} again"}]
    headers = {"Content-Type": "application/json-patch+json"}
    answer = await http.patch("Observation/q7-score", json=patch, headers=headers)
    assert answer.status_code == 200
    assert (await http.delete("Condition/q7-condition")).status_code in (200, 204)
    score = records(course)[1]
    for refused in (
        {**score, "status": REFUSED},
        {**score, "code": REFUSED},
        {**score, REFUSED: REFUSED},
        {**score, "effectiveDateTime": REFUSED},
        {**score, "subject": {"reference": f"Patient/{REFUSED}"}},
    ):
        answer = await http.post("Observation", json={**refused, "id": None})
        assert 400 <= answer.status_code < 500
    broken = await http.post("Observation", content=f'{{"resourceType": "{REFUSED}'.encode())
    assert broken.status_code == 400


async def looked(http: httpx.AsyncClient, course: therapy.Therapy) -> None:
    """Searched, exported, read back."""
    patient = {"patient": course.patient}
    for type_name, criteria in (
        ("Observation", {"value-quantity": SCORE}),
        ("Observation", {"value-quantity": SCORE, **patient}),
        ("Observation", {"code:text": CODE, **patient}),
        ("Observation", {"component-value-string": ANSWER, **patient}),
        ("Observation", {"identifier": IDENTIFIER}),
        ("QuestionnaireResponse", {"identifier": IDENTIFIER, "_sort": "status", **patient}),
        ("Goal", {"identifier": f"https://{IDENTIFIER}.example|{IDENTIFIER}"}),
        ("Observation", {"_text": NARRATIVE}),
        ("Patient", {"_has:Observation:patient:identifier": IDENTIFIER}),
        ("Observation", {"_filter": ANSWER, "_elements": "note", REFUSED: REFUSED}),
    ):
        for answer in (
            await http.get(type_name, params=criteria),
            await http.post(f"{type_name}/_search", data=criteria,
                            headers={"Content-Type": "application/x-www-form-urlencoded"}),
        ):  # fmt: skip
            assert answer.status_code in (200, 400), answer.text
    everything = await http.get(f"{course.patient}/$everything")
    assert NARRATIVE in everything.text
    assert NOTE in (await http.get("Observation/q7-score/_history")).text


async def drafted(clinic: Clinic, course: therapy.Therapy) -> None:
    """A form by a link: sent as it does not fit, shown again, then sent."""
    ok_form = await clinic.http.put("Questionnaire/q7-free", json=FORM)
    assert ok_form.status_code == 201, ok_form.text
    task = await asked(course, "q7-free", session=1)
    issued = ok(await course.http.post(f"Task/{task}/$issue-link", json={
        "resourceType": "Parameters",
        "parameter": [{"name": "expires", "valueDateTime": "2026-12-20T00:00:00Z"}],
    }))  # fmt: skip
    visitor = browser(clinic.application)
    try:
        path = one(issued)["url"].removeprefix("https://rapport.test")
        token = forms(await visitor.http.get(path))[0].fields["token"]
        wrong = {"token": token, "item-said": DRAFT, "item-short": f"{DRAFT} and much too long"}
        again = await visitor.http.post(path, data=wrong)
        assert DRAFT in again.text
        right = {"token": token, "item-said": DRAFT, "item-short": "well"}
        sent = await visitor.http.post(path, data=right)
        assert sent.status_code == 200, sent.text
    finally:
        await visitor.http.aclose()


async def fails(clinic: Clinic, course: therapy.Therapy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect of our own, where the log tells what happened."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    goal = {**records(course)[2], "id": "q7-failed", "description": {"text": FAILED}}
    transport = httpx.ASGITransport(clinic.application.app, raise_app_exceptions=False)
    client = httpx.AsyncClient(
        transport=transport, base_url=clinic.http.base_url, headers=clinic.http.headers
    )
    with monkeypatch.context() as context:
        context.setattr(type(clinic.application.services.engine.records), "store", broken)
        async with client as http:
            answer = await http.put("Goal/q7-failed", json=goal)
    assert answer.status_code == 500
    assert FAILED not in answer.text


async def log_place(postgres: Any) -> str:
    """The file of PostgreSQL's own log that is written now."""
    connection = await asyncpg.connect(postgres().url("postgres"))
    try:
        return str(await connection.fetchval("SELECT pg_walfile_name(pg_current_wal_lsn())"))
    finally:
        await connection.close()


async def files_of(clinic: Clinic, postgres: Any, *, since: str) -> list[Path]:
    """Where the database and the program keep their files, all written out.

    Of PostgreSQL's own log those from a file on: before it others wrote, whose canaries are none.
    """
    database, own = clinic.application.database, clinic.application.settings.data_dir
    if database.dialect == "sqlite":
        path = Path(database.url.removeprefix("sqlite:///"))
        return [own, *path.parent.glob(f"{path.name}*")]
    connection = await asyncpg.connect(postgres().url("postgres"))
    try:
        await connection.execute("CHECKPOINT")
        data = Path(await connection.fetchval("SHOW data_directory"))
        name = database.url.rpartition("/")[2]
        oid = await connection.fetchval("SELECT oid FROM pg_database WHERE datname = $1", name)
        base = [data / "base" / str(oid), data / "base" / "pgsql_tmp", data / "global"]
        last = await log_place(postgres)  # those after it wait to be written over
        log = [each for each in (data / "pg_wal").iterdir() if since <= each.name <= last]
        return [own, *base, *log]
    finally:
        await connection.close()


async def test_no_file_holds_an_answer_a_note_a_narrative_or_a_score(
    clinic: Clinic,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    temporary: Path,
    talkative: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    def postgres() -> Any:
        return request.getfixturevalue("postgres")

    of_postgres = clinic.application.dialect == "postgresql"
    since = await log_place(postgres) if of_postgres else ""
    course = await therapy.begin(clinic)
    await course.put(course.sitting(1))
    await written(course)
    await looked(clinic.http, course)
    await drafted(clinic, course)
    await fails(clinic, course, monkeypatch)
    await clinic.settle()
    await clinic.application.app.state.sequencer.step()

    (tmp_path / "kept").mkdir()
    await backups(clinic.application).save(tmp_path / "kept" / "backup")
    files = await files_of(clinic, postgres, since=since)
    rows = await contents(clinic.application.database)
    printed = capfd.readouterr()
    assert "request_id" in printed.out + printed.err

    assert traces(rows, [VISIBLE]) == {VISIBLE}
    assert any(
        VISIBLE in seen
        for seen in (await asyncio.to_thread(traces_in_files, files, [VISIBLE])).values()
    )
    found = await asyncio.to_thread(
        traces_in_files, [*files, tmp_path / "kept", temporary, talkative], WORDS
    )
    assert not found
    assert not traces(rows, WORDS)
    assert not traces((printed.out + printed.err).encode(), WORDS)

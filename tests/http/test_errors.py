"""Everything that is forbidden is refused with a word for each problem, and nothing breaks."""

from __future__ import annotations

import json

import pytest

from app.fhir import json as fhir_json
from app.fhir.registry import REGISTRY
from tests.http.answers import made, ok, refused
from tests.http.resources import OURS, bundle, entry, patient
from tests.unit.fhir.corpus import cases

WRITTEN = {name for name, entry in REGISTRY.items() if entry.store == "resource"}
FORBIDDEN = [case for case in cases("forbidden") if case["tree"].get("resourceType") in WRITTEN]
LEGAL = [
    case
    for case in cases("legal")
    if case["tree"].get("resourceType") in set(WRITTEN) - {"Questionnaire"}
    # A questionnaire must make sense and answers must fit it, which is no matter of R4.
    and not str(case["tree"].get("questionnaire")).startswith(OURS)
]


@pytest.mark.parametrize("name", sorted({case["tree"]["resourceType"] for case in FORBIDDEN}))
async def test_what_r4_forbids_is_refused(ehr, name):
    """The whole corpus, each type as one batch and each of its first by itself."""
    mine = [case for case in FORBIDDEN if case["tree"]["resourceType"] == name]
    for case in mine[:5]:
        issues = refused(await ehr.post(name, content=fhir_json.dumps(case["tree"])), 422)
        assert case["at"] in [place for one in issues for place in one.get("expression", ())]
    sent = bundle("batch", *(entry("POST", name, case["tree"]) for case in mine))
    answers = ok(await ehr.post("", content=fhir_json.dumps(sent)))["entry"]
    for case, one in zip(mine, answers, strict=True):
        assert one["response"]["status"].startswith("422"), case["name"]
        issues = one["response"]["outcome"]["issue"]
        assert case["at"] in str([issue.get("expression") for issue in issues]), case["name"]


async def test_what_r4_allows_is_taken(clinic):
    sent = bundle(
        "batch", *(entry("POST", case["tree"]["resourceType"], case["tree"]) for case in LEGAL)
    )
    answers = ok(await clinic.http.post("", content=fhir_json.dumps(sent)))["entry"]
    for case, one in zip(LEGAL, answers, strict=True):
        assert one["response"]["status"].startswith("201"), (case["name"], one["response"])


SURROGATE = '"\\ud800"'
TEXTS = {
    "a key twice": '{"resourceType":"Patient","active":true,"active":true}',
    "a key twice, deep inside": '{"resourceType":"Patient","name":[{"text":"a","text":"b"}]}',
    "a key twice, escaped": '{"resourceType":"Patient","active":true,"\\u0061ctive":true}',
    "NaN": '{"resourceType":"Patient","multipleBirthInteger":NaN}',
    "Infinity": '{"resourceType":"Patient","multipleBirthInteger":-Infinity}',
    "a lone surrogate": '{"resourceType":"Patient","language":' + SURROGATE + "}",
    "a lone surrogate as a key": '{"resourceType":"Patient",' + SURROGATE + ":1}",
    "NUL": '{"resourceType":"Patient","name":[{"text":"a\\u0000b"}]}',
    "a raw control character": '{"resourceType":"Patient","name":[{"text":"a\nb"}]}',
    "a comment": '{"resourceType":"Patient"/* no */}',
    "a trailing comma": '{"resourceType":"Patient",}',
    "two values": '{"resourceType":"Patient"}{"resourceType":"Patient"}',
    "a single quote": "{'resourceType':'Patient'}",
    "an octal number": '{"resourceType":"Patient","multipleBirthInteger":01}',
    "a plus sign": '{"resourceType":"Patient","multipleBirthInteger":+1}',
    "half a text": '{"resourceType":"Pati',
    "nothing": "",
    "blanks": "   ",
    "null": "null",
    "an array": '[{"resourceType":"Patient"}]',
    "an empty object": "{}",
    "an empty array inside": '{"resourceType":"Patient","name":[]}',
    "an empty object inside": '{"resourceType":"Patient","name":[{}]}',
    "null inside": '{"resourceType":"Patient","active":null}',
    "an unknown member": '{"resourceType":"Patient","nickname":"x"}',
    "XML": "<Patient xmlns='http://hl7.org/fhir'/>",
    "a script": '{"resourceType":"Patient","text":{"status":"generated","div":'
    '"<div xmlns=\\"http://www.w3.org/1999/xhtml\\"><script>x()</script></div>"}}',
    "an entity": '{"resourceType":"Patient","text":{"status":"generated","div":'
    '"<!DOCTYPE d [<!ENTITY e \\"x\\">]><div xmlns=\\"http://www.w3.org/1999/xhtml\\">&e;</div>"}}',
}


@pytest.mark.parametrize("why", TEXTS)
async def test_a_text_that_is_no_resource_is_refused_everywhere(ehr, why):
    text = TEXTS[why]
    answers = [
        await ehr.post("Patient", content=text.encode()),
        await ehr.put("Patient/refused", content=text.encode()),
        await ehr.post(
            "",
            content=f'{{"resourceType":"Bundle","type":"transaction","entry":[{{"resource":{text},'
            f'"request":{{"method":"POST","url":"Patient"}}}}]}}'.encode(),
        ),
        await ehr.patch(
            made(await ehr.post("Patient", json=patient())),
            content=text.encode(),
            headers={"Content-Type": "application/merge-patch+json"},
        ),
    ]
    for answer in answers:
        if answer is answers[-1] and why in (
            "an empty object",
            "null inside",
            "an empty array inside",
        ):
            assert answer.status_code in (200, 422)  # of a merge patch these say something
            continue
        issues = refused(answer, answer.status_code)
        assert answer.status_code in (400, 422), answer.text
        assert all(issue["diagnostics"] for issue in issues)
    refused(await ehr.get("Patient/refused"), 404)


@pytest.mark.parametrize(
    "raw",
    [
        b'\xef\xbb\xbf{"resourceType":"Patient"}',
        '{"resourceType":"Patient"}'.encode("utf-16"),
        '{"resourceType":"Patient"}'.encode("utf-32"),
        b'{"resourceType":"Patient","language":"\xff"}',
        b'{"resourceType":"Patient","language":"\xc0\xaf"}',
        b'{"resourceType":"Patient","language":"\xed\xa0\x80"}',
        b"\x00" * 100,
        b"\x1f\x8b\x08\x00",
    ],
)
async def test_a_body_that_is_not_utf_8_is_refused(ehr, raw):
    refused(await ehr.post("Patient", content=raw), 400, "structure")
    refused(await ehr.post("", content=raw), 400, "structure")


async def test_a_refusal_repeats_nothing_of_what_was_sent(ehr):
    secret = "Zacharias-Secret"
    for tree in (
        patient(secret, gender=secret, birthDate=secret, **{secret: secret}),
        patient(secret, identifier=[{"system": secret, "value": 5}]),
    ):
        answer = await ehr.post("Patient", json=tree)
        refused(answer, 422)
        for issue in answer.json()["issue"]:
            assert secret not in issue["diagnostics"], issue
    for address in (
        f"Patient?birthdate={secret}", f"Patient/{secret}", f"Patient/${secret}",
        f"Patient/_history?_since={secret}", f"Patient?_cursor={secret}", f"Patient?_sort={secret}",
    ):  # fmt: skip
        assert secret not in json.dumps((await ehr.get(address)).json().get("issue", "")), address


HOSTILE = [
    "'", "''", "' OR 1=1 --", '"; DROP TABLE resource; --', "%", "_", "\\", "a\\,b", "$1", "?",
    "{}", "*", "(", "\u202e", "😀", "a" * 5000, "%00", "\u0000", "-1", "1e999", "null", "true",
    "../../etc", "|", "||", "|||", "$", "$$", ",", ",,,", ":", "http://[", "#", "&amp;", "0000",
    "9999-12-31T23:59:60Z", "9999999999-01-01", "2026-02-30", "24:00", "gt", "ap", "ap9999-12-31",
    "sa0001", "ne", "eb1e-400",
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE)
async def test_a_search_value_breaks_nothing(ehr, value):
    for type_name, codes in {
        "Patient": ("family", "identifier", "birthdate", "general-practitioner", "_id", "_tag",
                    "_lastUpdated", "_source", "_profile", "_sort", "_count", "_include", "_type",
                    "_elements", "_has:Observation:subject:code", "organization.name", "_security",
                    "family:exact", "family:contains", "identifier:of-type", "active:missing"),
        "Observation": ("value-quantity", "code-value-quantity", "subject:identifier", "code:text",
                        "derived-from"),
        "Questionnaire": ("url", "url:below", "version", "context-quantity"),
    }.items():  # fmt: skip
        for code in codes:
            answer = await ehr.get(type_name, params={code: value, "_summary": "count"})
            assert answer.status_code in (200, 400), (code, answer.text)
            if answer.status_code == 400:
                refused(answer, 400)


@pytest.mark.parametrize("value", HOSTILE)
async def test_a_name_breaks_nothing(ehr, value):
    for name in (
        value,
        f"family:{value}",
        f"organization.{value}",
        f"_has:{value}:x:y",
        f"_{value}",
    ):
        answer = await ehr.get("Patient", params={name: "x", "_summary": "count"})
        assert answer.status_code in (200, 400), (name, answer.text)


@pytest.mark.parametrize("value", [v for v in HOSTILE if v.isprintable()])
async def test_an_address_breaks_nothing(ehr, value):
    from urllib.parse import quote

    for address in ("{}", "Patient/{}", "Patient/1/{}", "Patient/1/_history/{}", "Patient/${}"):
        answer = await ehr.get(address.format(quote(value, safe="")))
        assert answer.status_code in (400, 404, 405), answer.text
        assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("value", HOSTILE)
async def test_a_header_breaks_nothing(ehr, value):
    raw = value.encode().replace(b"\x00", b"").replace(b"\n", b"")
    for name in (
        "If-Match", "If-None-Match", "If-None-Exist", "If-Modified-Since", "Prefer", "Accept",
        "Content-Type", "X-Request-Id", "X-Forwarded-For", "Range", "Cookie",
    ):  # fmt: skip
        answer = await ehr.put("Patient/headers", json=patient(id="headers"), headers={name: raw})
        assert answer.status_code < 500, (name, answer.text)
        if answer.status_code >= 400:
            refused(answer, answer.status_code)


@pytest.mark.parametrize(
    "method, path, status",
    [
        *(("GET", path, 405) for path in ("token", "introspect", "revoke")),
        ("DELETE", "userinfo", 405), ("GET", "tokens", 404), ("POST", "tokens", 404),
    ],
)  # fmt: skip
async def test_a_program_that_asks_wrongly_for_tokens_reads_the_json_of_rfc_6749(
    application, method, path, status
):
    async with application.http() as http:
        answer = await http.request(method, f"/oauth/{path}")
    assert (answer.status_code, answer.json()["error"]) == (status, "invalid_request")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("Allow" in answer.headers) == (status == 405)

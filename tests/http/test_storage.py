"""Storage keeps what it was given: the client's own text, byte for byte."""

from __future__ import annotations

import json

import pytest

from tests.http.answers import made, ok, version
from tests.http.resources import bundle, entry, patient

# What a model library would lose or change: each is legal, and each comes back as it was.
TEXTS = [
    b'"valueQuantity":{"value":1.50}',
    b'"valueQuantity":{"value":100.00,"unit":"a"}',
    b'"valueQuantity":{"value":0.1234567890123456789012345}',
    b'"valueQuantity":{"value":-1234567890123456789012345.000}',
    b'"valueQuantity":{"value":1E3}',
    b'"valueQuantity":{"value":1e-7}',
    b'"valueQuantity":{"value":-0.0}',
    b'"valueQuantity":{"value":12345678901234567890}',
    b'"effectiveDateTime":"2026-11-02T18:30:00.123456789+01:00"',
    b'"effectiveDateTime":"2026-11-02T18:30:00.120Z"',
    b'"effectiveDateTime":"2026-11"',
    b'"issued":"2026-11-02T18:30:00.000-11:30"',
    b'"note":[{"text":"tab\\tquote\\"slash\\/back\\\\ \\u00e9\\u4e2d\\ud83d\\ude00"}]',
    '"note":[{"text":"é中😀 plain, \u202eright to left\u202c, zero\u200bwidth"}]'.encode(),
    '"note":[{"text":"e\u0301 is not é"}]'.encode(),
    b'"note" : [ { "text" : "white   space" } ]',
    b'\n  "note": [\n    {"text": "lines"}\n  ]\n',
    b'"extension":[{"url":"https://example.org/unknown","valueDecimal":2.00}]',
    b'"extension":[{"url":"https://example.org/e","extension":[{"url":"a","valueCode":"b"}]}]',
    b'"_status":{"extension":[{"url":"https://example.org/e","valueString":"on a primitive"}]}',
    b'"identifier":[{"_value":{"extension":[{"url":"https://example.org/e","valueCode":"b"}]}}]',
    b'"component":[{"code":{"text":"z"}},{"code":{"text":"a"}},{"code":{"text":"m"}}]',
    b'"text":{"status":"empty","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\">&amp;</div>"}',
    b'"contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"}',
    b'"id":"given"',
    b'"meta":{"tag":[{"code":"b"},{"code":"a"}]}',
    b'"language":"de-CH"',
]
HEAD = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},'


@pytest.mark.parametrize("text", TEXTS)
async def test_what_was_written_is_read(ehr, text):
    """Every byte outside of id and meta."""
    sent = HEAD + text + b"}"
    created = await ehr.post("Observation", content=sent)
    where = made(created)
    id = where.partition("/")[2]
    for stored in (
        created.content,
        (await ehr.get(where)).content,
        (await ehr.get(f"{where}/_history/1")).content,
    ):
        assert _without_what_is_ours(stored) == _without_what_is_ours(sent)
    for address in (f"Observation?_id={id}", f"{where}/_history"):
        found = await ehr.get(address)
        if not text.startswith((b'"id"', b'"meta"')):
            assert text in found.content, address


def _without_what_is_ours(text):
    """The text without the id and the meta that it starts with or holds, in any order."""
    tree = json.loads(text, object_pairs_hook=list)
    for name, value in tree:
        if name in ("id", "meta"):
            for quoted in (_quoted(name, value, text),):
                text = text.replace(quoted + b",", b"").replace(b"," + quoted, b"")
    return text


def _quoted(name, value, text):
    start = text.index(b'"%b"' % name.encode())
    decoder = json.JSONDecoder()
    rest = text[start:].decode()
    offset = rest.index(":") + 1
    offset += len(rest[offset:]) - len(rest[offset:].lstrip())
    _, end = decoder.raw_decode(rest, offset)
    return rest[:end].encode()


@pytest.mark.parametrize("text", TEXTS[:8])
async def test_numbers_survive_a_bundle(ehr, text):
    sent = HEAD + text + b"}"
    for kind in (b"batch", b"transaction"):
        body = (
            b'{"resourceType":"Bundle","type":"' + kind + b'","entry":[{"resource":' + sent
            + b',"request":{"method":"POST","url":"Observation"}}]}'
        )  # fmt: skip
        answer = await ehr.post("", content=body)
        assert text in answer.content, answer.text


async def test_layout_outside_the_object_is_no_part_of_it(ehr):
    sent = b'\r\n\t {"resourceType": "Patient", "active": true} \n'
    stored = (await ehr.get(made(await ehr.post("Patient", content=sent)))).content
    assert json.loads(stored)["active"] is True


async def test_members_may_come_in_any_order(ehr):
    sent = b'{"active":true,"name":[{"family":"A"}],"resourceType":"Patient"}'
    stored = (await ehr.get(made(await ehr.post("Patient", content=sent)))).content
    order = [name for name, _ in json.loads(stored, object_pairs_hook=list)]
    assert [name for name in order if name not in ("id", "meta")] == [
        "active", "name", "resourceType",
    ]  # fmt: skip


async def test_every_version_keeps_its_text(ehr):
    where = None
    for number, text in enumerate(TEXTS[:8], 1):
        if where is None:
            answer = await ehr.post("Observation", content=HEAD + text + b"}")
            where = made(answer)
        else:
            id = b'"id":"%b",' % where.partition("/")[2].encode()
            answer = await ehr.put(where, content=HEAD + id + text + b"}")
        assert version(answer) == number
    for number, text in enumerate(TEXTS[:8], 1):
        assert text in (await ehr.get(f"{where}/_history/{number}")).content


async def test_a_large_resource_comes_back_whole(ehr):
    notes = [{"text": f"{number} " + "x" * 1000} for number in range(1000)]
    tree = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "note": notes}
    where = made(await ehr.post("Observation", json=tree))
    assert ok(await ehr.get(where))["note"] == notes


async def test_a_search_finds_what_a_model_would_have_lost(clinic):
    ehr = clinic.http
    await ehr.post("Observation", content=HEAD + TEXTS[2] + b"}")
    await ehr.post("Observation", content=HEAD + TEXTS[8] + b"}")
    asked = "Observation?value-quantity=0.1234567890123456789012345"
    assert (await ehr.get(asked)).status_code == 400
    named = ",".join(one["resource"]["id"] for one in ok(await ehr.get("Observation"))["entry"])
    assert ok(await ehr.get(f"{asked}&_id={named}"))["total"] == 1
    assert ok(await ehr.get("Observation?date=2026-11-02T17:30:00Z"))["total"] == 1


async def test_texts_are_compared_by_rule_and_kept_as_they_are(clinic):
    ehr = clinic.http
    for family in ("Müller", "MULLER", "Mu\u0308ller", "Miller"):
        await ehr.post("Patient", json=patient(family))
    assert ok(await ehr.get("Patient?family=muller"))["total"] == 3
    assert ok(await ehr.get("Patient", params={"family:exact": "Müller"}))["total"] == 1
    families = {
        one["resource"]["name"][0]["family"]
        for one in ok(await ehr.get("Patient?family=muller"))["entry"]
    }
    assert families == {"Müller", "MULLER", "Mu\u0308ller"}


async def test_a_transaction_keeps_the_order_of_members(ehr):
    tree = {"resourceType": "Patient", "birthDate": "1990-05-01", "active": True, "gender": "male"}
    answer = await ehr.post("", json=bundle("transaction", entry("POST", "Patient", tree)))
    stored = answer.json()["entry"][0]["resource"]
    assert [name for name in stored if name in tree] == list(tree)

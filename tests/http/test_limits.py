"""Limits, and what comes of going past them: 413, 414 or 400, never a fault."""

from __future__ import annotations

import gzip
import json

import pytest

from tests.http.answers import made, ok, refused
from tests.http.resources import bundle, entry, patient

MIB = 1024 * 1024
FHIR = {"Content-Type": "application/fhir+json"}
PACKED = {**FHIR, "Content-Encoding": "gzip"}


def of_size(size):
    """A Patient of so many bytes."""
    empty = json.dumps(patient(contact=[{"name": {"text": "%"}}]))
    return empty.replace("%", "x" * (size - len(empty) + 1)).encode()


async def test_a_body_may_be_five_mebibytes(ehr):
    made(await ehr.post("Patient", content=of_size(MIB)))
    for method, address, content_type in (
        ("POST", "Patient", "application/fhir+json"),
        ("PUT", "Patient/1", "application/fhir+json"),
        ("PATCH", "Patient/1", "application/json-patch+json"),
        ("POST", "Patient/_search", "application/x-www-form-urlencoded"),
        ("POST", "Patient/$validate", "application/fhir+json"),
    ):
        headers = {"Content-Type": content_type}
        answer = await ehr.request(method, address, content=of_size(5 * MIB + 1), headers=headers)
        refused(answer, 413, "too-long")


async def test_a_bundle_may_be_sixteen_mebibytes(ehr):
    one = entry("POST", "Patient/$validate", json.loads(of_size(MIB)))
    answer = await ehr.post("", json=bundle("batch", *[one] * 10))
    assert answer.status_code == 200
    refused(await ehr.post("", content=b" " * (16 * MIB + 1)), 413, "too-long")


async def test_a_body_without_a_length_is_counted(ehr):
    async def endless():
        for _ in range(1000):
            yield b" " * MIB

    refused(await ehr.post("Patient", content=endless()), 413, "too-long")


@pytest.mark.parametrize("length", ["9" * 30, "9" * 5000, "99999999999999999999"])
async def test_a_length_that_nobody_sends_is_too_long(ehr, length):
    request = ehr.build_request("POST", "Patient", content=b"{}")
    request.headers["Content-Length"] = length
    refused(await ehr.send(request), 413, "too-long")


@pytest.mark.parametrize("encoding", ["deflate", "br", "zstd", "gzip, gzip", "x-gzip", "x"])
async def test_bodies_come_as_they_are_or_as_gzip(ehr, encoding):
    answer = await ehr.post("Patient", content=b"x", headers={"Content-Encoding": encoding})
    refused(answer, 415, "not-supported")
    assert answer.headers["Accept-Encoding"] == "gzip"


async def test_a_packed_body_is_as_good_as_a_plain_one(ehr):
    plain = json.dumps(patient()).encode()
    for name in ("gzip", "GZip"):
        headers = {**FHIR, "Content-Encoding": name}
        made(await ehr.post("Patient", content=gzip.compress(plain), headers=headers))
    batch = json.dumps(bundle("batch", entry("POST", "Patient", patient()))).encode()
    answer = await ehr.post("", content=gzip.compress(batch), headers=PACKED)
    assert ok(answer)["entry"][0]["response"]["status"] == "201 Created"


@pytest.mark.parametrize("address, most", [("Patient", 5), ("", 16)])
async def test_a_packed_body_may_be_no_larger_when_it_is_open(ehr, address, most):
    open_one = b" " * (most * MIB - 2) + b"[]"
    inside = await ehr.post(address, content=gzip.compress(open_one), headers=PACKED)
    refused(inside, 400)
    for size in (most * MIB + 1, 200 * MIB):
        bomb = gzip.compress(bytes(size), 1)
        refused(await ehr.post(address, content=bomb, headers=PACKED), 413, "too-long")


async def test_what_is_packed_must_be_whole(ehr):
    packed = gzip.compress(json.dumps(patient()).encode())
    wrong_sum = packed[:-8] + bytes(4) + packed[-4:]
    for content in (b"x", b"", packed[:-1], packed[:20], packed + packed, packed + b"x", wrong_sum):
        answer = await ehr.post("Patient", content=content, headers=PACKED)
        refused(answer, 400, "structure")


async def test_nothing_is_opened_for_a_stranger(ehr):
    stranger = {**PACKED, "Authorization": "Bearer x"}
    bomb = gzip.compress(bytes(6 * MIB), 1)
    refused(await ehr.post("Patient", content=bomb, headers=stranger), 401)
    door = ehr.base_url.copy_with(path="/oauth/token")
    at_the_door = await ehr.post(door, content=bomb, headers=PACKED)
    assert (at_the_door.status_code, at_the_door.headers["Accept-Encoding"]) == (415, "identity")


async def test_an_address_may_be_sixteen_kibibytes(ehr):
    assert ok(await ehr.get("Patient?_id=" + "x" * 15_000))["total"] == 0
    refused(await ehr.get("Patient?_id=" + "x" * 17_000), 414, "too-long")
    refused(await ehr.get("Patient/" + "x" * 17_000), 414, "too-long")


@pytest.mark.parametrize("brackets", ["[]", "{}"])
@pytest.mark.parametrize("depth", [101, 500, 100_000])
async def test_json_may_nest_a_hundred_deep(ehr, brackets, depth):
    opening, closing = brackets
    body = (
        '{"resourceType":"Patient","x":'
        + ("[" * depth if opening == "[" else '{"x":' * depth)
        + "1"
        + (closing * depth)
        + "}"
    )
    refused(await ehr.post("Patient", content=body.encode()), 400, "structure")


async def test_extensions_may_nest_as_deep_as_json(ehr):
    def nested(depth):
        tree = {"url": "https://example.org/leaf", "valueBoolean": True}
        for _ in range(depth):
            tree = {"url": "https://example.org/node", "extension": [tree]}
        return patient(extension=[tree])

    made(await ehr.post("Patient", json=nested(40)))
    refused(await ehr.post("Patient", json=nested(60)), 400, "structure")


async def test_a_search_may_have_ten_thousand_values(ehr):
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    async def search(count):
        ids = ",".join(f"id-{number}" for number in range(count))
        return await ehr.post("Patient/_search", content=f"_id={ids}", headers=form)

    assert ok(await search(10_000))["total"] == 0
    refused(await search(10_001), 400, "too-costly")


async def test_parameters_are_counted(ehr):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for content in ("&".join(["active=true"] * 5001), "&".join(["active=true"] * 300)):
        refused(await ehr.post("Patient/_search", content=content, headers=form), 400)


async def test_a_page_has_a_thousand_rows_at_most(ehr):
    answer = ok(await ehr.get("Patient?_count=999999"))
    assert "_count=1000" in answer["link"][0]["url"] or answer["total"] <= 1000
    answer = ok(await ehr.get("Patient/_history?_count=999999"))
    assert "_count=1000" in answer["link"][0]["url"]


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "1e-400", "9" * 5000, "0." + "1" * 5000, "1E+999999999"]
)
async def test_numbers_have_a_size(ehr, number):
    body = (
        '{"resourceType":"Observation","status":"final","code":{"text":"x"},'
        f'"valueQuantity":{{"value":{number}}}}}'
    )
    answer = await ehr.post("Observation", content=body.encode())
    if answer.status_code == 201:
        assert number.encode() in (await ehr.get(made(answer))).content
    else:
        refused(answer, answer.status_code)
        assert answer.status_code in (400, 422)


async def test_a_patch_may_not_grow_without_end(ehr):
    where = made(await ehr.post("Patient", json=patient(contact=[{"name": {"text": "x" * 1000}}])))
    double = [{"op": "copy", "from": "/contact/0", "path": "/contact/-"}] * 20_000
    headers = {"Content-Type": "application/json-patch+json"}
    refused(await ehr.patch(where, content=json.dumps(double), headers=headers), 422, "too-costly")


@pytest.mark.parametrize("name", ["_has:a:b:" * 1700 + "code", "a." * 4000 + "code", ":" * 8000])
async def test_a_parameter_may_have_any_name(ehr, name):
    """It is refused, or ignored as one that nobody knows."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for answer in (
        await ehr.get(f"Patient?{name}=1"),
        await ehr.post("Patient/_search", content=f"{name}=1", headers=form),
    ):
        assert answer.status_code in (200, 400), answer.text

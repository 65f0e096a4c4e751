"""The client's text keeps every byte that the server does not own."""

from __future__ import annotations

from random import Random
from typing import TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.fhir import json
from app.fhir.splice import holds, same_content, splice, stamp


class Stamp(TypedDict):
    id: str
    version_id: str
    last_updated: str


SERVER: Stamp = {"id": "new", "version_id": "7", "last_updated": "2026-11-25T20:00:00.123Z"}
META = '{"versionId":"7","lastUpdated":"2026-11-25T20:00:00.123Z"}'

letters = st.characters(codec="utf-8", exclude_characters="\x00")
numbers = st.from_regex(
    r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?", fullmatch=True
)
keys = st.text(letters, max_size=4) | st.sampled_from(["id", "meta", "a", "versionId"])
values = st.recursive(
    st.text(letters, max_size=8)
    | st.just('}]{["\\')
    | numbers.map(json.number)
    | st.sampled_from([True, False, None]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


def text_of(value: json.JSON, random: Random) -> str:
    """JSON for ``value``, with white space and escapes at random."""
    if isinstance(value, str):
        return '"' + "".join(char_text(char, random) for char in value) + '"'
    if isinstance(value, dict):
        members = [member_text(key, text_of(child, random), random) for key, child in value.items()]
        return "{" + ",".join(members) + space(random) + "}"
    if isinstance(value, list):
        items = [space(random) + text_of(child, random) + space(random) for child in value]
        return "[" + ",".join(items) + space(random) + "]"
    return json.dumps(value).decode()


def member_text(key: str, value: str, random: Random) -> str:
    name = text_of(key, random)
    return f"{space(random)}{name}{space(random)}:{space(random)}{value}{space(random)}"


def char_text(char: str, random: Random) -> str:
    if char not in '"\\' and ord(char) >= 32 and random.random() < 0.7:
        return char
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))


def space(random: Random) -> str:
    return random.choice(["", "", " ", "\n  ", "\t", "\r\n"])


@st.composite
def resources(draw: st.DrawFn) -> dict[str, json.JSON]:
    names = draw(st.permutations(["resourceType", "id", "meta", "a", "ids", "metadata"]))
    chosen = names[: draw(st.integers(0, len(names)))]
    return {name: "Patient" if name == "resourceType" else draw(values) for name in chosen}


@given(resources(), st.integers())
def test_splice_sets_id_and_meta_and_touches_no_other_byte(tree: json.Tree, seed: int) -> None:
    tree = json.parse(json.dumps(tree))  # an integer -0 is 0 from here on
    expected = stamp(tree, **SERVER)
    new = {"id": json.dumps("new").decode(), "meta": json.dumps(expected["meta"]).decode()}
    random = Random(seed)
    given_parts, kept_parts = [], []
    for key, child in tree.items():
        template = member_text(key, "\0", random)
        value = text_of(child, random)
        given_parts.append(template.replace("\0", value))
        kept_parts.append(template.replace("\0", new.get(key, value)))
    text = f" {{{','.join(given_parts)}}}\n".encode()
    kept = f" {{{','.join(kept_parts)}}}\n".encode()

    written = splice(text, json.parse_resource(text), **SERVER)

    assert json.same(json.parse(written), json.parse(json.dumps(expected)))
    inserted = ",".join(f'"{key}":{value}' for key, value in new.items() if key not in tree)
    snippets = ["", inserted, "," + inserted, inserted + ","]
    assert any(
        written == kept[:place] + snippet.encode() + kept[place:]
        for snippet in snippets
        for place in range(len(kept))
    )


@given(numbers, numbers)
def test_number_texts_survive(top: str, inside_meta: str) -> None:
    text = f'{{"meta":{{"extension":[{{"valueDecimal":{inside_meta}}}]}},"n":{top}}}'.encode()
    written = splice(text, json.parse_resource(text), **SERVER).decode()
    assert written.endswith(f',"n":{top}}}')
    # Inside meta an integer loses at most its sign of zero.
    number = "0" if inside_meta == "-0" else inside_meta
    assert f'{{"valueDecimal":{number}}}' in written


@pytest.mark.parametrize(
    "text, expected",
    [
        ('{"resourceType":"Patient"}', f'{{"resourceType":"Patient","id":"new","meta":{META}}}'),
        ("{}", f'{{"id":"new","meta":{META}}}'),
        ('{ "a": 1.50 }', f'{{"id":"new","meta":{META}, "a": 1.50 }}'),
        (
            '{"\\u0069d":"x","a":{"id":1,"meta":2}}',
            f'{{"meta":{META},"\\u0069d":"new","a":{{"id":1,"meta":2}}}}',
        ),
        (
            '{"a":"}{\\"id\\":","id" : "old", "meta":{"versionId":"1"}}',
            f'{{"a":"}}{{\\"id\\":","id" : "new", "meta":{META}}}',
        ),
    ],
)
def test_examples(text: str, expected: str) -> None:
    written = splice(text.encode(), json.parse_resource(text.encode()), **SERVER)
    assert written.decode() == expected


def test_the_clients_meta_stays_in_order_and_the_servers_labels_replace_its_own() -> None:
    text = (
        b'{"meta":{"tag":[{"code":"t"}],"lastUpdated":"1999","source":"s",'
        b'"security":[],"profile":["p"]}}'
    )
    tree = json.parse_resource(text)
    meta = json.parse(splice(text, tree, **SERVER, security=[{"code": "R"}], source="#1"))["meta"]
    assert list(meta) == ["versionId", "lastUpdated", "tag", "source", "security", "profile"]
    assert meta["security"] == [{"code": "R"}]
    assert meta["source"] == "#1"
    assert meta["lastUpdated"] == SERVER["last_updated"]


def test_the_deepest_legal_value_is_walked() -> None:
    deep = b"[" * (json.MAX_DEPTH - 1) + b"]" * (json.MAX_DEPTH - 1)
    text = b'{"a":' + deep + b',"id":"old","meta":{}}'
    written = splice(text, json.parse_resource(text), **SERVER)
    assert written == b'{"a":' + deep + b',"id":"new","meta":' + META.encode() + b"}"


def test_the_given_tree_is_unchanged() -> None:
    tree = json.parse_resource(b'{"id":"old","meta":{"tag":[]}}')
    stamp(tree, **SERVER, source="x")
    assert tree == {"id": "old", "meta": {"tag": []}}


@pytest.mark.parametrize(
    "left, right, equal",
    [
        ({"a": 1}, {"a": 1, "id": "x", "meta": {"versionId": "1", "lastUpdated": "t"}}, True),
        ({"a": 1, "id": "y"}, {"id": "x", "a": 1}, True),
        ({"a": 1}, {"a": 1, "meta": {"tag": [{"code": "x"}]}}, False),
        ({"a": json.number("1.50")}, {"a": json.number("1.5")}, False),
        ({"a": {"id": "x"}}, {"a": {"id": "y"}}, False),
        ({"a": True}, {"a": 1}, False),
    ],
)
def test_same_content(left: json.Tree, right: json.Tree, equal: bool) -> None:
    assert same_content(left, right) is equal


SCORE = {"resourceType": "Observation", "id": "a", "status": "final", "value": {"x": 1}}


@pytest.mark.parametrize(
    "changed, held",
    [
        ({}, True),
        ({"status": "amended"}, False),
        ({"value": {"x": 2}}, False),
        ({"note": [{"text": '"meta":{}'}]}, False),
    ],
)
def test_a_stored_text_holds_what_it_was_made_of(changed: json.Tree, held: bool) -> None:
    stored = splice(
        json.dumps(SCORE), SCORE, id="a", version_id="1", last_updated="2026-01-05T10:00:00Z"
    )
    assert holds(stored, SCORE | changed) is held
    assert not holds(json.dumps(SCORE), SCORE | changed)


def test_a_member_more_than_meta_is_not_overlooked() -> None:
    text = b'{"resourceType":"Observation","meta":{"versionId":"1"},"language":"en","id":"a"}'
    assert not holds(text, {"resourceType": "Observation", "id": "a"})

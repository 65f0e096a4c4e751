"""Traces of words in files: as they are, as programs write them, and compressed."""

from __future__ import annotations

import base64
import html
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from tests.support.octets import octets

_STREAM = re.compile(rb"\x78[\x01\x5e\x9c\xda]|\x1f\x8b\x08")  # zlib and gzip begin so
_LONGEST = 1 << 20
_PACKED = 1 << 16


def forms(word: str) -> Iterator[bytes]:
    """A word as it may stand in a file."""
    plain = word.encode()
    yield from (plain, word.upper().encode(), word[::-1].encode())
    yield from (plain.hex().encode(), plain.hex().upper().encode())
    yield from (word.encode("utf-16-le"), word.encode("utf-16-be"), word.encode("utf-32-le"))
    yield json.dumps(word)[1:-1].encode()
    yield quote(word).encode()
    yield html.escape(word).encode()
    for offset in range(3):  # wherever it begins in what was encoded
        inside = base64.b64encode(b"\0" * offset + plain)
        begin = (offset * 8 + 5) // 6
        yield inside[begin : begin + (len(plain) * 8 - 6) // 6]
    yield base64.b32encode(plain).rstrip(b"=")[:-1]


def traces(content: bytes, words: Iterable[str], *, deep: bool = True) -> set[str]:
    """The words that content holds, also in what is compressed in it."""
    sought = {form: word for word in words for form in forms(word)}
    found = {word for form, word in sought.items() if form in content}
    if deep:
        for match in _STREAM.finditer(content):
            try:
                start = match.start()
                packed = content[start : start + _PACKED]
                inside = zlib.decompressobj(47).decompress(packed, _LONGEST)
            except zlib.error:
                continue
            found |= {word for form, word in sought.items() if form in inside}
    return found


def traces_in_files(places: Iterable[Path], words: Iterable[str]) -> Mapping[str, set[str]]:
    """By file, the words that are traced in it."""
    words = list(words)
    found: dict[str, set[str]] = {}
    for place in places:
        for file in [place] if place.is_file() else sorted(place.rglob("*")):
            if file.is_file() and (seen := traces(octets(file), words)):
                found[str(file)] = seen
    return found

"""Primitive types and the time that a date covers."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.clock import EPOCH, format_instant
from app.fhir.json import number
from app.fhir.primitives import (
    PRIMITIVES,
    date_range,
    is_absolute,
    is_base64,
    is_canonical,
    is_code,
    is_date,
    is_date_time,
    is_decimal,
    is_id,
    is_instant,
    is_language,
    is_mime_type,
    is_oid,
    is_string,
    is_time,
    is_uri,
    is_uuid,
)

SECOND = 1_000_000
DAY = 86_400 * SECOND


def micros(year, month, day, *clock):
    moment = datetime.combine(date(year, month, day), time(*clock), UTC)
    return (moment - EPOCH) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    "text, low, high",
    [
        ("2024", micros(2024, 1, 1), micros(2025, 1, 1)),
        ("2024-02", micros(2024, 2, 1), micros(2024, 3, 1)),
        ("2024-12", micros(2024, 12, 1), micros(2025, 1, 1)),
        ("2024-02-29", micros(2024, 2, 29), micros(2024, 3, 1)),
        ("2024-05-01T10:30", micros(2024, 5, 1, 10, 30), micros(2024, 5, 1, 10, 31)),
        ("2024-05-01T10:30Z", micros(2024, 5, 1, 10, 30), micros(2024, 5, 1, 10, 31)),
        ("2024-05-01T10:30:15", micros(2024, 5, 1, 10, 30, 15), micros(2024, 5, 1, 10, 30, 16)),
        ("2024-05-01T10:00:00+02:00", micros(2024, 5, 1, 8), micros(2024, 5, 1, 8, 0, 1)),
        ("2024-05-01T10:00:00-09:30", micros(2024, 5, 1, 19, 30), micros(2024, 5, 1, 19, 30, 1)),
        ("2024-01-01T00:00:00+14:00", micros(2023, 12, 31, 10), micros(2023, 12, 31, 10, 0, 1)),
        ("1969-12-31T23:59:59Z", -SECOND, 0),
        ("0001-01-01", micros(1, 1, 1), micros(1, 1, 2)),
        ("9999", micros(9999, 1, 1), micros(9999, 12, 31) + DAY),
        ("9999-12-31T23:59:60Z", micros(9999, 12, 31) + DAY, micros(9999, 12, 31) + DAY + SECOND),
        ("2016-12-31T23:59:60Z", micros(2017, 1, 1), micros(2017, 1, 1) + SECOND),
    ],
)
def test_a_date_covers_its_precision(text, low, high):
    assert date_range(text) == (low, high)


@pytest.mark.parametrize(
    "fraction, start, length",
    [
        ("1", 100_000, 100_000),
        ("12", 120_000, 10_000),
        ("123", 123_000, 1_000),
        ("123456", 123_456, 1),
        ("123456789", 123_456, 1),
        ("000", 0, 1_000),
    ],
)
def test_a_fraction_covers_its_last_digit(fraction, start, length):
    second = micros(2024, 5, 1, 10)
    low, high = date_range(f"2024-05-01T10:00:00.{fraction}Z")
    assert (low - second, high - low) == (start, length)


@pytest.mark.parametrize(
    "text",
    [
        *("", "24", "2024-13", "2024-00", "2024-02-30", "2023-02-29", "1900-02-29", "2024-1-1"),
        *(
            "0000",
            "0000-01-01",
            "2024-05-01T",
            "2024-05-01T10",
            "2024-05-01T24:00",
            "2024-05T10:00",
        ),
        *("2024-05-01T10:60", "2024-05-01T10:00:61", "2024-05-01T10:00:00+14:30", "2024-05-01Z"),
        *("2024\n", " 2024", "٢٠٢٤", "２０２４", "2024-05-01t10:00", "2024-05-01T10:00z", "-2024"),
    ],
)
def test_what_is_no_date_has_no_range(text):
    with pytest.raises(ValueError, match="not a date"):
        date_range(text)


@given(st.integers(micros(1000, 1, 1) // 1000, micros(9999, 12, 31) // 1000))
def test_an_instant_of_the_clock_covers_its_millisecond(millis):
    text = format_instant(millis * 1000)
    assert date_range(text) == (millis * 1000, millis * 1000 + 1000)
    assert is_instant(text)


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)), st.integers(1, 3))  # noqa: DTZ001
def test_a_longer_date_lies_within_a_shorter_one(moment, steps):
    text = moment.isoformat(timespec="seconds") + "Z"
    parts = [text[:4], text[:7], text[:10], text]
    outer, inner = date_range(parts[steps - 1]), date_range(parts[steps])
    assert outer[0] <= inner[0] < inner[1] <= outer[1]
    assert all(is_date_time(part) for part in parts)
    assert [is_date(part) for part in parts] == [True, True, True, False]


NOT_TEXT = [None, True, 1, [], {}, ["a"], {"a": 1}, number("1.5")]


@pytest.mark.parametrize("name", PRIMITIVES)
def test_a_predicate_takes_anything(name):
    for value in (*NOT_TEXT, "", "\x00", "\n", " ", "ä", "\U0010ffff", "1"):
        assert PRIMITIVES[name](value) in (True, False)


@pytest.mark.parametrize("name", sorted(set(PRIMITIVES) - {"boolean", "decimal", "integer"}))
def test_only_text_is_text(name):
    if name not in {"positiveInt", "unsignedInt"}:
        assert not any(PRIMITIVES[name](value) for value in NOT_TEXT)


@pytest.mark.parametrize(
    "predicate, good, bad",
    [
        (is_id, ["a", "A.b-9", "x" * 64], ["", "x" * 65, "a_b", "a b", "ä", "a\n", "٣"]),
        (is_code, ["a", "a b", "-", "ä"], ["", " a", "a ", "a  b", "a\tb", "a\u00a0b", "a\nb"]),
        (is_string, ["a", " ", "\t", "ä\n", "\u200b"], ["", "\x00", "a\x0b", "\x1f"]),
        (is_uri, ["a", "http://x.y/z?a=b|c#d", "urn:oid:1.2", "ü"], ["", "a b", "<", "urn:oid:x"]),
        (is_canonical, ["http://x/y|1.0", "urn:uuid:" + "0" * 8, "#a"], ["x", "#", "#a|1"]),
        (is_oid, ["urn:oid:1.2.0"], ["1.2", "urn:oid:3.1", "urn:oid:1", "urn:oid:1.02"]),
        (is_uuid, [], ["urn:uuid:1", "0b4a4d4e-5d3f-4b60-9a77-0a8f9d1f2a3b"]),
        (is_base64, ["aGk=", "aGVs\nbG8="], ["aGk", "aG=k", "a", "====", "aGk=aGk=", "ä==="]),
        (is_time, ["00:00:00", "23:59:60.123"], ["24:00:00", "1:00:00", "10:00", "10:00:00Z"]),
        (is_language, ["en", "de-CH", "zh-Hant-TW", "x-a", "i-klingon"], ["", "e", "en_US", "en-"]),
        (is_mime_type, ["a/b", "a/b;c=d", 'a/b; c="d e"'], ["a", "a/", "a/b;", "a /b", "a/b; c"]),
    ],
)
def test_good_and_bad_texts(predicate, good, bad):
    if predicate is is_canonical:
        good = [text for text in good if not text.startswith("urn:uuid")]
    assert [text for text in good if not predicate(text)] == []
    assert [text for text in bad if predicate(text)] == []


def test_an_absolute_uri_begins_with_a_scheme():
    assert is_absolute("http://x")
    assert is_absolute("urn:oid:1.2")
    assert not any(is_absolute(text) for text in ("x", "/x", "x/y", "http:", "https://", ":x"))


def test_a_decimal_is_any_number_that_can_be_computed_with():
    for text in ("0", "-0.0", "1.50", "0." + "1" * 25, "1E-10", "-1.5e+300", "1" * 900 + ".5"):
        assert is_decimal(number(text))
    for text in ("1e100000", "1e-99999999999999999999", "0." + "1" * 2000):
        assert not is_decimal(number(text))
    assert is_decimal(10**900)
    assert not is_decimal(10**5000)
    assert not is_decimal(True)


HOSTILE = ["a" * 200_000, "1" * 200_000, "a " * 100_000, "-" * 200_000, "a-" * 100_000]
HOSTILE += ["urn:oid:1" + ".1" * 100_000, "http://" + "a/" * 100_000, "a/b" + ";a=b" * 50_000]


@pytest.mark.parametrize("name", PRIMITIVES)
def test_patterns_are_linear(name):
    # A pattern that goes back on itself would not come back from these.
    for text in HOSTILE:
        for tail in ("", "\x00", " "):
            assert PRIMITIVES[name](text + tail) in (True, False)
            assert is_language(text + tail) in (True, False)
            assert is_mime_type(text + tail) in (True, False)

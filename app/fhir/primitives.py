r"""The primitive types: what each may look like, and the time that a date covers.

https://hl7.org/fhir/R4/datatypes.html. A predicate takes any JSON value and never raises; all
patterns are linear in the length of the text and match ASCII digits only. Where a published
pattern and its text differ the text counts: ``\d`` is not a digit of any script, a calendar has
no 30 February, a string holds no control characters.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from calendar import monthrange
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeAlias

import jiter

from app.fhir.json import JSON

Predicate: TypeAlias = Callable[[JSON], bool]

MAX_STRING = 1024 * 1024  # characters; datatypes.html#string
MAX_DIGITS = 1000  # of a decimal, and of its exponent's magnitude: what an index can hold exactly

_ZONE = r"(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]{1,100})?"
_DAY = r"(?!0000)[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"

_STRING = re.compile(rf"[^\x00-\x08\x0b\x0c\x0e-\x1f]{{1,{MAX_STRING}}}").fullmatch
_CODE = re.compile(r"[^\s\x00-\x1f]+(?: [^\s\x00-\x1f]+)*").fullmatch
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}").fullmatch
_ELEMENT_ID = re.compile(r"[^\s\x00-\x1f]+").fullmatch
_URI = re.compile(r'[^\s\x00-\x1f\x7f<>"\\^`{}]+').fullmatch
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:(?!//?$).").match
_OID = re.compile(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+").fullmatch
_UUID = re.compile(r"urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_ANY_UUID = re.compile(r"urn:uuid:[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}").fullmatch
_DATE = re.compile(rf"{_DAY}|(?!0000)[0-9]{{4}}(?:-(?:0[1-9]|1[0-2]))?").fullmatch
_DATE_TIME = re.compile(
    rf"{_DAY}(?:T{_CLOCK}{_ZONE})?|(?!0000)[0-9]{{4}}(?:-(?:0[1-9]|1[0-2]))?"
).fullmatch
_INSTANT = re.compile(rf"{_DAY}T{_CLOCK}{_ZONE}").fullmatch
_TIME = re.compile(_CLOCK).fullmatch
_LANGUAGE = re.compile(
    r"(?:[A-Za-z]{2,3}(?:-[A-Za-z]{3}){0,3}|[A-Za-z]{4,8})(?:-[A-Za-z0-9]{1,8})*"
    r"|[xXiI](?:-[A-Za-z0-9]{1,8})+"
).fullmatch
_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~\-]+"
_MIME = re.compile(
    rf'{_TOKEN}/{_TOKEN}(?:[ \t]*;[ \t]*{_TOKEN}=(?:{_TOKEN}|"[^"\\\x00-\x1f]*"))*'
).fullmatch
_SPACE = {ord(character): None for character in " \t\r\n"}


def is_boolean(value: JSON) -> bool:
    """``true`` or ``false``."""
    return value is True or value is False


def is_integer(value: JSON) -> bool:
    """A whole number of 32 bits, signed."""
    return value.__class__ is int and -0x8000_0000 <= value <= 0x7FFF_FFFF


def is_unsigned_int(value: JSON) -> bool:
    """A whole number from 0 up."""
    return value.__class__ is int and 0 <= value <= 0x7FFF_FFFF


def is_positive_int(value: JSON) -> bool:
    """A whole number from 1 up."""
    return value.__class__ is int and 0 < value <= 0x7FFF_FFFF


def is_decimal(value: JSON) -> bool:
    """A JSON number; absurd lengths and exponents are refused so that it stays computable."""
    if value.__class__ is int:
        return -(10**MAX_DIGITS) < value < 10**MAX_DIGITS if value.bit_length() > 63 else True
    if not isinstance(value, jiter.LosslessFloat):
        return False
    mantissa, _, exponent = str(value).lower().partition("e")
    digits = exponent.lstrip("+-0")
    return len(mantissa) <= MAX_DIGITS and (len(digits) < 4 or digits == str(MAX_DIGITS))


def is_string(value: JSON) -> bool:
    """Not empty, no control characters but tab, CR and LF, no longer than 1 Mi characters."""
    if value.__class__ is not str:
        return False
    # Nearly every string is printable, which is told faster than by a pattern.
    if value.isprintable():
        return 0 < len(value) <= MAX_STRING
    return _STRING(value) is not None


def is_code(value: JSON) -> bool:
    """No white space but single spaces within."""
    return value.__class__ is str and _CODE(value) is not None


def is_id(value: JSON) -> bool:
    """1 to 64 letters, digits, ``-`` and ``.``."""
    return value.__class__ is str and _ID(value) is not None


def is_element_id(value: JSON) -> bool:
    """``Element.id``: any string without white space."""
    return value.__class__ is str and _ELEMENT_ID(value) is not None


def is_uri(value: JSON) -> bool:
    """A URI reference, RFC 3986 (characters of other scripts are let through).

    ``urn:oid:`` and ``urn:uuid:`` must hold what they promise.
    """
    if value.__class__ is not str:
        return False
    return _remembered_uri(value) if len(value) < 256 else _uri(value)


def _uri(value: str) -> bool:
    if value.startswith("urn:oid:"):
        return _OID(value) is not None
    if value.startswith("urn:uuid:"):
        return _ANY_UUID(value) is not None
    return _URI(value) is not None


# The same few systems and profiles come again and again.
_remembered_uri = lru_cache(maxsize=2048)(_uri)


def is_absolute(uri: str) -> bool:
    """Whether a URI begins with a scheme and goes on."""
    return _ABSOLUTE(uri) is not None


def is_canonical(value: JSON) -> bool:
    """An absolute URI, with ``|version`` perhaps, or ``#id`` of a contained resource."""
    if not is_uri(value.partition("|")[0] if value.__class__ is str else value):
        return False
    url, bar, version = value.partition("|")
    if url.startswith("#"):
        return _ID(url[1:]) is not None and not bar
    return is_absolute(url) and (not bar or _URI(version) is not None)


def is_oid(value: JSON) -> bool:
    """``urn:oid:1.2.3``."""
    return value.__class__ is str and _OID(value) is not None


def is_uuid(value: JSON) -> bool:
    """``urn:uuid:`` and a UUID in lower case."""
    return value.__class__ is str and _UUID(value) is not None


def is_base64(value: JSON) -> bool:
    """RFC 4648 with padding; white space is ignored, as readers should."""
    if value.__class__ is not str or not value:
        return False
    try:
        return bool(a2b_base64(value.translate(_SPACE), strict_mode=True))
    except ValueError:
        return False


def is_date(value: JSON) -> bool:
    """``2024``, ``2024-05`` or ``2024-05-01``, a day that the calendar has."""
    return value.__class__ is str and _DATE(value) is not None and _in_calendar(value)


def is_date_time(value: JSON) -> bool:
    """A date, or a day and time with seconds and a zone."""
    return value.__class__ is str and _DATE_TIME(value) is not None and _in_calendar(value)


def is_instant(value: JSON) -> bool:
    """A day and time with seconds and a zone."""
    return value.__class__ is str and _INSTANT(value) is not None and _in_calendar(value)


def is_time(value: JSON) -> bool:
    """``hh:mm:ss`` and perhaps a fraction."""
    return value.__class__ is str and _TIME(value) is not None


def is_language(value: JSON) -> bool:
    """A well-formed BCP 47 tag."""
    return value.__class__ is str and _LANGUAGE(value) is not None


def is_mime_type(value: JSON) -> bool:
    """``type/subtype`` and perhaps parameters, BCP 13."""
    return value.__class__ is str and _MIME(value) is not None


PRIMITIVES: Mapping[str, Predicate] = {
    "base64Binary": is_base64,
    "boolean": is_boolean,
    "canonical": is_canonical,
    "code": is_code,
    "date": is_date,
    "dateTime": is_date_time,
    "decimal": is_decimal,
    "id": is_id,
    "instant": is_instant,
    "integer": is_integer,
    "markdown": is_string,
    "oid": is_oid,
    "positiveInt": is_positive_int,
    "string": is_string,
    "time": is_time,
    "unsignedInt": is_unsigned_int,
    "uri": is_uri,
    "url": is_uri,
    "uuid": is_uuid,
    "xhtml": is_string,
}

_RANGE = re.compile(
    r"(?!0000)(?P<year>[0-9]{4})"
    r"(?:-(?P<month>0[1-9]|1[0-2])"
    r"(?:-(?P<day>0[1-9]|[12][0-9]|3[01])"
    r"(?:T(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9])"
    r"(?::(?P<second>[0-5][0-9]|60)(?:\.(?P<fraction>[0-9]{1,100}))?)?"
    rf"(?P<zone>{_ZONE})?)?)?)?"
).fullmatch

_MINUTE = 60_000_000
_DAY_MICROS = 86_400_000_000


def date_range(text: str) -> tuple[int, int]:
    """The time that a date, dateTime or instant covers: first microsecond, and first after.

    Microseconds since the epoch, UTC; without a zone UTC is meant. Seconds may be missing, as
    search allows. A fraction covers its last digit (``.12`` is 10 ms long), a leap second the
    second after ``:59``. ``ValueError`` where the text is no date.
    """
    match = _RANGE(text)
    if match is None or not _in_calendar(text):
        raise ValueError("not a date")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    if month is None:
        return _micros(int(year)), _micros(int(year) + 1)
    if day is None:
        following = (int(year) + 1, 1) if month == "12" else (int(year), int(month) + 1)
        return _micros(int(year), int(month)), _micros(*following)
    low = _micros(int(year), int(month), int(day))
    if hour is None:
        return low, low + _DAY_MICROS
    low += (int(hour) * 60 + int(minute) - _offset(zone)) * _MINUTE
    if second is None:
        return low, low + _MINUTE
    low += int(second) * 1_000_000
    if fraction is None:
        return low, low + 1_000_000
    low += int(fraction[:6].ljust(6, "0"))
    return low, low + 10 ** max(0, 6 - len(fraction))


def _in_calendar(text: str) -> bool:
    # The patterns let through 29 to 31 in any month.
    if len(text) < 10 or text[8:10] < "29":
        return True
    return int(text[8:10]) <= monthrange(int(text[:4]), int(text[5:7]))[1]


def _offset(zone: str | None) -> int:
    if zone is None or zone == "Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    return -minutes if zone[0] == "-" else minutes


def _micros(year: int, month: int = 1, day: int = 1) -> int:
    # Counted by hand: the end of 9999 lies in a year that ``datetime`` does not have.
    shifted = year - (month <= 2)
    era_day = (shifted * 365 + shifted // 4 - shifted // 100 + shifted // 400) + (
        (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    )
    return (era_day - 719_468) * _DAY_MICROS

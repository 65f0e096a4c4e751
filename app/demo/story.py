"""Who is in the demo clinic, and how their sessions went.

A rating is the five answers of a pulse, 0 to 4, in the order B1 G1 T1 S2 O1 (S2 asks about
what was kept back: high is bad). The therapist's is a level from 0 to 4 for each item.
"""

from __future__ import annotations

from dataclasses import dataclass

Ratings = tuple[tuple[int, int, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Person:
    """Someone with an id, a family and a given name; ``part`` is their part in the clinic."""

    key: str
    family: str
    given: str
    gender: str = ""
    born: str = ""
    part: str | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """One client's course of therapy: ratings per session, a week apart."""

    key: str
    client: str
    therapist: str
    client_ratings: Ratings
    therapist_levels: tuple[int, ...]
    couple: bool = False


THERAPISTS = (
    Person("therapist-a", "Haddad", "Amal", "female"),
    Person("therapist-b", "Okafor", "Chidi", "male"),
    Person("supervisor", "Lindqvist", "Maja", "female", part="deputy-clinical-lead"),
    Person("clinical-lead", "Rahman", "Sami", "male", part="clinical-lead"),
)
CLIENTS = (
    Person("client-1", "Costa", "Nadia", "female", "1988-04-12"),
    Person("client-2", "Meyer", "Jonas", "male", "1979-11-30"),
    Person("partner-a", "Farouk", "Layla", "female", "1990-02-03"),
    Person("partner-b", "Farouk", "Karim", "male", "1987-09-21"),
)
OTHER_THERAPIST = Person("other-therapist", "Novak", "Petra", "female")
OTHER_CLIENT = Person("other-client", "Silva", "Rui", "male", "1993-06-17")

# Each course has a fall that comes back within three sessions, and one that does not.
_INDIVIDUAL: Ratings = (
    (3, 3, 3, 1, 3), (3, 4, 3, 1, 3), (2, 2, 2, 1, 2), (3, 4, 3, 1, 3),
    (4, 4, 3, 1, 3), (4, 4, 3, 1, 3), (3, 2, 2, 1, 2), (3, 3, 2, 1, 2),
    (3, 3, 2, 1, 2), (3, 3, 2, 1, 3),
)  # fmt: skip
_SECOND: Ratings = (
    (3, 3, 3, 1, 3), (3, 4, 3, 1, 3), (3, 4, 3, 1, 3), (3, 2, 2, 1, 2),
    (3, 3, 3, 1, 3), (3, 4, 3, 1, 3), (4, 4, 3, 1, 3), (4, 4, 3, 1, 3),
    (3, 2, 2, 1, 2), (3, 3, 2, 1, 2), (3, 3, 2, 1, 2), (3, 3, 2, 1, 3),
)  # fmt: skip
_COUPLE_A: Ratings = (
    (3, 3, 2, 1, 3), (3, 3, 3, 1, 3), (3, 3, 3, 1, 3), (2, 2, 2, 2, 2),
    (3, 2, 2, 1, 2), (3, 3, 3, 1, 3), (3, 4, 3, 1, 3), (2, 2, 2, 1, 2),
    (2, 2, 2, 1, 2), (3, 2, 2, 1, 2), (3, 2, 2, 1, 2),
)  # fmt: skip
_COUPLE_B: Ratings = (
    (3, 4, 3, 1, 3), (3, 4, 3, 1, 3), (3, 2, 2, 1, 2), (3, 4, 3, 1, 3),
    (4, 4, 3, 1, 3), (4, 4, 3, 1, 3), (4, 4, 3, 1, 3), (3, 3, 2, 1, 2),
    (3, 3, 2, 1, 3), (3, 3, 2, 1, 3), (3, 3, 2, 1, 2),
)  # fmt: skip

COURSES = (
    Course("individual", "client-1", "therapist-a", _INDIVIDUAL, (3, 3, 3, 3, 3, 3, 3, 3, 2, 3)),
    Course("client-2", "client-2", "therapist-b", _SECOND, (3, 3, 3, 3, 3, 3, 3, 4, 3, 3, 3, 3)),
    Course(
        "couple-a",
        "partner-a",
        "therapist-a",
        _COUPLE_A,
        (3, 3, 3, 2, 2, 3, 3, 3, 2, 2, 2),
        couple=True,
    ),
    Course(
        "couple-b",
        "partner-b",
        "therapist-a",
        _COUPLE_B,
        (3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 3),
        couple=True,
    ),
)
OTHER_COURSES = (
    Course("other", "other-client", "other-therapist", _INDIVIDUAL, (3, 3, 3, 3, 3, 3, 3, 3, 3, 3)),
)

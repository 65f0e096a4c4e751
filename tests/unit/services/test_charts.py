"""A picture holds what a reader is told, in any language, and draws without complaint."""

from __future__ import annotations

from decimal import Decimal

import pytest
from defusedxml.ElementTree import fromstring

from app.services.charts import Line, Mark, Panel, Picture
from app.services.drawing import draw

SVG = "{http://www.w3.org/2000/svg}"


def picture(language="en", **more):
    line = Line("Client <1>", "client", ((1, Decimal(70)), (2, Decimal("55.25")), (4, Decimal(70))))
    mark = Mark(2, Decimal("55.25"), "repaired", "Repaired", "Session 2: & <fell>.")
    values = {
        "language": language,
        "title": "A title",
        "session": "Session",
        "score": "Score",
        "no_answer": "No answer",
        "nothing": "Nothing",
        "notice": None,
        "sessions": 4,
        "missing": (3,),
        "panels": (Panel("Panel", Decimal(0), Decimal(100), (line,), (mark,)),),
    }
    return Picture(**{**values, **more})


def test_what_is_shown_is_told_in_words():
    assert list(picture().rows) == [
        "Panel, Client <1>: Session 1 70.0; Session 2 55.3; Session 4 70.0",
        "Session 2: & <fell>.",
        "No answer: 3",
    ]


def test_the_same_picture_is_the_same_bytes():
    assert draw(picture(), "svg") == draw(picture(), "svg")


def test_words_of_others_cannot_become_markup():
    root = fromstring(draw(picture(), "svg"))
    assert "<fell>" in (root.findtext(f"{SVG}desc") or "")
    assert [each.text for each in root.iter(f"{SVG}title")][1] == "Session 2: & <fell>."


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("format", ["svg", "png"])
def test_nothing_at_all_can_be_drawn(language, format):
    assert draw(picture(language, panels=(), missing=(), sessions=0), format)

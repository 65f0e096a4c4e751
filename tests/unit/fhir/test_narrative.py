"""Narratives hold formatting, and nothing that runs or loads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.fhir.narrative import MAX_LENGTH, MAX_PROBLEMS, problems


def div(content: str, attributes: str = "") -> str:
    return f'<div xmlns="http://www.w3.org/1999/xhtml"{attributes}>{content}</div>'


@pytest.mark.parametrize(
    "text",
    [
        div("text"),
        div("<p>a <b>b</b><br/> &amp; &lt; &#160; &#xe9;</p>"),
        div('<img src="#logo" alt="x"/>'),
        div("x", ' xml:lang="de" lang="de" class="c" style="color: red; margin: 1px 2px"'),
        div('<a href="https://x.example/a b?c=d#e">l</a><a name="n">m</a>'),
        div(
            '<a href="Patient/1">l</a><a href="#n">m</a><a href="mailto:a@b">n</a><a href="">o</a>'
        ),
        div('<a href="urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0">l</a><a href="a?b:c">x</a>'),
        div(
            '<table summary="s" border="1"><tr><td rowspan="2" nowrap="nowrap">x</td></tr></table>'
        ),
        "\n  " + div("text") + "\n",
        div('<div xmlns="http://www.w3.org/1999/xhtml">x</div>'),
        div("<ul>" + "<li>x</li>" * 5_000 + "</ul>"),
        div("<i>" * 5_000 + "x" + "</i>" * 5_000),
    ],
)
def test_what_is_allowed(text: str) -> None:
    assert problems(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text",
        "<p>x</p>",
        "<div>x</div>",
        '<div xmlns="http://www.w3.org/2000/svg">x</div>',
        '<h:div xmlns:h="http://www.w3.org/1999/xhtml">x</h:div>',
        div(""),
        div(" \n&#160;<p/>"),
        div("<b>x"),
        div("x") + div("y"),
        div("x") + "y",
        div("&nbsp;"),
        div("&#0;"),
        div("&#xD800;"),
        div("\ud800"),
        div("\x00"),
        div("<p a=b>x</p>"),
        div('<p class="a" class="b">x</p>'),
        div("<script>x</script>"),
        div("<SCRIPT>x</SCRIPT>"),
        div("<B>x</B>"),
        div("<style>p{}</style>"),
        div("<iframe/>x"),
        div("<form><input/></form>x"),
        div("<meta/>x"),
        div("<base/>x"),
        div("<link/>x"),
        div("<object/>x"),
        div("<embed/>x"),
        div("<html/>x"),
        div("<body/>x"),
        div("<ins>x</ins>"),
        div('<svg xmlns="http://www.w3.org/2000/svg"/>x'),
        div("<math/>x"),
        div('<x:p xmlns:x="http://www.w3.org/1999/xhtml">x</x:p>'),
        div('<p xmlns="http://evil">x</p>'),
        div('<div xmlns="http://evil">x</div>'),
        div('<p onclick="x()">x</p>'),
        div('<img src="#a" onerror="x()"/>'),
        div('<img src="https://x.example/a.png"/>'),
        div('<img src="//x.example/a.png"/>'),
        div('<img src="data:image/png;base64,AAAA"/>'),
        div('<img src="a.png"/>'),
        div('<a href="javascript:x()">x</a>'),
        div('<a href=" javascript:x()">x</a>'),
        div('<a href="java&#10;script:x()">x</a>'),
        div('<a href="&#106;avascript:x()">x</a>'),
        div('<a href="JaVaScRiPt:x()">x</a>'),
        div('<a href="data:text/html,x">x</a>'),
        div('<a href="vbscript:x">x</a>'),
        div('<a href="file:///etc/passwd">x</a>'),
        div('<a href="https:\\\\x">x</a>'),
        div('<blockquote cite="javascript:x">x</blockquote>'),
        div('<a href="#" target="_blank">x</a>'),
        div("x", ' style="background: url(https://x)"'),
        div("x", ' style="background: u\\72l(https://x)"'),
        div("x", ' style="width: expression(x)"'),
        div("x", ' style="width: expr/**/ession(x)"'),
        div("x", ' style="behavior: x"'),
        div("x", ' style="-moz-binding: x"'),
        div("<!-- c -->x"),
        div("<![CDATA[x]]>"),
        div("<?php x ?>x"),
        '<?xml version="1.0"?>' + div("x"),
        '<!DOCTYPE div [<!ENTITY a "b">]>' + div("&a;"),
        '<!DOCTYPE div SYSTEM "http://x.example/d">' + div("x"),
        div("x" * MAX_LENGTH),
    ],
)
def test_what_is_refused(text: str) -> None:
    assert problems(text) != []


def test_every_problem_is_reported_with_its_place_and_no_content() -> None:
    text = div('<secret>x</secret>\n<p onclick="secret">y</p><a href="javascript:secret">z</a>')
    assert problems(text) == [
        "txt-1: element not allowed (line 1, column 43)",
        "txt-1: attribute not allowed (line 2, column 1)",
        "txt-1: value of href not allowed (line 2, column 26)",
    ]


def test_problems_are_bounded() -> None:
    assert len(problems(div("<x/>" * 1_000 + "y"))) == MAX_PROBLEMS


@given(
    st.lists(st.sampled_from(["<", ">", "/", "div", "p", "!", "&", ";", "#", '"', "=", " ", "x"]))
)
def test_any_text_is_judged(parts: list[str]) -> None:
    problems(div("".join(parts)))
    problems("".join(parts))

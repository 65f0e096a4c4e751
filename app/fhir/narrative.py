"""Narrative XHTML by the rules of R4: https://hl7.org/fhir/R4/narrative.html (txt-1, txt-2).

Narratives reach browsers, so the rule is an allow-list: what is not named here is refused, and
nothing in a narrative runs, loads from elsewhere or leads to a script.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.parsers import expat

XMLNS = "http://www.w3.org/1999/xhtml"
MAX_LENGTH = 1_000_000
# More than a person reads; a hostile text could have one every four bytes.
MAX_PROBLEMS = 50

_ELEMENTS = frozenset(
    (
        *("a", "abbr", "acronym", "address", "area", "b", "bdo", "big", "blockquote", "br"),
        *("caption", "cite", "code", "col", "colgroup", "dd", "dfn", "div", "dl", "dt", "em"),
        *("h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "kbd", "li", "map", "ol", "p"),
        *("pre", "q", "samp", "small", "span", "strong", "sub", "sup", "table", "tbody", "td"),
        *("tfoot", "th", "thead", "tr", "tt", "ul", "var"),
    )
)
_ANYWHERE = frozenset(
    (
        *("abbr", "accesskey", "align", "axis", "char", "charoff", "class", "colspan", "dir"),
        *("headers", "id", "lang", "rowspan", "scope", "span", "style", "tabindex", "title"),
        *("valign", "width", "xml:lang"),
    )
)
_ON_ELEMENT: Mapping[str, frozenset[str]] = {
    "a": frozenset(
        ("charset", "coords", "href", "hreflang", "name", "rel", "rev", "shape", "type")
    ),
    "area": frozenset(("alt", "coords", "href", "nohref", "shape")),
    "blockquote": frozenset(("cite",)),
    "div": frozenset(("xmlns",)),
    "img": frozenset(("alt", "border", "height", "ismap", "longdesc", "src", "usemap")),
    "map": frozenset(("name",)),
    "pre": frozenset(("xml:space",)),
    "q": frozenset(("cite",)),
    "table": frozenset(("border", "cellpadding", "cellspacing", "frame", "rules", "summary")),
    "td": frozenset(("nowrap",)),
    "th": frozenset(("nowrap",)),
}
_LINKS = frozenset(("cite", "href", "longdesc"))
_INTERNAL = frozenset(("src", "usemap"))

# A known scheme, or none: a browser drops control characters, so there may be none to drop.
_SAFE_LINK = re.compile(
    r"(?:(?:https?|mailto|tel|urn):|[^:/?#\\\x00-\x20]*(?:[/?#]|\Z))[^\\\x00-\x1f]*", re.IGNORECASE
)
_SAFE_FRAGMENT = re.compile(r"#[^\s\\\x00-\x20]+")
# CSS that loads or runs, and the escapes and comments that could hide it.
_UNSAFE_STYLE = re.compile(
    r"url|expression|script|import|behavio|binding|[\\@<]|/\*", re.IGNORECASE
)


def problems(div: str) -> list[str]:
    """Every rule that a ``Narrative.div`` breaks, with line and column; none is good."""
    if len(div) > MAX_LENGTH:
        return [f"longer than {MAX_LENGTH} characters"]
    # In well-formed XML these begin a DTD, comment, CDATA section or processing instruction,
    # so past this line there are no declarations, and so no entities but those of XML.
    if "<!" in div or "<?" in div:
        return ["no DTD, comment, CDATA section or processing instruction may stand in a narrative"]
    return _Reader().read(div)


class _Reader:
    """Listens to the parser; names are raw, so a namespace prefix is an unknown element."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.depth = 0
        self.has_content = False
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.text

    def read(self, div: str) -> list[str]:
        try:
            self.parser.Parse(div, True)  # noqa: FBT003 - expat's own signature: the last chunk
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            return [f"not XHTML: {reason} (line {error.lineno}, column {error.offset + 1})"]
        except UnicodeEncodeError:
            return ["not XHTML: not Unicode text"]
        if not self.has_content:
            self.found.append("txt-2: no text and no image")
        return self.found

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if self.depth == 0 and (name != "div" or attributes.get("xmlns") != XMLNS):
            self.note("the root is not a div in the XHTML namespace")
        self.depth += 1
        self.has_content = self.has_content or name == "img"
        if name not in _ELEMENTS:
            self.note("txt-1: element not allowed")
            return
        own = _ON_ELEMENT.get(name, frozenset())
        for attribute, value in attributes.items():
            if attribute not in _ANYWHERE and attribute not in own:
                self.note("txt-1: attribute not allowed")
            elif not _is_safe(attribute, value):
                self.note(f"txt-1: value of {attribute} not allowed")

    def end(self, _: str) -> None:
        self.depth -= 1

    def text(self, data: str) -> None:
        self.has_content = self.has_content or not data.isspace()

    def note(self, what: str) -> None:
        if len(self.found) >= MAX_PROBLEMS:
            return
        at = self.parser
        place = f"(line {at.CurrentLineNumber}, column {at.CurrentColumnNumber + 1})"
        self.found.append(f"{what} {place}")


def _is_safe(attribute: str, value: str) -> bool:
    if attribute in _LINKS:
        return _SAFE_LINK.fullmatch(value) is not None
    if attribute in _INTERNAL:
        return _SAFE_FRAGMENT.fullmatch(value) is not None
    if attribute == "style":
        return _UNSAFE_STYLE.search(value) is None
    return attribute != "xmlns" or value == XMLNS

"""Text to tree, in one pass.

Precedence as in https://hl7.org/fhirpath/N1/#operator-precedence: path, ``is`` and ``as``,
``|``, ``=`` and ``!=``, ``and``, ``or``.
"""

from __future__ import annotations

import re
from typing import NoReturn

from app.core.errors import AppError, Category
from app.fhir import definitions
from app.fhir.json import number
from app.fhir.paths.tree import (
    Call,
    Equal,
    Expression,
    Head,
    Index,
    Is,
    Literal,
    Logic,
    Member,
    OfType,
    This,
    Union,
)

MAX_LENGTH = 10_000
# The tree is as deep as the path is long, and so is the stack that walks it.
MAX_TOKENS = 500
MAX_NESTING = 25

# Functions and how many arguments each may have.
FUNCTIONS = {
    "where": (1, 1),
    "exists": (0, 1),
    "empty": (0, 0),
    "not": (0, 0),
    "first": (0, 0),
    "last": (0, 0),
    "extension": (1, 1),
    "hasExtension": (1, 1),
    "resolve": (0, 0),
    "hasValue": (0, 0),
}
_TYPE_FUNCTIONS = ("as", "ofType", "is")

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^'\\]|\\.)*')
      | (?P<number>[0-9]+(?:\.[0-9]+)?)
      | (?P<quoted>`[^`\\]+`)
      | (?P<name>\$this|[A-Za-z_][A-Za-z0-9_]*)
      | (?P<symbol>!=|[.()\[\],|=-])
      | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def parse(text: str) -> Expression:
    """The tree of a path; ``unprocessable`` where it is not one that this server knows."""
    if len(text) > MAX_LENGTH:
        _refuse(f"longer than {MAX_LENGTH} characters")
    return _Parser(text).whole()


def _refuse(why: str) -> NoReturn:
    raise AppError.of(Category.UNPROCESSABLE, "invalid", f"FHIRPath: {why}")


class _Parser:
    """A cursor over the text: the kind and text of the token at hand."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.end = 0
        self.count = 0
        self.depth = 0
        self.kind = self.token = ""
        self.advance()

    def advance(self) -> str:
        """Step to the next token; the text of the one left behind."""
        left = self.token
        self.count += 1
        if self.count > MAX_TOKENS:
            _refuse(f"more than {MAX_TOKENS} terms and operators")
        match = _TOKEN.match(self.text, self.end)
        if match is None or match.lastgroup is None:
            _refuse(f"unexpected character at {self.end}")
        self.kind, self.token = match.lastgroup, match[match.lastgroup]
        self.end = match.end()
        return left

    def at(self, *symbols: str) -> bool:
        """Whether an operator or keyword is at hand."""
        return self.kind in ("symbol", "name") and self.token in symbols

    def take(self, symbol: str) -> None:
        """Step over a symbol that must be there."""
        if not self.at(symbol):
            _refuse(f"'{symbol}' expected before {self.end}")
        self.advance()

    def whole(self) -> Expression:
        tree = self.disjunction()
        if self.kind != "end":
            _refuse(f"operator or end expected before {self.end}")
        return tree

    def nested(self) -> Expression:
        """An expression inside brackets; nesting is bounded, so the stack is."""
        self.depth += 1
        if self.depth > MAX_NESTING:
            _refuse(f"nested deeper than {MAX_NESTING}")
        tree = self.disjunction()
        self.depth -= 1
        return tree

    def disjunction(self) -> Expression:
        tree = self.conjunction()
        while self.at("or"):
            self.advance()
            tree = Logic(tree, self.conjunction(), "or")
        return tree

    def conjunction(self) -> Expression:
        tree = self.equality()
        while self.at("and"):
            self.advance()
            tree = Logic(tree, self.equality(), "and")
        return tree

    def equality(self) -> Expression:
        tree = self.union()
        while self.at("=", "!="):
            negated = self.advance() == "!="
            tree = Equal(tree, self.union(), negated)
        return tree

    def union(self) -> Expression:
        tree = self.typed()
        while self.at("|"):
            self.advance()
            tree = Union(tree, self.typed())
        return tree

    def typed(self) -> Expression:
        tree = self.path()
        while self.at("is", "as"):
            node = Is if self.advance() == "is" else OfType
            tree = node(tree, self.type_name())
        return tree

    def path(self) -> Expression:
        tree = self.term()
        while self.at(".", "["):
            if self.advance() == ".":
                tree = self.step(tree)
            else:
                if self.kind != "number" or "." in self.token:
                    _refuse(f"index expected before {self.end}")
                tree = Index(tree, int(self.advance()))
                self.take("]")
        return tree

    def term(self) -> Expression:
        if self.at("("):
            self.advance()
            tree = self.nested()
            self.take(")")
            return tree
        if self.kind == "string":
            return Literal(_unescape(self.advance()[1:-1]))
        if self.at("-") or self.kind == "number":
            return self.number()
        if self.kind not in ("name", "quoted"):
            _refuse(f"term expected before {self.end}")
        if self.kind == "name" and self.token in ("true", "false"):
            return Literal(self.advance() == "true")
        if self.at("$this"):
            self.advance()
            return This()
        if self.kind == "name" and self.token[0].isupper():
            return Head(self.advance())
        return self.step(This())

    def number(self) -> Expression:
        sign = self.advance() if self.at("-") else ""
        if self.kind != "number":
            _refuse(f"number expected before {self.end}")
        text = sign + self.advance()
        return Literal(number(text))

    def step(self, of: Expression) -> Expression:
        """A member or a call after ``of``."""
        if self.kind not in ("name", "quoted"):
            _refuse(f"element or function expected before {self.end}")
        quoted = self.kind == "quoted"
        name = self.advance().strip("`")
        if quoted or not self.at("("):
            return Member(of, name)
        self.advance()
        if name in _TYPE_FUNCTIONS:
            type_name = self.type_name()
            self.take(")")
            return (Is if name == "is" else OfType)(of, type_name)
        if name not in FUNCTIONS:
            _refuse(f"function before {self.end} is not known")
        arguments = self.arguments()
        low, high = FUNCTIONS[name]
        if not low <= len(arguments) <= high:
            _refuse(f"{name}() has a wrong number of arguments")
        return Call(of, name, arguments)

    def arguments(self) -> tuple[Expression, ...]:
        found: list[Expression] = []
        while not self.at(")"):
            if found:
                self.take(",")
            found.append(self.nested())
        self.advance()
        return tuple(found)

    def type_name(self) -> str:
        """``Patient``, ``string``, ``FHIR.Patient``, ``System.String``."""
        if self.kind not in ("name", "quoted"):
            _refuse(f"type expected before {self.end}")
        name = self.advance().strip("`")
        if name in ("FHIR", "System") and self.at("."):
            self.advance()
            if self.kind not in ("name", "quoted"):
                _refuse(f"type expected before {self.end}")
            name = self.advance().strip("`")
        # System types, and one official expression's DateTime, begin with a capital.
        for known in (name, name[:1].lower() + name[1:]):
            if known in definitions.kinds():
                return known
        _refuse(f"type before {self.end} is not known")


def _unescape(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        code = match[1]
        if len(code) == 5:
            return chr(int(code[1:], 16))
        return _ESCAPED.get(code, code)

    return _ESCAPE.sub(plain, text)

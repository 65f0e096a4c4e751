"""The FHIRPath that search parameters and FHIRPath Patch need, compiled.

https://hl7.org/fhirpath/N1/ as used by https://hl7.org/fhir/R4/search.html and
https://hl7.org/fhir/R4/fhirpatch.html. Members and choice elements by their declared types,
``|``, ``[n]``, ``is as ofType where exists empty not first last extension hasExtension resolve
hasValue``, ``= != and or`` and literals. What the official expressions do not use is refused
when compiled, so evaluation cannot fail and is linear in the resource.
"""

from __future__ import annotations

from app.fhir.json import JSON, Tree
from app.fhir.paths.compiler import Evaluate, build
from app.fhir.paths.nodes import Node, root
from app.fhir.paths.parser import parse
from app.fhir.paths.tree import Expression, Member

__all__ = ["Node", "Path", "compile", "root"]


class Path:
    """A compiled path.

    Starts at a resource, or at a ``Node``: one that another path found, or ``root(resource)``
    where many paths start.
    """

    __slots__ = ("_evaluate", "_tree", "text")

    def __init__(self, text: str, tree: Expression) -> None:
        self.text = text
        self._tree = tree
        self._evaluate: Evaluate = build(tree)

    def nodes(self, start: Tree | Node) -> list[Node]:
        """The items with type and place."""
        return self._evaluate([start if isinstance(start, Node) else root(start)])

    def select(self, start: Tree | Node) -> list[JSON]:
        """The values of the items."""
        return [node.value for node in self.nodes(start)]

    def select_typed(self, start: Tree | Node) -> list[tuple[str | None, JSON]]:
        """Declared type and value of each item: ``("Quantity", {…})``, ``("date", "2024")``."""
        return [(node.type, node.value) for node in self.nodes(start)]

    def locate(self, start: Tree | Node) -> list[Node]:
        """The items that stand in the resource, so have an ``owner``: no computed values."""
        return [node for node in self.nodes(start) if node.owner is not None]

    def split(self) -> tuple[Path, str] | None:
        """The path to the parent and the element's name, where the last step is an element."""
        if not isinstance(self._tree, Member):
            return None
        return Path(self.text.rpartition(".")[0], self._tree.of), self._tree.name

    def __repr__(self) -> str:
        return f"Path({self.text!r})"


def compile(expression: str) -> Path:
    """The path of an expression, or ``unprocessable`` where it is none of the subset."""
    return Path(expression, parse(expression))

"""Whether a resource keeps the rules of R4: structure, codes, references, invariants.

https://hl7.org/fhir/R4/validation.html. Two passes: a quick one that knows only yes and perhaps,
and, where it does not say yes, a walk that tells every problem.
"""

from __future__ import annotations

from app.core.errors import Issue, Severity
from app.fhir.json import Tree
from app.fhir.validation.fast import certain
from app.fhir.validation.walk import EnoughError, Walk

__all__ = ["check"]


def check(
    tree: Tree,
    type_name: str,
    *,
    warnings: bool = False,
    conditional: bool = False,
    entries: bool = True,
) -> list[Issue]:
    """Every problem of a resource that should be of ``type_name``; empty where all is well.

    ``warnings`` adds what is legal but not best practice. ``conditional`` allows references such
    as ``Patient?identifier=x``, which a transaction has yet to resolve (in a Bundle of that type
    they are allowed anyway). Resources in a Bundle are looked at too, unless ``entries`` is
    false. Not asked: whether targets of references exist, and whether answers fit their
    questionnaire.
    """
    walk = Walk(warnings=warnings, conditional=conditional, entries=entries)
    try:
        if entries and not warnings and certain(tree, type_name):
            return []
        walk.resource(tree, type_name, wanted=type_name)
    except EnoughError:
        words = f"more than {len(walk.issues)} problems; the rest is not listed"
        return [*walk.issues, Issue("too-long", words, type_name, Severity.INFORMATION)]
    except RecursionError:
        return [Issue("too-long", "nested too deep", type_name)]
    return walk.issues

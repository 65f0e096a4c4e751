"""JSON Merge Patch, RFC 7396: members replace members, null removes, arrays go whole."""

from __future__ import annotations

from app.fhir.json import JSON, Tree
from app.fhir.patch.document import check_depth, refuse


def apply(tree: Tree, patch: JSON) -> Tree:
    """The tree with the patch merged in."""
    if not isinstance(patch, dict):
        refuse("structure", "a merge patch of a resource is a JSON object")
    merged = _merge(tree, patch)
    check_depth(merged)
    return merged


def _merge(target: JSON, patch: Tree) -> Tree:
    merged: Tree = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = _merge(merged.get(key), value)
            # FHIR has no empty objects: one that lost its last member goes too.
            if value and not merged[key]:
                del merged[key]
        else:
            merged[key] = value
    return merged

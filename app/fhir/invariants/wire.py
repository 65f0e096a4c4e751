"""Invariants of what only travels: Bundle and Parameters."""

from __future__ import annotations

from collections.abc import Mapping

from app.fhir.invariants.rule import Rule, chosen, distinct, each, exists, some
from app.fhir.json import Tree


def _each_has(name: str, *types: str) -> Rule:
    def rule(bundle: Tree) -> bool:
        wanted = bundle.get("type") in types
        return all(exists(entry, name) == wanted for entry in each(bundle, "entry"))

    return rule


def _distinct_urls(bundle: Tree) -> bool:
    return bundle.get("type") == "history" or distinct(
        (entry["fullUrl"], next(each(entry, "resource", "meta", "versionId"), None))
        for entry in each(bundle, "entry")
        if "fullUrl" in entry
    )


def _document(name: str) -> Rule:
    return lambda bundle: bundle.get("type") != "document" or name in bundle


def _document_identifier(bundle: Tree) -> bool:
    identifier = bundle.get("identifier", {})
    return bundle.get("type") != "document" or (
        exists(identifier, "system") and exists(identifier, "value")
    )


def _begins_with(bundle_type: str, resource_type: str) -> Rule:
    def rule(bundle: Tree) -> bool:
        first: Tree = next(each(bundle, "entry"), {})
        return bundle.get("type") != bundle_type or (
            first.get("resource", {}).get("resourceType") == resource_type
        )

    return rule


def _one_content(parameter: Tree) -> bool:
    found = (
        exists(parameter, "part"),
        exists(parameter, "resource"),
        chosen(parameter, "value") is not None,
    )
    return sum(found) == 1


def _only_search(bundle: Tree) -> bool:
    return bundle.get("type") == "searchset" or not any(
        exists(entry, "search") for entry in each(bundle, "entry")
    )


RULES: Mapping[str, Rule] = {
    "bdl-1": lambda bundle: (
        not exists(bundle, "total") or bundle.get("type") in ("searchset", "history")
    ),
    "bdl-2": _only_search,
    "bdl-3": _each_has("request", "batch", "transaction", "history"),
    "bdl-4": _each_has("response", "batch-response", "transaction-response", "history"),
    "bdl-5": some("resource", "request", "response"),
    "bdl-7": _distinct_urls,
    "bdl-8": lambda entry: "/_history/" not in entry.get("fullUrl", ""),
    "bdl-9": _document_identifier,
    "bdl-10": _document("timestamp"),
    "bdl-11": _begins_with("document", "Composition"),
    "bdl-12": _begins_with("message", "MessageHeader"),
    "Parameters.inv-1": _one_content,
}

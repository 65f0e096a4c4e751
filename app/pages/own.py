"""A client as their own pages know them: what they see, whom they may name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.core.errors import AppError
from app.fhir import json, references
from app.fhir.json import Tree
from app.fhir.registry import Interaction
from app.pages.alliance import Look
from app.services.courses import COUPLE, extension, id_in

Named = tuple[str, str]  # a reference and a name


@dataclass(frozen=True, slots=True)
class Own:
    """One look of a client at what is theirs; ``patient`` is their id."""

    look: Look
    patient: str

    async def search(self, type_name: str, *query: tuple[str, str]) -> list[Tree]:
        """What of a type the client sees."""
        asked = (*query, ("_total", "none"))
        outcome = await self.look.run(type_name, interaction=Interaction.SEARCH_TYPE, query=asked)
        bundle = json.parse_resource(outcome.document or b"{}")
        return [entry["resource"] for entry in bundle.get("entry", ())]

    async def names(self, references: Iterable[str]) -> dict[str, str]:
        """The names of organizations and practitioners, by reference."""
        asked, found = sorted(references), {}
        for type_name in ("Organization", "Practitioner"):
            ids = [each.partition("/")[2] for each in asked if each.startswith(type_name)]
            if ids:
                for tree in await self.search(type_name, ("_id", ",".join(ids))):
                    found[f"{type_name}/{tree['id']}"] = _name(tree)
        return found

    async def clinic(self) -> str | None:
        """The organization that keeps the record."""
        return next(iter(await self._managing()), None)

    async def organizations(self) -> Sequence[Named]:
        """Those that the record could be opened to: all but the clinic's own."""
        own = await self._managing()
        trees = await self.search("Organization", ("_sort", "name"), ("_count", "100"))
        known = [(f"Organization/{tree['id']}", _name(tree)) for tree in trees]
        return [each for each in known if each[0] not in own]

    async def people(self) -> Sequence[Named]:
        """Those who treat the client."""
        treating = set()
        for tree in await self.search("EpisodeOfCare"):
            treating.add(references.local(tree.get("careManager"), self.look.base) or "")
        for tree in await self.search("CareTeam"):
            for participant in tree.get("participant", ()):
                treating.add(references.local(participant.get("member"), self.look.base) or "")
        people = await self.names(each for each in treating if each.startswith("Practitioner/"))
        return sorted(people.items(), key=lambda each: each[1])

    async def couple(self) -> str | None:
        """The Group of a client who is here as one of a couple."""
        for tree in await self.search("EpisodeOfCare"):
            group = id_in(extension(tree, COUPLE).get("valueReference"), "Group", self.look.base)
            if group is not None:
                return f"Group/{group}"
        return None

    async def signatures(self) -> frozenset[str]:
        """The ids of the Provenances that carry signatures of the client's Consents."""
        trees = await self.search("Provenance", ("_count", "200"))
        return frozenset(tree["id"] for tree in trees if tree.get("signature"))

    async def _managing(self) -> list[str]:
        try:
            stored = (await self.look.run("Patient", id=self.patient)).stored
        except AppError:
            stored = None
        trees = [json.parse_resource(stored.text)] if stored else []
        trees += await self.search("EpisodeOfCare")
        base = self.look.base
        found = [references.local(tree.get("managingOrganization"), base) for tree in trees]
        return list(dict.fromkeys(each for each in found if each))


def _name(tree: Tree) -> str:
    name = tree.get("name")
    if isinstance(name, str):
        return name
    best: Tree = next(iter(name or ()), {})
    text = best.get("text") or " ".join(
        [*best.get("prefix", ()), *best.get("given", ()), best.get("family", "")]
    )
    return str(text).strip() or str(tree["id"])

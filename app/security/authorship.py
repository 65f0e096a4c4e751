"""Who wrote something is who wrote it: no body says otherwise."""

from __future__ import annotations

from collections.abc import Collection

from app.fhir.registry import REGISTRY
from app.security import access
from app.security.principal import Principal

_PATIENT = REGISTRY["Patient"].code
_PRACTITIONER = REGISTRY["Practitioner"].code
# Whose author says what it is worth, or sees it whatever it is labelled.
_SPOKEN = frozenset(("DocumentReference", "QuestionnaireResponse"))


def check_authors(
    principal: Principal,
    type_name: str,
    *,
    before: Collection[tuple[int, str]] | None,
    after: Collection[tuple[int, str]],
) -> None:
    """Refuses what a person writes in the place of another.

    ``before`` and ``after`` are the authors, by type and id, of the stored and the new version;
    ``before`` is None for a creation. A note or an answer is made in nobody else's name. What is
    made keeps its authors, and nobody but the writer joins them.
    """
    kind, _, id = (principal.actor or "").partition("/")
    own = {(REGISTRY[kind].code, id)} if kind in REGISTRY else set()
    named = {each for each in after if each[0] in (_PRACTITIONER, _PATIENT)}
    if before is None:
        others = {each for each in named - own if each[0] == _PRACTITIONER}
        refused = bool(others) and type_name in _SPOKEN
    else:
        stood = {each for each in before if each[0] in (_PRACTITIONER, _PATIENT)}
        refused = not stood <= named or not named <= stood | own
    if refused:
        raise access.forbidden()

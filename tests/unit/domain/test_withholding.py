"""The private answer leaves with nothing and comes back to its place."""

from __future__ import annotations

import json
from typing import Any

from app.domain.withholding import FORMS, is_private, kept, shown, withheld
from app.fhir.elements import SUBSETTED

FORM = f"{min(FORMS)}|1.0.0"


def response(*items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    tree = {"resourceType": "QuestionnaireResponse", "questionnaire": FORM, **fields}
    return {**tree, "item": list(items)} if items else tree


def item(link: str, **fields: Any) -> dict[str, Any]:
    return {"linkId": link, "answer": [{"valueString": link}], **fields}


WHOLE = response(item("B1"), item("X1"), item("B2"))
NESTED = response({"linkId": "g", "item": [item("B1"), item("X1")]}, item("B2"))


def test_what_is_shown_is_the_same_whether_or_not_there_was_an_answer() -> None:
    unanswered = response(item("B1"), item("B2"))
    assert withheld(WHOLE) == withheld(unanswered)
    assert withheld(WHOLE)["meta"]["tag"] == [SUBSETTED]
    assert withheld(response(item("X1"))) == withheld(response())


def test_no_byte_of_it_is_left() -> None:
    private = {
        "linkId": "X1",
        "answer": [{"valueString": "canary"}],
        "text": "canary",
    }
    trees = (
        response(item("B1"), private, text={"status": "generated", "div": "<div>canary</div>"}),
        response({"linkId": "g", "item": [private]}),
        response({"linkId": "g", "answer": [{"valueBoolean": True, "item": [private]}]}),
    )
    for tree in trees:
        assert b"canary" not in shown(json.dumps(tree).encode())


def test_other_forms_are_left_alone() -> None:
    text = json.dumps({**response(item("B1")), "questionnaire": "http://other"}).encode()
    assert shown(text) is text
    assert is_private({**response(item("X1")), "questionnaire": "http://other"})


def test_what_others_write_keeps_the_answer() -> None:
    for stored in (WHOLE, NESTED):
        assert kept(withheld(stored), stored) == {**stored, "meta": {}}


def test_others_cannot_change_it_remove_it_or_make_it() -> None:
    forged = response(item("B1"), {"linkId": "X1", "answer": [{"valueString": "no"}]}, item("B2"))
    assert kept(forged, WHOLE) == WHOLE
    assert kept(response(item("B2")), NESTED)["item"][0] == {"linkId": "g", "item": [item("X1")]}
    assert kept(forged, response(item("B1"))) == response(item("B1"), item("B2"))


def test_the_mark_is_not_stored() -> None:
    tree = response(item("B1"), meta={"tag": [SUBSETTED, {"code": "mine"}]})
    assert kept(tree, WHOLE)["meta"] == {"tag": [{"code": "mine"}]}

"""Cards of CDS Hooks: their words in both languages, their uuids, what their Markdown lets be."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.domain.rupture import Rule
from app.services import cds
from app.services.cds_cards import escaped, one_line
from app.services.cds_uuids import CardUuids

KEY = b"k" * 32
TEXT = st.text(min_size=1, max_size=30)


def words(node: Any) -> Iterator[dict[str, str]]:
    """Everything that is said in a language."""
    if isinstance(node, dict):
        if "en" in node or "ar" in node:
            yield node
        else:
            for each in node.values():
                yield from words(each)
    elif isinstance(node, list):
        for each in node:
            yield from words(each)


def test_everything_is_said_in_both_languages_with_the_same_values():
    said = list(words(cds.rules()))
    assert len(said) > 40
    for each in said:
        assert each.keys() == {"en", "ar"} and all(each.values())
        slots = [sorted(re.findall(r"{\w+}", text)) for text in each.values()]
        assert slots[0] == slots[1], each
        assert re.search("[\u0600-\u06ff]", each["ar"])


def test_every_rule_says_what_it_saw():
    assert cds.rules()["saw"].keys() == set(Rule)


def test_no_state_makes_a_card_critical():
    assert set(cds.rules()["indicators"].values()) == {"info", "warning"}


def test_services_have_names_of_their_own():
    found = list(cds.services().values())
    assert len({each.id for each in found}) == len(found)
    assert cds.ALERTS in cds.services()
    for each in found:
        assert set(each.required) <= {"userId", "patientId", "encounterId"}
        assert "other" not in each.reasons, "that is a reason of nobody's list"


@given(
    tenant=st.integers(1, 9),
    about=TEXT,
    clients=st.lists(TEXT, min_size=2, max_size=2, unique=True),
)
def test_a_uuid_follows_from_its_card_and_is_one_clients(tenant, about, clients):
    one, other = (CardUuids(KEY, tenant, client, "alliance-alerts") for client in clients)
    card = one.of(about)
    assert uuid.UUID(card).version == 8 and uuid.UUID(card).variant == uuid.RFC_4122
    assert card == one.of(about) != other.of(about)
    assert one.half(about) == other.half(about) == card[:18]
    assert one.gave(card) and one.gave(card.upper()) and not other.gave(card)
    assert one.suggestion(card) not in (card, other.suggestion(card))
    for elsewhere in (
        CardUuids(KEY, tenant + 1, clients[0], "alliance-alerts"),
        CardUuids(KEY, tenant, clients[0], "measure-due"),
        CardUuids(b"another key", tenant, clients[0], "alliance-alerts"),
    ):
        assert not elsewhere.gave(card)
        assert elsewhere.half(about) != one.half(about)


@given(about=TEXT, place=st.integers(0, 35), digit=st.sampled_from("0123456789abcdef"))
def test_no_uuid_is_near_another(about, place, digit):
    uuids = CardUuids(KEY, 1, "ehr", "alliance-alerts")
    card = uuids.of(about)
    changed = card[:place] + digit + card[place + 1 :]
    assert uuids.gave(changed) == (changed == card)


def test_what_is_no_uuid_was_never_given():
    uuids = CardUuids(KEY, 1, "ehr", "alliance-alerts")
    for text in ("", "x", str(uuid.UUID(int=0)), "{" + uuids.of("a") + "}"):
        assert not uuids.gave(text)


@given(st.text(max_size=60))
def test_no_mark_of_a_text_works(text):
    told = escaped(text)
    assert told == one_line(told) or "\\" in told
    bare = re.sub(r"\\[!-/:-@\[-`{-~]|&(?:amp|lt|gt);", "", told)
    assert not re.search(r"[`*_\[\]<>&~|#\\]", bare), told
    assert "\n" not in told
    assert not re.search(r"https?:|www\.", told), "nothing is made a link"


def test_figures_and_dates_read_as_they_are():
    for figure in ("47.8", "-1.0", "12", "2026-01-31"):
        assert escaped(figure) == figure

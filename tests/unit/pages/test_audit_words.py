"""Everything that the console names by a code has words in both languages."""

from __future__ import annotations

import pytest

from app.fhir.audit.kinds import KINDS
from app.pages import audit_words
from app.security import roles
from app.services.audit_watch import alert_rules


@pytest.mark.parametrize("language", ["en", "ar"])
def test_every_event_role_purpose_and_alert_has_words(language):
    words = [
        *(audit_words.event(kind, language) for kind in KINDS),
        *(audit_words.role(role, language) for role in roles.table()),
        *(audit_words.purpose(code, language) for code in audit_words.PURPOSES),
        *(audit_words.alert(rule.code, language) for rule in alert_rules()),
    ]
    assert all(words)
    if language == "ar":
        assert [word for word in words if word.isascii()] == []


def test_nothing_is_named_that_there_is_not():
    assert audit_words.EVENTS.keys() == KINDS.keys()
    assert audit_words.ROLES.keys() == roles.table().keys()
    assert audit_words.ALERTS.keys() == {rule.code for rule in alert_rules()}

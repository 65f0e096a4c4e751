"""The shipped forms, and responses of any shape at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.questionnaire import check, compile_questionnaire
from tests.unit.domain.questionnaire.forms import (
    RIGHT,
    coding,
    form,
    given_item,
    item,
    limit,
    options,
    response,
    when,
)


@pytest.mark.parametrize("name", ["asc-client", "phq-9", "gad-7", "wai-sr", "asc-couple"])
def test_every_option_of_a_shipped_form_is_accepted(questionnaires, name):
    questionnaire = compile_questionnaire(questionnaires[name])
    for place in range(3):
        answered = response(
            *(
                given_item(
                    each["linkId"], ("valueCoding", each["answerOption"][place]["valueCoding"])
                )
                for each in questionnaires[name]["item"]
            ),
            subject={"reference": "Patient/1"},
        )
        assert check(questionnaire, answered) == []


def test_srs_lines_are_tenths_from_0_to_10(questionnaires):
    questionnaire = compile_questionnaire(questionnaires["srs"])
    for value, right in (
        (0, True),
        (9.9, True),
        (10, True),
        (10.1, False),
        (-1, False),
        (9.95, False),
    ):
        answered = response(given_item("relationship", ("valueDecimal", value)))
        assert (check(questionnaire, answered) == []) is right


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["a", "g", "q", "2026", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["linkId", "item", "answer", "text", "system", "code", "reference", "extension"]
                + [answer[0] for answer in RIGHT.values()]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)
ANYTHING = form(
    item("g", "group", item("a", "choice", answerOption=options("x")), repeats=True),
    item("q", "quantity", item("n"), enableWhen=[when("a", answerCoding=coding("x"))]),
    item("d", "date", extension=[limit("minValue", valueDate="2026")]),
)


@given(JSON, JSON, st.sampled_from(["completed", "in-progress"]))
def test_no_response_whatever_makes_it_raise(items, subject, status):
    check(ANYTHING, {"status": status, "item": items, "subject": subject, "authored": subject})

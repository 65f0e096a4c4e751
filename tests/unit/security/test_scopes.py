"""SMART scopes: one strict grammar, and granted is never more than asked, registered, allowed."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import AppError
from app.fhir.registry import REGISTRY
from app.security import roles, scopes
from app.security.scopes import ResourceScope, Scopes

TYPES = ("Patient", "Observation", "Encounter")


def parse(text):
    return scopes.parse(text, types=REGISTRY)


@pytest.mark.parametrize(
    "text",
    [
        "patient/Observation.rs", "user/*.cruds", "system/Patient.c", "patient/*.read",
        "user/Encounter.write", "system/*.*", "openid", "launch/patient",
        "patient/Observation.rs?category=laboratory",
        "patient/Observation.rs?category=http://x.org/cs|survey&status=final",
        "openid fhirUser offline_access patient/*.rs user/Practitioner.r",
    ],
)  # fmt: skip
def test_what_is_a_scope_keeps_its_text(text):
    assert str(parse(text)) == text


def test_words_of_other_profiles_and_repeats_are_left_out():
    assert str(parse("email openid  openid patient/*.rs patient/*.rs ")) == "openid patient/*.rs"
    assert not parse("")


@pytest.mark.parametrize(
    "text",
    [
        "patient:Observation.read", "patient/observation.rs", "patient/Observation.sr",
        "patient/Observation.rr", "*/*.*", "patient/Binary.rs", "patient/Observation.",
        "patient/Observation", "/Observation.rs", "Patient/Observation.rs", "user/*.rsx",
        "patient/Observation.rs?", "patient/Observation.rs?code", "patient/Observation.rs?code=",
        "patient/Observation.rs?=x", "patient/Observation.rs?code:in=x",
        "patient/Observation.rs?subject.name=x", "patient/Observation.rs?_include=x",
        "patient/Observation.rs?_has:Group:member:_id=1", "patient/Observation.rs?_sort=date",
        "patient/Observation.read?code=x", "patient/*.rs?code=x", "patient/*.rs user/*.read",
        "patient/Observation.rs\tuser/*.rs", "patient/Observation.rs\nuser/*.rs",
        "patient/Observаtion.rs", "PATIENT/Observation.rs", "openid patient/*.rs*", "a" * 9000,
    ],
)  # fmt: skip
def test_anything_else_is_refused(text):
    with pytest.raises(AppError):
        parse(text)


def test_version_1_means_what_the_guide_says():
    read, write, all_of_it = parse(
        "user/A.read user/A.write user/A.*".replace("A", "Goal")
    ).resources
    assert (read.actions, write.actions, all_of_it.actions) == ("rs", "cud", "cruds")


def test_version_1_that_was_narrowed_beyond_its_words_is_told_in_version_2():
    granted = parse("user/*.read").intersect(parse("user/Goal.r user/Task.rs"))
    assert str(granted) == "user/Goal.r user/Task.read"


def test_constraints_of_both_sides_hold_together():
    granted = parse("user/Observation.rs?status=final").intersect(
        parse("user/Observation.rs?category=survey user/Patient.rs")
    )
    assert str(granted) == "user/Observation.rs?category=survey&status=final"


def test_a_constraint_keeps_its_value_through_text():
    scope = parse("patient/Observation.rs?code=a%26b%3Dc%25d%20e").resources[0]
    assert scope.constraints == (("code", "a&b=c%d e"),)
    assert parse(scope.text()).resources[0] == scope


def actions():
    return st.lists(st.sampled_from("cruds"), min_size=1, max_size=5).map(
        lambda letters: "".join(a for a in "cruds" if a in letters)
    )


def resource_scopes():
    constraints = st.sampled_from([(), (("status", "final"),), (("category", "survey"),)])
    return st.builds(
        lambda context, type_name, letters, limits: ResourceScope(
            context, type_name, letters, () if type_name == "*" else limits
        ),
        st.sampled_from(scopes.CONTEXTS),
        st.sampled_from(["*", *TYPES]),
        actions(),
        constraints,
    )


def scope_sets():
    return st.builds(
        Scopes,
        st.lists(resource_scopes(), max_size=4).map(tuple),
        st.lists(st.sampled_from(sorted(scopes.PLAIN)), max_size=3, unique=True).map(tuple),
    )


def rights(granted, context):
    """Every (type, action, constraints) that scopes of a context give; constraints restrict."""
    return {
        (type_name, action, scope.constraints)
        for scope in granted.resources
        if scope.context == context
        for type_name in TYPES
        for action in "cruds"
        if scope.covers(type_name, action)
    }


def within(right, others):
    type_name, action, constraints = right
    return any(
        (type_name, action) == other[:2] and set(other[2]) <= set(constraints) for other in others
    )


@given(scope_sets(), scope_sets())
def test_granted_is_within_what_was_asked_and_what_is_registered(asked, registered):
    granted = asked.intersect(registered)
    for context in scopes.CONTEXTS:
        for right in rights(granted, context):
            assert within(right, rights(asked, context))
            assert within(right, rights(registered, context))
    assert set(granted.plain) <= set(asked.plain) & set(registered.plain)


@given(scope_sets(), scope_sets())
def test_nothing_that_both_have_without_limits_is_lost(asked, registered):
    granted = asked.intersect(registered)
    for context in scopes.CONTEXTS:
        both = rights(asked, context) & rights(registered, context)
        for right in both:
            assert within(right, rights(granted, context))


@given(scope_sets(), st.sampled_from(sorted(roles.table())))
def test_a_role_narrows_what_is_granted(asked, role):
    granted = asked.narrowed(lambda type_name: roles.actions(role, type_name))
    for scope in granted.resources:
        assert set(scope.actions) <= set(roles.actions(role, scope.type))
        assert any(scope.type == one.type and set(scope.actions) <= set(one.actions)
                   for one in asked.resources)  # fmt: skip


@given(scope_sets())
def test_the_canonical_text_is_read_back_as_it_was(granted):
    again = parse(str(granted))
    assert set(again.resources) == set(granted.resources)
    assert set(again.plain) == set(granted.plain)


@given(st.text(max_size=80))
def test_no_text_raises_anything_but_a_refusal(text):
    with contextlib.suppress(AppError):
        parse(text)

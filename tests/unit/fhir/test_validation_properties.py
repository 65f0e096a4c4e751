"""Whatever comes in: a verdict, never an accident; and the two passes never disagree."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.fhir.json import dumps, parse
from app.fhir.registry import STORED, WIRE_TYPES
from app.fhir.validation import check
from app.fhir.validation.fast import certain
from app.fhir.validation.walk import Walk
from tests.unit.fhir.corpus import BASES, cases

TREES = [dumps(tree) for tree in (*BASES.values(), *(case["tree"] for case in cases("legal")))]
SCALARS = [
    *(None, True, False, 0, -1, 1, 2**31, 3.5, "", " ", "x", "a b", "\x00", "<b>", "#p", "active"),
    *("2024", "2024-05-01", "2024-05-01T10:00:00Z", "http://example.org/x", "Patient/1"),
]
NAMES = [
    *("extension", "url", "valueCode", "id", "coding", "code", "system", "value", "text", "type"),
    *("reference", "resourceType", "contained", "item", "linkId", "answer"),
]
VALUES = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=2,
        )
    ),
    max_leaves=4,
)


def places(node, path=()):
    yield path
    if isinstance(node, dict):
        for key, value in node.items():
            yield from places(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from places(value, (*path, index))


def at(node, path):
    for step in path:
        node = node[step]
    return node


@st.composite
def mutants(draw):
    tree = parse(draw(st.sampled_from(TREES)))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(places(tree))))
        parent = at(tree, path[:-1])
        if not path:
            tree[draw(st.sampled_from(["active", "status", "item", "contained"]))] = draw(VALUES)
        elif draw(st.booleans()):
            parent[path[-1]] = draw(VALUES)
        elif isinstance(parent, dict) and draw(st.booleans()):
            parent["_" + str(path[-1])] = draw(VALUES)
        else:
            del parent[path[-1]]
    return parse(dumps(tree))


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutants(), st.sampled_from([*STORED, *WIRE_TYPES]))
def test_any_mutant_gets_a_verdict_and_what_is_certain_has_no_problem(tree, fallback):
    named = tree.get("resourceType") if isinstance(tree, dict) else None
    type_name = named if isinstance(named, str) and named else fallback
    issues = check(tree, type_name, warnings=True)
    assert all(issue.diagnostics and issue.expression for issue in issues)
    if certain(tree, type_name):
        walk = Walk()
        walk.resource(tree, type_name, wanted=type_name)
        assert walk.issues == []


@settings(max_examples=200, deadline=None)
@given(VALUES, st.sampled_from([*STORED, *WIRE_TYPES]))
def test_any_json_gets_a_verdict(value, type_name):
    if isinstance(value, dict):
        assert isinstance(check(value, type_name), list)


def test_most_of_what_is_legal_is_certain_at_once():
    for name in ("QuestionnaireResponse", "Patient", "Observation", "EpisodeOfCare", "Encounter"):
        assert certain(BASES[name], name)


def test_the_quick_pass_is_never_sure_of_the_forbidden():
    for case in cases("forbidden"):
        assert not certain(case["tree"], case["tree"]["resourceType"])

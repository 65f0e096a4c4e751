"""Every role has a cell for every type: nothing is decided by silence."""

import pytest

from app.fhir.registry import REGISTRY
from app.security import roles
from app.security.roles import Condition

ROLES = tuple(roles.table())
DIRECTORY = (
    "Practitioner", "PractitionerRole", "Organization", "Questionnaire", "ValueSet", "CodeSystem",
    "Library", "StructureDefinition", "SearchParameter", "OperationDefinition",
    "CapabilityStatement",
)  # fmt: skip
CLINICAL = sorted(set(REGISTRY) - set(DIRECTORY) - {"AuditEvent", "Subscription"})


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_a_cell_for_each_served_type_and_for_no_other(role):
    assert set(roles.table()[role]) == set(REGISTRY)


def test_the_contract_s_roles_are_there():
    assert set(ROLES) >= {
        "client", "therapist", "co_therapist", "supervisor", "clinical_lead", "reception",
        "researcher", "auditor", "admin", "system",
    }  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("type_name", DIRECTORY)
def test_everybody_reads_the_directory_and_the_definitions(role, type_name):
    assert {"r", "s"} <= set(roles.actions(role, type_name))


@pytest.mark.parametrize("type_name", CLINICAL)
@pytest.mark.parametrize("role", ["auditor", "admin", "researcher"])
def test_some_roles_see_no_clinical_content(role, type_name):
    assert roles.actions(role, type_name) == ""


@pytest.mark.parametrize("type_name", CLINICAL)
def test_a_client_reaches_nothing_beyond_the_own_compartment(type_name):
    assert {rule.condition for rule in roles.rules("client", type_name)} <= {Condition.SELF}


@pytest.mark.parametrize("type_name", CLINICAL)
def test_an_outside_system_reaches_nothing_without_a_consent(type_name):
    assert {rule.condition for rule in roles.rules("outside_system", type_name)} == {
        Condition.CONSENT
    }


def test_nobody_writes_the_audit_log_and_only_those_concerned_read_it():
    readers = {role for role in ROLES if roles.actions(role, "AuditEvent")}
    assert readers == {"auditor", "client"}
    assert all(roles.actions(role, "AuditEvent") in ("", "rs") for role in ROLES)


@pytest.mark.parametrize("type_name", ["Flag", "DetectedIssue", "Subscription"])
def test_a_client_never_sees_what_staff_watch_for(type_name):
    assert roles.actions("client", type_name) == ""


@pytest.mark.parametrize("cell", ["rs", "sr@care", "rs@nowhere", "@care", "rs@care,", "", "x@all"])
def test_a_cell_that_is_no_rule_stops_the_program(cell):
    with pytest.raises(roles.RoleTableError):
        roles._cell(cell)


def test_an_unknown_role_or_type_may_do_nothing():
    assert roles.rules("owner", "Patient") == ()
    assert roles.actions("therapist", "Binary") == ""
    assert roles.actions("owner", "*") == ""

"""The example Consents of IHE Privacy Consent on FHIR, in this project's own words.

https://profiles.ihe.net/ITI/PCF/: one patient, whose observations ``Practitioner/author`` made in
``Encounter/encounter``; ``Practitioner/privileged`` is the one member of ``Group/privileged``.
The provisions here say what those of the guide's examples say; the names are the guide's.
"""

from __future__ import annotations

from typing import Any

from tests.support.consents import CARE, actor, consent, data, labels, provision, purposes

RESEARCHER, FOOBAR = "Organization/researcher", "http://example.org/policies/purposeOfUse|FooBar"
PRIVILEGED: dict[str, Any] = {
    "resourceType": "Group",
    "id": "privileged",
    "type": "practitioner",
    "actual": True,
    "member": [{"entity": {"reference": "Practitioner/privileged"}}],
}
FOR_CARE = {"purpose": purposes(*CARE)}
NORMAL = {**FOR_CARE, "securityLabel": labels("N")}
THE_GROUP = [actor("Group/privileged")]
THE_PERSON = [actor("Practitioner/privileged")]
IN_2022 = {"start": "2022-01-01", "end": "2022-12-31"}
SOME = data("instance", "Encounter/encounter", "Observation/weight", "Observation/alcohol")

EXAMPLES = {
    "basic-treat": provision("permit", **FOR_CARE),
    "basic-ink": provision("permit", **FOR_CARE),
    "basic-treat-infant": provision("permit", **FOR_CARE),
    "basic-reject": provision("deny", **FOR_CARE),
    "basic-research": provision("permit", purpose=purposes("HRESCH")),
    "expired-treat": provision("permit", **FOR_CARE, period={"end": "2022-12-31"}),
    "intermediate-authoredby": provision(
        "permit", **FOR_CARE, data=data("authoredby", "Practitioner/privileged")
    ),
    "intermediate-not-authoredby": provision(
        "permit", provision("deny", data=data("authoredby", "Practitioner/privileged")), **FOR_CARE
    ),
    "intermediate-data": provision("permit", **FOR_CARE, data=SOME),
    "intermediate-not-data": provision(
        "permit", provision("deny", data=data("instance", "Observation/alcohol")), **FOR_CARE
    ),
    "intermediate-encounter": provision(
        "permit", **FOR_CARE, data=data("related", "Encounter/encounter")
    ),
    "intermediate-not-encounter": provision(
        "permit", provision("deny", data=data("related", "Encounter/encounter")), **FOR_CARE
    ),
    "intermediate-timeframe": provision("permit", **FOR_CARE, dataPeriod=IN_2022),
    "intermediate-not-timeframe": provision(
        "permit", provision("deny", dataPeriod=IN_2022), **FOR_CARE
    ),
    "intermediate-purpose": provision(
        "permit", actor=[actor(RESEARCHER)], purpose=purposes(FOOBAR)
    ),
    "dissent-break-glass": provision(
        "deny", provision("permit", purpose=purposes("BTG"), actor=THE_GROUP)
    ),
    "advanced-normal": provision("permit", **NORMAL),
    "advanced-normal-restricted": provision("permit", **FOR_CARE, securityLabel=labels("N", "R")),
    "advanced-normal-not-restricted": provision(
        "permit", provision("deny", securityLabel=labels("R")), **NORMAL
    ),
    "advanced-normal-focused-restricted": provision(
        "permit", provision("permit", securityLabel=labels("R"), actor=THE_PERSON), **NORMAL
    ),
    "advanced-normal-focused-psy": provision(
        "permit", provision("permit", securityLabel=labels("PSY"), actor=THE_PERSON), **NORMAL
    ),
    "advanced-normal-focused-psy-or-sdv": provision(
        "permit",
        provision("permit", securityLabel=labels("PSY", "SDV"), actor=THE_PERSON),
        **NORMAL,
    ),
    "advanced-normal-break-glass-restricted": provision(
        "permit",
        provision("permit", purpose=purposes("BTG"), securityLabel=labels("R"), actor=THE_GROUP),
        **NORMAL,
    ),
}

# What the envelope of an example says where it is not what the others say.
_OTHERWISE: dict[str, dict[str, Any]] = {
    "basic-treat-infant": {"performer": [{"reference": "Patient/mother"}]},
    "basic-research": {"dateTime": "2023-06-24"},
}


def example(name: str) -> dict[str, Any]:
    """An example as the record system holds it."""
    envelope = {
        "id": name,
        "performer": [{"reference": "Patient/patient"}],
        "organization": [{"reference": "Organization/clinic"}],
        "sourceReference": {"reference": "DocumentReference/paperwork"},
    }
    return consent("patient", EXAMPLES[name], **{**envelope, **_OTHERWISE.get(name, {})})

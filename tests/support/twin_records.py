"""The clinic that twin worlds are of: what both have, and what only one has.

The therapist ``tess`` treats anna and carla, cora with her; ``sam`` supervises tess. ``theo``
treats berta and dora, and the couple pia and paul, of whom one is a caller and the other the
partner. erna's therapist is tess, whom she denies, as she does all who ask. Anna lets another
organization in. Carla, berta, dora and the partner deny the clinical lead, the reception, the
record system and that organization.
"""

from __future__ import annotations

from typing import Any

from tests.support.consents import SENSITIVITY, actor, consent, provision

MRN = "https://clinic.example.org/mrn"
SCALES = "https://rapport.example.org/CodeSystem/alliance-scale"
SUPERVISION = {
    "system": "https://rapport.example.org/CodeSystem/care-team-category",
    "code": "supervision",
}
VERY = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "V"}
NOTE = {"system": SENSITIVITY, "code": "PSYTHPN"}
STAFF = ("tess", "cora", "theo", "sam", "lea", "rita", "uma")
COUPLE = {
    "url": "https://rapport.example.org/StructureDefinition/couple",
    "valueReference": {"reference": "Group/couple"},
}
OURS, ELSEWHERE = "Organization/ours", "Organization/elsewhere"
DENIED = ("Practitioner/lea", "Practitioner/rita", OURS, ELSEWHERE)


def about(name: str, theirs: str, *, prefix: str = "") -> list[dict[str, Any]]:
    """A person's record; ``theirs`` is the therapist."""
    subject = {"reference": f"Patient/{prefix}{name}"}
    by = {"reference": f"Practitioner/{theirs}"}

    def one(kind: str, id: str, **members: Any) -> dict[str, Any]:
        return {"resourceType": kind, "id": f"{prefix}{id}-{name}", **members}

    def score(id: str, value: int, **members: Any) -> dict[str, Any]:
        return one(
            "Observation", id, status="final", subject=subject,
            code={"coding": [{"system": SCALES, "code": "total"}], "text": "score"},
            effectiveDateTime=f"2026-01-{value + 1:02d}", valueInteger=value, performer=[by],
            **members,
        )  # fmt: skip

    person = {
        "resourceType": "Patient",
        "id": f"{prefix}{name}",
        "name": [{"family": name.title(), "given": ["Alex"]}],
        "identifier": [{"system": MRN, "value": f"{prefix}{name}"}],
        "birthDate": "1990-01-01",
        "gender": "female",
        "generalPractitioner": [by],
    }
    met = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
    return [
        person,
        one(
            "EpisodeOfCare", "e", status="active", patient=subject, careManager=by,
            period={"start": "2026-01-01"}, identifier=[{"system": MRN, "value": name}],
        ),
        one(
            "Encounter", "v", status="finished", subject=subject, period={"start": "2026-01-02"},
            **{"class": met}, participant=[{"individual": by}],
        ),
        *(score(f"o{value}", value) for value in range(4)),
        score("secret", 9, meta={"security": [VERY]}),
        one(
            "Goal", "g", lifecycleStatus="active", description={"text": "sleep"}, subject=subject,
        ),
        one("Flag", "f", status="active", code={"text": "risk"}, subject=subject),
        one(
            "Communication", "c", status="completed", subject=subject, sender=by,
            payload=[{"contentString": f"of {name}"}],
        ),
    ]  # fmt: skip


def team(name: str, member: str, **members: Any) -> dict[str, Any]:
    """A care team of one."""
    return {
        "resourceType": "CareTeam",
        "id": f"t-{name}",
        "status": "active",
        "participant": [{"member": {"reference": f"Practitioner/{member}"}}],
        "period": {"start": "2026-01-01"},
        **members,
    }


def denial(name: str, *whom: str) -> dict[str, Any]:
    """A Consent that denies those named everything."""
    rules = provision("permit", provision("deny", actor=[actor(one) for one in whom]))
    return consent(name, rules, id=f"k-{name}")


def other_of(caller: str) -> str:
    """The one of the couple whom the caller lives with."""
    return "pia" if caller == "paul" else "paul"


def couple(caller: str) -> list[dict[str, Any]]:
    """What is in both of the two partners: who they are, and all of the one."""
    partner = other_of(caller)
    group = {
        "resourceType": "Group",
        "id": "couple",
        "type": "person",
        "actual": True,
        "active": True,
        "member": [{"entity": {"reference": f"Patient/{one}"}} for one in ("pia", "paul")],
    }
    mine, theirs = about(caller, "theo"), about(partner, "theo")
    for record in (mine, theirs):
        record[1]["extension"] = [COUPLE]
    return [*mine, *theirs[:3], group, denial(partner, *DENIED)]


def record(name: str) -> list[dict[str, Any]]:
    """A record of theo's without what is very restricted."""
    return [one for one in about(name, "theo") if one["id"] != f"secret-{name}"]


def of_the_partner(partner: str) -> list[dict[str, Any]]:
    """What only one world has of the partner, and of the two together."""
    return [
        *record(partner)[3:],
        {
            "resourceType": "CarePlan", "id": f"p-{partner}", "status": "active", "intent": "plan",
            "subject": {"reference": f"Patient/{partner}"}, "title": "What they mean to try",
        },
        {
            "resourceType": "Observation", "id": "joint", "status": "final",
            "code": {"text": "score"}, "subject": {"reference": "Group/couple"}, "valueInteger": 7,
        },
    ]  # fmt: skip


def of_the_author() -> list[dict[str, Any]]:
    """What is in a record that callers see, but is nobody's but the author's."""
    labelled = {"meta": {"security": [VERY, NOTE]}, "subject": {"reference": "Patient/carla"}}
    by = {"reference": "Practitioner/theo"}
    return [
        {
            "resourceType": "Observation", "id": "note-carla", "status": "final",
            "code": {"text": "score"}, "valueInteger": 5, "performer": [by], **labelled,
        },
        {
            "resourceType": "DocumentReference", "id": "n-carla", "status": "current",
            "author": [by], "content": [{"attachment": {"title": "of carla"}}], **labelled,
        },
    ]  # fmt: skip


def decided(partner: str) -> list[dict[str, Any]]:
    """What they and the partner decided; a denial hides no Consent from who may record one."""
    withdrawn = provision("deny", provision("permit"))
    return [
        *(denial(name, *DENIED) for name in ("berta", "dora")),
        consent(partner, withdrawn, status="inactive", id=f"k2-{partner}"),
    ]


def shared(caller: str) -> list[dict[str, Any]]:
    """What is in both: the staff, two records, a couple, references to who is hidden."""
    supervised = team("sam", "sam", category=[{"coding": [SUPERVISION]}])
    supervised["participant"].append({"member": {"reference": "Practitioner/tess"}})
    to_another = provision("permit", actor=[actor(ELSEWHERE)])
    opened = consent("anna", provision("permit", to_another), id="k-anna")
    return [
        *({"resourceType": "Practitioner", "id": one, "name": [{"family": one}]} for one in STAFF),
        {"resourceType": "Organization", "id": "ours", "name": "The clinic"},
        *about("anna", "tess"),
        *about("carla", "tess"),
        denial("carla", *DENIED),
        opened,
        team("anna", "cora", subject={"reference": "Patient/anna"}),
        supervised,
        *couple(caller),
        {"resourceType": "Patient", "id": "erna"},
        team("erna", "tess", subject={"reference": "Patient/erna"}),
        denial("erna", *DENIED, *(f"Practitioner/{one}" for one in ("tess", "cora", "sam"))),
    ]


def hidden(partner: str) -> list[dict[str, Any]]:
    """What only one has: another therapist's records and notes, one who denies all, a partner's.

    None of it is very restricted: of that the clinical lead hears whatever Consents say.
    """
    return [
        *record("berta"),
        *record("dora"),
        team("berta", "theo", subject={"reference": "Patient/berta"}),
        *record("erna")[1:],
        *of_the_partner(partner),
        *of_the_author(),
    ]

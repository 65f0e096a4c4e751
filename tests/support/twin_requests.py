"""What callers of twin worlds ask, of those they see, those they may not and those who are not."""

from __future__ import annotations

from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from app.fhir import references
from tests.support.application import ORIGIN
from tests.support.consents import actor, consent, provision
from tests.support.twin_records import ELSEWHERE, MRN, OURS, about
from tests.support.twins import ASKING, BROWSING, MOSTLY

BASE = f"{ORIGIN}/fhir"
PAGES = [
    "/me", "/me/consents", "/me/looks", "/alliance", "/audit", "/audit/timeline", "/audit/alerts",
    "/account", "/",
]  # fmt: skip
NAMES = ["anna", "anna", "carla", "berta", "dora", "erna", "pia", "paul", "nobody"]
WITHIN = ["EpisodeOfCare", "Encounter", "Observation", "Goal", "Flag", "Communication", "Consent"]
KINDS = [
    "Patient", *WITHIN, "CareTeam", "CarePlan", "DocumentReference", "QuestionnaireResponse",
    "Task", "Group", "DetectedIssue", "Provenance", "Practitioner", "AuditEvent",
]  # fmt: skip
OF = {
    "Patient": [""],
    "EpisodeOfCare": ["e-"],
    "Encounter": ["v-"],
    "Observation": ["o0-", "o1-", "o3-", "secret-", "note-"],
    "Goal": ["g-"],
    "Flag": ["f-"],
    "Communication": ["c-"],
    "CareTeam": ["t-"],
    "Consent": ["k-", "k2-"],
    "CarePlan": ["p-"],
    "DocumentReference": ["n-"],
}

MADE_OF = {
    "Observation": "derivedFrom", "Communication": "about", "Goal": "addresses",
    "CarePlan": "supportingInfo",
}  # fmt: skip

name = st.sampled_from(NAMES)
patient = name.map(lambda one: f"Patient/{one}")
status = st.sampled_from(["active", "inactive"])
person = st.sampled_from(["tess", "theo", "uma", "cora", "nobody"]).map(
    lambda one: f"Practitioner/{one}"
)


@st.composite
def reference(draw: Any) -> str:
    kind = draw(st.sampled_from(sorted(OF)))
    return f"{kind}/{draw(st.sampled_from(OF[kind]))}{draw(name)}"


RESULT = st.sampled_from(
    [
        "_count=1", "_count=2", "_count=3", "_count=0", "_total=accurate", "_total=none",
        "_total=estimate", "_summary=count", "_summary=true", "_sort=_lastUpdated", "_sort=-_id",
        "_sort=_id", "_elements=id", "_include=*", "_include:iterate=*", "_revinclude=*",
        "_sort=-date", "_sort=patient", "_sort=code", "_contained=true", "_format=json",
        "_sort=patient.birthdate", "_include:iterate=Patient:general-practitioner",
        "_revinclude:iterate=EpisodeOfCare:patient", "_revinclude=Provenance:target",
        "_revinclude=Consent:patient", "_revinclude=Group:member",
    ]
)  # fmt: skip


@st.composite
def criterion(draw: Any, kind: str) -> str:
    """One parameter, with the values of both who is seen and who is not."""
    common = [
        lambda: f"_id={draw(reference()).partition('/')[2]}",
        lambda: "_lastUpdated=gt2020",
        lambda: "_security=V",
        lambda: f"_id:not={draw(name)}",
        lambda: f"_lastUpdated={draw(st.sampled_from(['lt', 'ge', 'sa', 'eb']))}2026-06",
        lambda: f"_security:not={draw(st.sampled_from(['V', 'N', 'PSYTHPN']))}",
    ]
    of_patient = [
        lambda: f"patient={draw(patient)}",
        lambda: f"patient={draw(patient)},{draw(patient)}",
        lambda: f"patient:Patient.name={draw(name)}",
        lambda: f"patient:Patient.general-practitioner={draw(person)}",
        lambda: f"patient:identifier={MRN}|{draw(name)}",
        lambda: f"patient:missing={draw(st.sampled_from(['true', 'false']))}",
        lambda: f"patient:Patient._has:Observation:patient:performer={draw(person)}",
        lambda: f"patient.general-practitioner.name={draw(st.sampled_from(['tess', 'theo']))}",
        lambda: f"patient:not={draw(patient)}",
        lambda: f"patient:Patient._has:Consent:patient:status={draw(status)}",
    ]
    own = {
        "Patient": [
            lambda: f"name={draw(name)}",
            lambda: f"identifier={MRN}|{draw(name)}",
            lambda: f"general-practitioner={draw(person)}",
            lambda: f"general-practitioner.name={draw(st.sampled_from(['tess', 'theo']))}",
            lambda: f"_has:EpisodeOfCare:patient:care-manager={draw(person)}",
            lambda: f"_has:Observation:patient:value-quantity=gt{draw(st.integers(0, 9))}",
            lambda: f"_has:Observation:patient:_id=o0-{draw(name)}",
            lambda: f"_has:Observation:patient:_security={draw(st.sampled_from(['V', 'N']))}",
            lambda: "birthdate=1990",
            lambda: f"birthdate=lt{draw(st.integers(1989, 1992))}",
            lambda: f"name:contains={draw(name)[1:]}",
            lambda: f"_has:Group:member:_id={draw(st.sampled_from(['couple', 'none']))}",
            lambda: f"_has:Consent:patient:actor={draw(st.sampled_from([OURS, ELSEWHERE]))}",
            lambda: f"_has:Observation:patient:_has:Provenance:target:agent={draw(person)}",
        ],
        "Observation": [
            *of_patient,
            lambda: f"date=ge2026-01-0{draw(st.integers(1, 4))}",
            lambda: f"performer={draw(person)}",
            lambda: f"encounter=Encounter/v-{draw(name)}",
            lambda: "code:text=score",
            lambda: "code=total",
            lambda: f"value-quantity=ge{draw(st.integers(0, 9))}",
            lambda: f"subject=Group/{draw(st.sampled_from(['couple', 'none']))}",
            lambda: f"code-value-quantity=total$gt{draw(st.integers(0, 9))}",
            lambda: f"subject:Patient.family={draw(name)}",
        ],
        "EpisodeOfCare": [
            *of_patient,
            lambda: f"care-manager={draw(person)}",
            lambda: f"_has:Encounter:episode-of-care:patient={draw(patient)}",
        ],
        "Practitioner": [
            lambda: f"_has:EpisodeOfCare:care-manager:patient={draw(patient)}",
            lambda: f"_has:Patient:general-practitioner:name={draw(name)}",
            lambda: f"_has:Observation:performer:patient.name={draw(name)}",
            lambda: "name=theo",
        ],
        "AuditEvent": [
            lambda: f"patient={draw(patient)}",
            lambda: f"entity={draw(reference())}",
            lambda: f"agent={draw(person)}",
        ],
        "Group": [lambda: f"member={draw(patient)}", lambda: f"member.name={draw(name)}"],
        "Consent": [*of_patient, lambda: f"status={draw(status)}"],
        "CareTeam": [*of_patient, lambda: f"participant={draw(person)}"],
    }.get(kind, of_patient if kind in WITHIN else [])
    return str(draw(st.sampled_from([*own, *common]))())


@st.composite
def question(draw: Any) -> tuple[str, str]:
    """A type and a query string."""
    kind = draw(st.sampled_from(KINDS))
    asked = draw(st.lists(criterion(kind), max_size=3))
    asked += draw(st.lists(RESULT, max_size=3))
    if draw(st.booleans()):
        include = {
            "Patient": "_revinclude=Observation:patient",
            "Practitioner": "_revinclude=EpisodeOfCare:care-manager",
        }.get(kind, f"_include={kind}:patient")
        asked.append(include)
    return kind, "&".join(asked)


@st.composite
def operation(draw: Any) -> str:
    """An operation that changes nothing, about whom it may not be told of."""
    course = f"EpisodeOfCare/e-{draw(name)}"
    return draw(
        st.sampled_from(
            [
                f"{course}/$alliance-trend",
                f"{course}/$alliance-chart",
                f"{course}/$congruence?scale=core",
                f"EpisodeOfCare/$detect-ruptures?patient={draw(patient)}",
                f"{draw(person)}/$caseload",
                "Group/couple/$couple-summary?scale=core",
                f"{draw(patient)}/$accounting-of-disclosures",
                f"$explain-access?resource={draw(reference())}&actor={draw(person)}",
                f"$explain-access?resource={draw(reference())}&actor={draw(patient)}&action=s",
                f"{OURS}/$benchmark?scale={draw(st.sampled_from(['total', 'core']))}",
                "Group/couple",
                "Observation/joint",
            ]
        )
    )


@st.composite
def look(draw: Any) -> dict[str, Any]:
    kind, query = draw(question())
    where = draw(reference())
    path = draw(
        st.sampled_from(
            [
                *[f"{kind}?{query}"] * 6,
                f"?_type={kind},Patient&{query}",
                f"{draw(patient)}/{kind}?{query}",
                where,
                f"{where}/_history",
                f"{where}/_history/{draw(st.integers(1, 3))}",
                f"{kind}/_history?_count={draw(st.integers(1, 5))}",
                f"_history?_count={draw(st.integers(1, 5))}",
                f"{where}/_history?_since=2026-01-01&_count=1",
                f"{draw(patient)}/*?{query}",
                f"{draw(patient)}/$everything?_count={draw(st.integers(1, 9))}",
                draw(operation()),
                draw(operation()),
            ]
        )
    )
    method = draw(st.sampled_from(["GET", "GET", "GET", "HEAD", "POST"]))
    if method != "POST":
        return {"method": method, "url": path}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return {"method": "POST", "url": f"{kind}/_search", "headers": form, "content": query}


@st.composite
def written(draw: Any) -> dict[str, Any]:
    """A resource of somebody's record, about somebody."""
    who = draw(name)
    # Whoever comes to treat one of the couple sees what is of both.
    treated = ["theo", "nobody"] if who in ("pia", "paul") else ["tess", "theo", "nobody"]
    resources = about(who, draw(st.sampled_from(treated)))
    whom = draw(st.sampled_from([OURS, ELSEWHERE, "Practitioner/tess", "Group/couple"]))
    rules = provision(draw(st.sampled_from(["permit", "deny"])), actor=[actor(whom)])
    if who != "erna":  # whose decision is all that hides her
        resources.append(consent(who, rules, id=f"k-{who}", status=draw(status)))
    one = dict(draw(st.sampled_from(resources)))
    if one["resourceType"] in MADE_OF and draw(st.booleans()):
        one[MADE_OF[one["resourceType"]]] = [{"reference": draw(reference())}]
    return written_as(one, draw(st.sampled_from(["{}", "{}", f"{BASE}/{{}}"])))


def written_as(tree: dict[str, Any], form: str) -> dict[str, Any]:
    """The resource with its references in a form, which mean the same."""
    if form == "{}":
        return tree
    named = [place.value for place in references.references(tree) if "/" in place.value]
    return references.rewrite(tree, {each: form.format(each) for each in named})


@st.composite
def change(draw: Any) -> dict[str, Any]:
    resource = draw(written())
    kind = resource["resourceType"]
    query = draw(criterion(kind))
    version = draw(st.sampled_from([{}, {"If-Match": 'W/"1"'}, {"If-Match": 'W/"2"'}]))
    plain = {key: value for key, value in resource.items() if key != "id"}
    operations = [{"op": "add", "path": "/language", "value": draw(st.sampled_from(["en", "fr"]))}]
    patching = {"Content-Type": "application/json-patch+json"}
    where = draw(reference())
    at, found = f"{kind}/{resource['id']}", f"{kind}?{query}"
    fresh = {**resource, "id": f"new-{resource['id']}"}
    method, address, body, headers = draw(
        st.sampled_from(
            [
                ("PUT", at, resource, version),
                ("PUT", f"{kind}/{fresh['id']}", fresh, version),
                ("PUT", found, plain, {}),
                ("PUT", found, resource, {}),
                ("PUT", found, fresh, {}),
                ("POST", kind, plain, {}),
                ("POST", kind, plain, {"If-None-Exist": query}),
                ("PATCH", where, operations, patching | version),
                ("PATCH", found, operations, patching),
                ("DELETE", where, None, version),
                ("DELETE", found, None, {}),
                ("POST", f"{kind}/$validate", plain, {}),
                ("POST", f"{at}/$validate", resource, {}),
            ]
        )
    )
    request = {"method": method, "url": address, "headers": headers}
    return request if body is None else request | {"json": body}


@st.composite
def bundle(draw: Any) -> dict[str, Any]:
    """Some of these together, or one after the other."""
    entries = []
    for one in draw(st.lists(st.one_of(look(), change()), min_size=1, max_size=4)):
        headers = one.get("headers", {})
        asked = {"method": one["method"].replace("HEAD", "GET"), "url": one["url"]}
        asked |= {"ifMatch": headers["If-Match"]} if "If-Match" in headers else {}
        asked |= {"ifNoneExist": headers["If-None-Exist"]} if "If-None-Exist" in headers else {}
        if "content" in one:
            asked = {"method": "GET", "url": one["url"].replace("/_search", f"?{one['content']}")}
        entry = {"request": asked}
        if isinstance(one.get("json"), dict):
            entry["resource"] = one["json"]
        entries.append(entry)
    kind = draw(st.sampled_from(["batch", "transaction"]))
    content = {"resourceType": "Bundle", "type": kind, "entry": entries}
    return {"method": "POST", "url": "", "json": content}


def meets_an_id(request: dict[str, Any], body: Any = None) -> bool:
    """Whether it writes at an id, or puts something there: a system learns that one is taken."""
    if request["method"] == "POST" and not request["url"]:
        return any(
            meets_an_id(entry["request"], entry.get("resource"))
            for entry in request["json"]["entry"]
        )
    if request["method"] in ("PATCH", "DELETE"):
        return "?" not in request["url"]
    given = body or request.get("json")
    return request["method"] == "PUT" and not str(given.get("id", "new-")).startswith("new-")


def decides(request: dict[str, Any]) -> bool:
    """Whether it changes a Consent, as only a system may: what was hidden would be no more."""
    if request["method"] == "POST" and not request["url"]:
        return any(decides(entry["request"]) for entry in request["json"]["entry"])
    return request["method"] not in ("GET", "HEAD") and request["url"].startswith("Consent")


@st.composite
def emergency(draw: Any) -> tuple[str, dict[str, Any]]:
    """Who declares one of whom: where it opens what is hidden, it is not asked.

    To the clinical lead it opens nothing: those who are hidden deny the lead, emergencies too.
    """
    caller = draw(st.sampled_from([*ASKING, *["clinical_lead", "therapist", "supervisor"] * 4]))
    opened = ("anna", "carla", "erna", "nobody") if caller in ("therapist", "supervisor") else NAMES
    reason = draw(st.sampled_from(["ETREAT", "ETREAT", "BTG"]))
    given = [{"name": "reason", "valueCode": reason}, {"name": "note", "valueString": "help"}]
    body = {"resourceType": "Parameters", "parameter": given[: draw(st.integers(1, 2))]}
    address = f"Patient/{draw(st.sampled_from(opened))}/$break-glass"
    return caller, {"method": "POST", "url": address, "headers": {}, "json": body}


def tells_what_was_done(request: dict[str, Any]) -> bool:
    """Whether it asks for the log, where an auditor finds what was done with what is hidden."""
    told = ("AuditEvent", "$accounting", "$explain-access")
    return any(each in str(request) for each in told)


@st.composite
def call(draw: Any) -> tuple[str, dict[str, Any]]:
    """Who asks what of the FHIR base."""
    caller = draw(st.sampled_from([*ASKING, *MOSTLY, *MOSTLY]))
    request = draw(st.one_of(look(), look(), look(), change(), change(), bundle()))
    assume(caller != "ehr" or not (meets_an_id(request) or decides(request)))
    assume(caller != "own_auditor" or not tells_what_was_done(request))
    return caller, request


@st.composite
def page(draw: Any) -> tuple[str, str]:
    """Who looks at which page."""
    of_a_course = f"/alliance/e-{draw(name)}"
    caller, asked = draw(st.sampled_from(BROWSING)), [*PAGES, *[of_a_course] * 3]
    return caller, draw(
        st.sampled_from([one for one in asked if caller != "own_auditor" or "/audit" not in one])
    )


def asked() -> st.SearchStrategy[tuple[str, Any]]:
    """A caller with a request, or with the address of a page."""
    return st.one_of(*[call()] * 7, emergency(), page())

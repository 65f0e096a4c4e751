"""What an endpoint is sent besides is nobody's to read, and no endpoint leads inside."""

from __future__ import annotations

import json
import ssl

import pytest

from app.security.hooks import GuardedPost, NotTaken
from tests.http.answers import made, ok, refused
from tests.http.resources import bundle, entry, episode, patient
from tests.http.test_audit_failing import owner
from tests.support.staff import signed_in
from tests.support.subscribing import subscribe, subscription

SECRET = "Bearer s3cret-of-the-ehr"
HEADER = [f"Authorization: {SECRET}", "X-Clinic: north"]
PATCH = {"Content-Type": "application/json-patch+json"}


async def begin(clinic):
    subject = made(await clinic.http.post("Patient", json=patient()))
    return made(await clinic.http.post("EpisodeOfCare", json=episode(subject)))


async def test_a_header_is_sent_and_never_read_back(local, receiver):
    answer = await local.http.post(
        "Subscription", json=subscription("episode-status", receiver.url, header=HEADER)
    )
    where = made(answer)
    await local.application.deliver()
    assert receiver.posts[0].fields["authorization"] == SECRET
    assert receiver.posts[0].fields["x-clinic"] == "north"
    id = where.partition("/")[2]
    lead = await signed_in(local, "clinical_lead", "Practitioner/lea")
    auditor = await local.as_client("system/AuditEvent.rs", role="auditor")
    sent = bundle("transaction", entry("GET", where))
    shown = [
        answer,
        await local.http.get(where),
        await local.http.get(f"{where}/_history"),
        await local.http.get(f"{where}/_history/1"),
        await local.http.get("Subscription"),
        await local.http.get("Subscription/_history"),
        await local.http.get(f"{where}/$status"),
        await local.http.get(f"{where}/$events"),
        await local.http.post("", json=sent),
        await lead.get(where),
        await auditor.get("AuditEvent", params={"_count": "200"}),
        await local.http.put(where, json={"resourceType": "Subscription", "id": id}),
    ]
    for one in shown:
        assert "s3cret" not in one.text and "north" not in one.text
    tree = ok(await local.http.get(where))
    assert tree["channel"]["header"] == ["Authorization: ***", "X-Clinic: ***"]


async def test_a_header_is_not_at_rest_in_clear(local, receiver):
    await subscribe(local, receiver, "episode-status", header=HEADER)
    for table in ("subscription", "resource", "resource_history"):
        rows = await owner(local.application.database, f"SELECT * FROM {table}")
        assert "s3cret" not in str(rows)


async def test_the_mask_keeps_a_value_and_a_new_one_replaces_it(local, receiver):
    subscribed = await subscribe(local, receiver, "episode-status", header=HEADER)
    tree = await subscribed.read()
    tree["channel"]["header"] = ["Authorization: ***", "X-Clinic: south"]
    ok(await local.http.put(subscribed.where, json=tree))
    await begin(local)
    (post,) = await subscribed.deliver()
    assert post.fields["authorization"] == SECRET
    assert post.fields["x-clinic"] == "south"
    patch = [{"op": "replace", "path": "/reason", "value": "other words"}]
    ok(await local.http.patch(subscribed.where, content=json.dumps(patch), headers=PATCH))
    await begin(local)
    (post,) = await subscribed.deliver()
    assert post.fields["authorization"] == SECRET
    tree["channel"].pop("header")
    ok(await local.http.put(subscribed.where, json=tree))
    await begin(local)
    await local.application.deliver()
    assert "authorization" not in receiver.posts[-1].fields


async def test_nobody_has_a_secret_sent_to_where_they_listen(local, receiver):
    subscribed = await subscribe(local, receiver, "episode-status", header=HEADER)
    lead = await signed_in(local, "clinical_lead", "Practitioner/lea")
    tree = await subscribed.read()
    tree["channel"]["endpoint"] = "https://collector.example.org/"
    issues = refused(await lead.put(subscribed.where, json=tree), 422, "required")
    assert [each["expression"] for each in issues] == [
        ["Subscription.channel.header[0]"],
        ["Subscription.channel.header[1]"],
    ]
    patch = [{"op": "replace", "path": "/channel/endpoint", "value": "https://c.example.org/"}]
    answer = await lead.patch(subscribed.where, content=json.dumps(patch), headers=PATCH)
    refused(answer, 422, "required")


BLOCKED = [
    "http://ehr.example.org/hook",
    "https://127.0.0.1/",
    "https://localhost/",
    "https://[::1]/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://192.0.0.192/",
    "https://[fd00::1]/",
    "https://[fe80::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[64:ff9b::a00:1]/",
    "https://[2002:a00:1::]/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://127.1/",
    "https://0177.0.0.1/",
    "https://0/",
    "https://user:word@ehr.example.org/",
    "https://ehr.example.org@10.0.0.1/",
    "https://ehr.example.org/#fragment",
    "https://ehr.internal/",
    "https://printer.local/",
]


@pytest.mark.parametrize("endpoint", BLOCKED)
async def test_an_endpoint_inside_is_refused_when_it_is_written(ehr, endpoint):
    (issue,) = refused(
        await ehr.post("Subscription", json=subscription("episode-status", endpoint)), 422
    )
    assert issue["expression"] == ["Subscription.channel.endpoint"]


@pytest.mark.parametrize("endpoint", [each for each in BLOCKED if "127." not in each])
async def test_the_demo_opens_no_more_than_this_machine(local, endpoint):
    if endpoint in ("https://localhost/", "https://[::1]/"):
        return
    tree = subscription("episode-status", endpoint)
    if endpoint.startswith(("https://ehr.internal", "https://printer.local")):
        made(await local.http.post("Subscription", json=tree))  # judged when it is resolved
    else:
        refused(await local.http.post("Subscription", json=tree), 422)


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["169.254.169.254"], ["::ffff:127.0.0.1"], []],
)
async def test_a_name_that_leads_inside_is_not_connected_to(addresses):
    async def resolver(_host, _port):
        return addresses

    post = GuardedPost(demo=False, resolve=resolver)
    with pytest.raises(NotTaken) as failure:
        await post("https://ehr.example.org/hook", b"{}", headers=[], within=5)
    assert not failure.value.reached


async def test_the_address_that_was_judged_is_the_one_connected_to(receiver):
    """A name server that answers otherwise the second time changes nothing."""
    asked = []

    async def rebinding(host, _port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    post = GuardedPost(demo=True, resolve=rebinding, trust=ssl.create_default_context())
    with pytest.raises(NotTaken) as failure:  # it speaks no TLS
        await post(f"https://hook.example.org:{receiver.port}/", b"{}", headers=[], within=1)
    assert asked == ["hook.example.org"]
    assert failure.value.words == "the endpoint cannot be reached"

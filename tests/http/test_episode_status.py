"""The course of an episode over the API: steps that exist, and a history that the server keeps."""

from __future__ import annotations

from tests.http.answers import ok, refused
from tests.support import therapy


async def test_a_course_goes_its_way_and_the_server_keeps_it(clinic):
    course = await therapy.begin(clinic)
    tree = ok(await clinic.http.get(course.episode))
    refused(
        await clinic.http.put(course.episode, json={**tree, "status": "waitlist"}),
        422,
        "business-rule",
    )
    (issue,) = refused(
        await clinic.http.put(course.episode, json={**tree, "status": "finished"}), 422, "required"
    )
    assert issue["expression"] == ["EpisodeOfCare.period.end"]
    for status in ("onhold", "active", "finished"):
        tree = {**tree, "status": status}
        tree.pop("statusHistory", None)
        if status == "finished":
            tree["period"] = {**tree["period"], "end": "2027-01-05T10:00:00Z"}
        tree = ok(await clinic.http.put(course.episode, json=tree))
    steps = [each["status"] for each in tree["statusHistory"]]
    assert steps == ["active", "onhold", "active", "finished"]
    periods = [each["period"] for each in tree["statusHistory"]]
    assert [each["end"] for each in periods[:-1]] == [each["start"] for each in periods[1:]]
    assert "end" not in periods[-1]
    refused(
        await clinic.http.put(course.episode, json={**tree, "status": "active"}),
        422,
        "business-rule",
    )
    made_up = [{"status": "planned", "period": {"start": "2020-01-01"}}, *tree["statusHistory"]]
    refused(await clinic.http.put(course.episode, json={**tree, "statusHistory": made_up}), 422)

"""Webhooks: who may make them, which changes they are sent for, what a body holds, and what happens after a failure."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cvat_sandbox import Serving, serve
from tests.support.pictures import jpeg
from tests.support.sandbox_client_v2 import LABELS, USERS, create, ended, jobs, login, send, uploaded
from tests.support.waiting import eventually
from tests.support.webhook_receiver import Receiver, receiver

RETRIES = (0.05, 0.1)
SECRET = "a secret"
ALL = [
    "create:task", "update:task", "delete:task", "create:job", "update:job", "delete:job", "create:issue",
    "update:issue", "create:comment", "update:project", "delete:project",
]  # fmt: skip
SHAPE = {"type": "rectangle", "frame": 0, "points": [1, 2, 30, 40], "occluded": False, "attributes": []}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Serving]:
    with serve(USERS, version="2.73", webhook_retries=RETRIES) as serving:
        yield serving


@pytest.fixture
def target() -> Iterator[Receiver]:
    with receiver() as kept:
        yield kept


@pytest.fixture
def project(alex: httpx.Client) -> int:
    return int(alex.post("/projects", json={"name": "p", "labels": LABELS}).json()["id"])


def hook(http: httpx.Client, target: Receiver, project_id: int | None = None, **more: Any) -> dict[str, Any]:
    """Create a webhook of a project, or without one of the organization that `http` names."""
    of_project = {"type": "project", "project_id": project_id, "events": ALL}
    body = {"target_url": target.url, **(of_project if project_id else {"type": "organization", "events": ALL}), **more}
    answer = http.post("/webhooks", json=body)
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


def organization(http: httpx.Client, slug: str) -> dict[str, str]:
    """Create an organization and return the header that names it."""
    assert http.post("/organizations", json={"slug": slug}).status_code == 201
    return {"X-Organization": slug}


def deliveries(http: httpx.Client, webhook: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = http.get(f"/webhooks/{webhook['id']}/deliveries").json()["results"]
    return found


# -- which events


def test_a_task_with_data_is_created_once_and_updated_four_times(
    alex: httpx.Client, target: Receiver, project: int
) -> None:
    hook(alex, target, project)
    uploaded(alex, ["a.jpg", "b.jpg"], project_id=project, labels=[], segment_size=1)
    got = target.wait(8)
    assert sorted(target.events()) == sorted(
        ["create:task", "update:project", *["update:task"] * 4, "create:job", "create:job"]
    )
    created = next(delivery.body for delivery in got if delivery.event == "create:task")
    assert list(created) == ["event", "webhook_id", "task", "sender"]
    assert created["sender"]["url"].startswith("http")


def test_the_job_of_a_worker_has_no_names_and_no_addresses(alex: httpx.Client, target: Receiver, project: int) -> None:
    hook(alex, target, project, events=["create:job"])
    task_id = uploaded(alex, ["a.jpg"], project_id=project, labels=[])
    [delivery] = target.wait(1)
    job = delivery.body["job"]
    assert (job["url"], job["task_name"], job["mode"], job["issues"]) == (f"/api/jobs/{job['id']}", None, "", None)
    assert (job["task_id"], job["data_chunk_size"]) == (task_id, None)
    assert list(delivery.body["sender"]) == ["id", "username", "email"]


def test_an_update_shows_old_and_new_values_and_comes_without_a_change_too(
    alex: httpx.Client, target: Receiver, project: int
) -> None:
    [job] = jobs(alex, uploaded(alex, ["a.jpg"], project_id=project, labels=[]))
    hook(alex, target, project)
    alex.patch(f"/jobs/{job['id']}", json={"state": "in progress"})
    changed = target.wait(1)[0].body
    assert changed["before_update"] == {"updated_date": job["updated_date"], "state": "new"}
    assert changed["changes"]["state"] == {"from": "new", "to": "in progress"}
    alex.patch(f"/jobs/{job['id']}", json={"state": "in progress"})
    assert list(target.wait(2)[1].body["changes"]) == ["updated_date"]


def test_the_last_accepted_job_also_updates_its_task(alex: httpx.Client, target: Receiver, project: int) -> None:
    [job] = jobs(alex, uploaded(alex, ["a.jpg"], project_id=project, labels=[]))
    hook(alex, target, project)
    alex.patch(f"/jobs/{job['id']}", json={"stage": "acceptance", "state": "completed"})
    [task] = [delivery.body for delivery in target.wait(2) if delivery.event == "update:task"]
    assert task["changes"]["status"] == {"from": "annotation", "to": "completed"}
    assert sorted(target.events()) == ["update:job", "update:task"]


def test_saved_annotations_update_job_task_and_project(alex: httpx.Client, target: Receiver, project: int) -> None:
    [job] = jobs(alex, uploaded(alex, ["a.jpg"], project_id=project, labels=[]))
    label = alex.get("/labels", params={"project_id": project}).json()["results"][0]["id"]
    hook(alex, target, project)
    shapes = [{**SHAPE, "label_id": label}]
    answer = alex.put(f"/jobs/{job['id']}/annotations", json={"tags": [], "shapes": shapes, "tracks": []})
    assert answer.status_code == 200
    target.wait(3)
    assert sorted(target.events()) == ["update:job", "update:project", "update:task"]


def test_an_issue_comes_with_its_comment(alex: httpx.Client, target: Receiver, project: int) -> None:
    [job] = jobs(alex, uploaded(alex, ["a.jpg"], project_id=project, labels=[]))
    hook(alex, target, project)
    alex.post("/issues", json={"job": job["id"], "frame": 0, "position": [1, 2, 3, 4], "message": "look"})
    bodies = {delivery.event: delivery.body for delivery in target.wait(2)}
    assert bodies["create:issue"]["issue"]["comments"]["count"] == 0
    assert bodies["create:comment"]["comment"]["message"] == "look"


def test_a_deleted_task_is_sent_as_it_was_and_its_jobs_are_too(
    alex: httpx.Client, target: Receiver, project: int
) -> None:
    task_id = uploaded(alex, ["a.jpg"], project_id=project, labels=[])
    hook(alex, target, project)
    alex.delete(f"/tasks/{task_id}")
    deleted = next(delivery.body for delivery in target.wait(3) if delivery.event == "delete:task")
    assert deleted["task"]["size"] == 1
    assert sorted(target.events()) == ["delete:job", "delete:task", "update:project"]


def test_a_change_goes_to_the_webhooks_of_its_project_and_of_its_organization(
    alex: httpx.Client, target: Receiver
) -> None:
    header = organization(alex, "both")
    alex.headers.update(header)
    project_id = alex.post("/projects", json={"name": "p", "labels": LABELS}).json()["id"]
    ids = [hook(alex, target, project_id)["id"], hook(alex, target)["id"]]
    alex.patch(f"/projects/{project_id}", json={"name": "q"})
    assert sorted(delivery.body["webhook_id"] for delivery in target.wait(2)) == ids


def test_an_invitation_is_sent_before_it_is_accepted(alex: httpx.Client, target: Receiver) -> None:
    alex.headers.update(organization(alex, "inviting"))
    hook(alex, target, events=["create:membership", "create:invitation"])
    alex.post("/invitations", json={"role": "worker", "email": "carol@example.com"})
    bodies = {delivery.event: delivery.body for delivery in target.wait(2)}
    assert bodies["create:membership"]["membership"]["is_active"] is False
    assert bodies["create:invitation"]["invitation"]["accepted"] is False


def test_an_inactive_webhook_and_other_events_get_nothing(alex: httpx.Client, target: Receiver, project: int) -> None:
    inactive = hook(alex, target, project, is_active=False)
    hook(alex, target, project, events=["delete:project"])
    alex.patch(f"/projects/{project}", json={"name": "q"})
    alex.patch(f"/webhooks/{inactive['id']}", json={"is_active": True})
    alex.patch(f"/projects/{project}", json={"name": "r"})
    assert [delivery.body["project"]["name"] for delivery in target.wait(1)] == ["r"]


# -- deliveries


def test_a_body_is_signed_with_the_secret_and_not_without_one(
    alex: httpx.Client, target: Receiver, project: int
) -> None:
    webhook = hook(alex, target, project, secret=SECRET)
    assert "secret" not in webhook
    alex.post(f"/webhooks/{webhook['id']}/ping")
    signature = "sha256=" + hmac.new(SECRET.encode(), target.received[0].raw, hashlib.sha256).hexdigest()
    assert target.received[0].headers["x-signature-256"] == signature
    alex.patch(f"/webhooks/{webhook['id']}", json={"secret": ""})
    alex.post(f"/webhooks/{webhook['id']}/ping")
    assert "x-signature-256" not in target.received[1].headers


def test_a_ping_is_sent_at_once_and_answers_with_its_delivery(
    alex: httpx.Client, target: Receiver, project: int
) -> None:
    webhook = hook(alex, target, project)
    assert "last_status" not in webhook
    delivery = alex.post(f"/webhooks/{webhook['id']}/ping").json()
    assert (delivery["event"], delivery["status_code"], delivery["response"]) == ("ping", 200, "thanks")
    assert delivery["request"] == target.received[0].body
    assert alex.get(f"/webhooks/{webhook['id']}").json()["last_status"] == 200
    assert alex.get(f"/webhooks/{webhook['id']}/deliveries/{delivery['id']}").json() == delivery


def test_a_ping_to_a_port_where_nobody_listens_is_502_and_is_not_tried_again(alex: httpx.Client, project: int) -> None:
    webhook = hook(alex, Receiver(url="http://127.0.0.1:9/none"), project)
    delivery = alex.post(f"/webhooks/{webhook['id']}/ping").json()
    assert delivery["status_code"] == 502
    assert "Connection refused" in delivery["response"]
    assert len(deliveries(alex, webhook)) == 1


def test_a_failed_delivery_is_sent_again_until_it_succeeds(alex: httpx.Client, target: Receiver, project: int) -> None:
    target.statuses = [500, 429]
    webhook = hook(alex, target, project)
    alex.patch(f"/projects/{project}", json={"name": "q"})
    first, *others = target.wait(3)
    assert [other.raw for other in others] == [first.raw] * 2
    listed = eventually(lambda: found if len(found := deliveries(alex, webhook)) == 3 else None)
    assert [(row["attempt"], row["status_code"]) for row in listed] == [(3, 200), (2, 429), (1, 500)]
    assert listed[0]["changed_fields"] == "updated_date,name"


def test_a_delivery_is_given_up_after_the_last_pause_and_a_refused_one_at_once(
    sandbox: Serving, alex: httpx.Client, target: Receiver, project: int
) -> None:
    target.statuses = [500] * 9
    webhook = hook(alex, target, project)
    alex.patch(f"/projects/{project}", json={"name": "q"})
    eventually(lambda: len(deliveries(alex, webhook)) == 1 + len(RETRIES))
    target.statuses = [400]
    alex.patch(f"/projects/{project}", json={"name": "r"})
    listed = eventually(lambda: found if len(found := deliveries(alex, webhook)) == 4 else None)
    assert [row["status_code"] for row in listed] == [400, 500, 500, 500]
    eventually(lambda: not sandbox.sandbox.db.count("SELECT COUNT(*) FROM webhook_queue"))


def test_a_delivery_can_be_sent_again(alex: httpx.Client, target: Receiver, project: int) -> None:
    webhook = hook(alex, target, project)
    alex.patch(f"/projects/{project}", json={"name": "q"})
    [first] = target.wait(1)
    [row] = eventually(lambda: deliveries(alex, webhook))
    answer = alex.post(f"/webhooks/{webhook['id']}/deliveries/{row['id']}/redelivery")
    assert (answer.status_code, answer.json()) == (200, {})
    assert target.wait(2)[1].raw == first.raw
    listed = eventually(lambda: found if len(found := deliveries(alex, webhook)) == 2 else None)
    assert [row["redelivery"] for row in listed] == [True, False]


def test_a_redirect_is_not_followed(alex: httpx.Client, target: Receiver, project: int) -> None:
    with receiver() as elsewhere:
        target.statuses, target.headers = [302], {"Location": elsewhere.url}
        webhook = hook(alex, target, project)
        assert alex.post(f"/webhooks/{webhook['id']}/ping").json()["status_code"] == 302
        assert not elsewhere.received


def test_a_slow_receiver_delays_neither_the_request_nor_other_webhooks(
    alex: httpx.Client, target: Receiver, project: int
) -> None:
    with receiver() as slow:
        slow.released.clear()
        hook(alex, slow, project)
        hook(alex, target, project)
        begun = time.monotonic()
        alex.patch(f"/projects/{project}", json={"name": "q"})
        assert time.monotonic() - begun < 1
        target.wait(1)
        slow.released.set()


def test_a_change_that_fails_sends_nothing(alex: httpx.Client, target: Receiver, project: int) -> None:
    task_id = uploaded(alex, ["a.jpg"])
    hook(alex, target, project)
    twice = [{"name": "x"}, {"name": "x"}]
    assert alex.patch(f"/tasks/{task_id}", json={"name": "y", "labels": twice}).status_code == 400
    assert alex.patch(f"/projects/{project}", json={"name": "y", "labels": twice}).status_code == 400
    alex.patch(f"/projects/{project}", json={"name": "z"})
    assert [delivery.body["project"]["name"] for delivery in target.wait(1)] == ["z"]


def test_a_new_server_sends_what_the_old_one_could_not(tmp_path: Path, target: Receiver) -> None:
    target.statuses = [503]
    with serve(USERS, version="2.73", data=tmp_path, webhook_retries=(0.5,)) as old, login(old.url) as http:
        project_id = http.post("/projects", json={"name": "p"}).json()["id"]
        hook(http, target, project_id)
        http.patch(f"/projects/{project_id}", json={"name": "q"})
        target.wait(1)
    with serve(USERS, version="2.73", data=tmp_path, webhook_retries=(0.5,)):
        first, second = target.wait(2)
    assert first.raw == second.raw


def test_a_server_stops_while_a_receiver_does_not_respond(target: Receiver) -> None:
    target.released.clear()
    with serve(USERS, version="2.73") as serving, login(serving.url) as http:
        project_id = http.post("/projects", json={"name": "p"}).json()["id"]
        hook(http, target, project_id)
        http.patch(f"/projects/{project_id}", json={"name": "q"})
        target.wait(1)
        begun = time.monotonic()
    assert time.monotonic() - begun < 8


# -- the webhooks themselves


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"events": ["create:cat"]}, {"events": ['"create:cat" is not a valid choice.']}),
        ({"events": "create:task"}, {"events": ['Expected a list of items but got type "str".']}),
        ({"events": ["update:membership"]}, {"non_field_errors": ["Invalid events list for project webhook"]}),
        ({"target_url": "nowhere"}, {"target_url": ["Enter a valid URL."]}),
        ({"content_type": "text/plain"}, {"content_type": ['"text/plain" is not a valid choice.']}),
        ({"project_id": 999999}, ["Could not find project with provided id: 999999"]),
    ],
)
def test_a_webhook_is_refused(alex: httpx.Client, project: int, change: dict[str, Any], error: Any) -> None:
    body = {"target_url": "http://127.0.0.1:9", "type": "project", "project_id": project, "events": ALL, **change}
    answer = alex.post("/webhooks", json=body)
    assert (answer.status_code, answer.json()) == (400, error)


def test_only_the_owner_of_a_project_makes_and_sees_its_webhooks(
    alex: httpx.Client, dabai: httpx.Client, target: Receiver, project: int
) -> None:
    webhook = hook(alex, target, project)
    body = {"target_url": target.url, "type": "project", "project_id": project, "events": ALL}
    assert dabai.post("/webhooks", json=body).status_code == 403
    path = f"/webhooks/{webhook['id']}"
    answers = [dabai.get(path), dabai.patch(path, json={}), dabai.delete(path), dabai.post(f"{path}/ping"),
               dabai.get(f"{path}/deliveries"), dabai.post(f"{path}/deliveries/1/redelivery")]  # fmt: skip
    assert {answer.status_code for answer in answers} == {403}
    listed = dabai.get("/webhooks", params={"project_id": project}).json()
    assert (listed["count"], alex.get("/webhooks", params={"project_id": project}).json()["count"]) == (0, 1)


def test_a_webhook_of_an_organization_needs_one_and_the_role_of_a_maintainer(
    alex: httpx.Client, dabai: httpx.Client, root: httpx.Client, target: Receiver
) -> None:
    body = {"target_url": target.url, "type": "organization", "events": ALL}
    assert alex.post("/webhooks", json=body).status_code == 403
    assert root.post("/webhooks", json=body).status_code == 500
    header = organization(alex, "hooks")
    alex.post("/invitations", json={"role": "worker", "email": "dabai@example.com"}, headers=header)
    assert dabai.post("/webhooks", json=body, headers=header).status_code == 403
    created = alex.post("/webhooks", json=body, headers=header).json()
    assert (created["project_id"], created["type"]) == (None, "organization")
    assert dabai.get("/webhooks", headers=header).json()["count"] == 0


def test_a_patch_ignores_what_it_cannot_change_and_put_needs_all(
    alex: httpx.Client, target: Receiver, project: int
) -> None:
    webhook = hook(alex, target, project)
    path = f"/webhooks/{webhook['id']}"
    changed = alex.patch(path, json={"type": "organization", "colour": "red", "description": "new"}).json()
    assert {**changed, "updated_date": ""} == {**webhook, "description": "new", "updated_date": ""}
    assert alex.put(path, json={"target_url": target.url}).json() == {"events": ["This field is required."]}
    replaced = alex.put(path, json={"target_url": target.url, "events": ["update:job", "create:job"]}).json()
    assert replaced["events"] == ["create:job", "update:job"]


def test_the_events_of_a_project_lack_those_of_organizations(alex: httpx.Client) -> None:
    everything, of_project = (
        alex.get("/webhooks/events", params=params).json() for params in ({}, {"type": "project"})
    )
    assert everything["webhook_type"] == "all"
    assert everything["events"][0] == {"key": "create:project", "group": {"display_name": "Project"}}
    keys = {event["key"] for event in of_project["events"]}
    assert "update:project" in keys
    assert not keys & {"create:project", "update:membership", "update:organization"}
    assert alex.get("/webhooks/events", params={"type": "cat"}).status_code == 400


def test_the_webhooks_of_a_deleted_project_are_deleted(alex: httpx.Client, target: Receiver, project: int) -> None:
    webhook = hook(alex, target, project)
    alex.post(f"/webhooks/{webhook['id']}/ping")
    alex.delete(f"/projects/{project}")
    assert alex.get(f"/webhooks/{webhook['id']}").status_code == 404


def test_the_first_files_of_an_upload_in_pieces_update_the_task(
    alex: httpx.Client, target: Receiver, project: int
) -> None:
    task_id = create(alex, project_id=project, labels=[])
    hook(alex, target, project, events=["update:task"])
    alex.post(f"/tasks/{task_id}/data", headers={"Upload-Start": "1"})
    assert list(target.wait(1)[0].body["changes"]) == ["updated_date", "data_id"]
    request = ended(alex, send(alex, task_id, {"a.jpg": jpeg()}).json()["rq_id"])
    assert request["status"] == "finished"
    assert "data_id" not in target.wait(4)[1].body["changes"]


def test_a_webhook_that_is_deleted_while_it_is_sent_leaves_nothing(
    sandbox: Serving, alex: httpx.Client, target: Receiver, project: int
) -> None:
    target.released.clear()
    webhook = hook(alex, target, project)
    alex.patch(f"/projects/{project}", json={"name": "q"})
    target.wait(1)
    assert alex.delete(f"/webhooks/{webhook['id']}").status_code == 204
    target.released.set()
    alex.post(f"/webhooks/{hook(alex, target, project)['id']}/ping")
    counts = "SELECT COUNT(*) FROM webhook_delivery WHERE webhook_id = ?"
    assert sandbox.sandbox.db.count(counts, webhook["id"]) == 0


def test_a_fault_loses_or_fails_deliveries(
    sandbox: Serving, alex: httpx.Client, target: Receiver, project: int
) -> None:
    webhook = hook(alex, target, project)
    sandbox.faults.set([
        {"on": "worker delivery", "forget": "queue", "times": 1},
        {"on": "worker delivery", "fail": "no route", "skip": 1, "times": 1},
    ])  # fmt: skip
    for name in ("lost", "late"):
        alex.patch(f"/projects/{project}", json={"name": name})
    assert [delivery.body["project"]["name"] for delivery in target.wait(1)] == ["late"]
    listed = eventually(lambda: found if len(found := deliveries(alex, webhook)) == 2 else None)
    assert [(row["status_code"], row["response"]) for row in listed] == [(200, "thanks"), (502, "no route")]

"""Which changes are sent to which webhooks, and what their bodies hold."""

from __future__ import annotations

import httpx

from tests.support.pictures import jpeg
from tests.support.sandbox_client import send
from tests.support.sandbox_client_v2 import LABELS, create, ended, jobs, uploaded
from tests.support.webhook_receiver import Receiver, hook, organization

SHAPE = {"type": "rectangle", "frame": 0, "points": [1, 2, 30, 40], "occluded": False, "attributes": []}


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


def test_a_change_that_fails_sends_nothing(alex: httpx.Client, target: Receiver, project: int) -> None:
    task_id = uploaded(alex, ["a.jpg"])
    hook(alex, target, project)
    twice = [{"name": "x"}, {"name": "x"}]
    assert alex.patch(f"/tasks/{task_id}", json={"name": "y", "labels": twice}).status_code == 400
    assert alex.patch(f"/projects/{project}", json={"name": "y", "labels": twice}).status_code == 400
    alex.patch(f"/projects/{project}", json={"name": "z"})
    assert [delivery.body["project"]["name"] for delivery in target.wait(1)] == ["z"]

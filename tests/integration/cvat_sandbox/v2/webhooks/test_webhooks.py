"""The webhooks themselves: who may make, see and change them, and what is refused."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.webhook_receiver import ALL, Receiver, hook, organization


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

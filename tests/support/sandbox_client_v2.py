"""A plain HTTP client for tests of the sandbox's 2.x API. It uses nothing of labelyard, so a shared bug cannot hide."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support.pictures import jpeg
from tests.support.sandbox_client import send, until

USERS = [
    "root:rootpass:superuser",
    "alex:pass12345!",
    "dabai:pass12345!",
    "carol:pass12345!",
    "willy:pass12345!:worker",
]
LABELS: list[dict[str, Any]] = [{"name": "car", "attributes": []}, {"name": "person", "attributes": []}]


def login(url: str, name: str = "alex", password: str = "pass12345!") -> httpx.Client:
    """Return a client with the token of a user, without cookies."""
    password = "rootpass" if name == "root" else password
    answer = httpx.post(url + "/api/auth/login", json={"username": name, "password": password})
    assert answer.status_code == 200, answer.text
    headers = {"Authorization": f"Token {answer.json()['key']}"}
    return httpx.Client(base_url=url + "/api", headers=headers, timeout=60)


def create(http: httpx.Client, **task: Any) -> int:
    answer = http.post("/tasks", json={"name": "task", "labels": LABELS, **task})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def rq_id(task_id: int) -> str:
    """Return the id of the request that makes the frames of a task."""
    return f"action=create&target=task&target_id={task_id}"


def ended(http: httpx.Client, request_id: str) -> dict[str, Any]:
    """Wait until a request is finished or failed, and return it."""
    found: dict[str, Any] = until(
        lambda: http.get(f"/requests/{request_id}").json(), lambda r: r.get("status") in {"finished", "failed"}
    )
    return found


def uploaded(http: httpx.Client, names: list[str], **task: Any) -> int:
    """Create a task with images and return its id."""
    task_id = create(http, **task)
    answer = send(http, task_id, {name: jpeg() for name in names})
    assert answer.status_code == 202, answer.text
    request = ended(http, answer.json()["rq_id"])
    assert request["status"] == "finished", request
    return task_id


def frame_names(http: httpx.Client, task_id: int) -> list[str]:
    return [frame["name"] for frame in http.get(f"/tasks/{task_id}/data/meta").json()["frames"]]


def jobs(http: httpx.Client, task_id: int) -> list[dict[str, Any]]:
    """Return the jobs of a task in the order of their frames."""
    found: list[dict[str, Any]] = http.get("/jobs", params={"task_id": task_id, "sort": "id"}).json()["results"]
    return found


def found_organization(url: str, slug: str, **roles: str) -> httpx.Client:
    """Found an organization as root, with members of the given roles; return root's client."""
    root = login(url, "root")
    people = {user["username"]: user["id"] for user in root.get("/users").json()["results"]}
    emails = {name: f"{name}@example.com" for name in roles}
    for name, email in emails.items():
        root.patch(f"/users/{people[name]}", json={"email": email}).raise_for_status()
    root.post("/organizations", json={"slug": slug}).raise_for_status()
    for name, role in roles.items():
        body = {"email": emails[name], "role": role}
        root.post("/invitations", json=body, headers={"X-Organization": slug}).raise_for_status()
    return root

"""A plain HTTP client for tests of the sandbox. It uses nothing of labelyard, so a shared bug cannot hide."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from typing import Any

import httpx

from tests.support.pictures import jpeg

USERS = ["root:rootpass:superuser", "alex:pass12345!:staff,user", "dabai:pass12345!", "carol:pass12345!:annotator"]
LABELS: list[dict[str, Any]] = [{"name": "car", "attributes": []}, {"name": "person", "attributes": []}]


def login(url: str, name: str = "alex", password: str = "pass12345!") -> httpx.Client:
    """Return a client with the token of a user, without cookies."""
    password = "rootpass" if name == "root" else password
    answer = httpx.post(url + "/api/v1/auth/login", data={"username": name, "password": password})
    assert answer.status_code == 200, answer.text
    headers = {"Authorization": f"Token {answer.json()['key']}"}
    return httpx.Client(base_url=url + "/api/v1", headers=headers, timeout=60)


def until(ask: Callable[[], Any], right: Callable[[Any], bool], seconds: float = 30) -> Any:
    """Call `ask` until its result is `right`, and return the result."""
    deadline = time.monotonic() + seconds
    while not right(answer := ask()):
        assert time.monotonic() < deadline, answer
        time.sleep(0.01)
    return answer


def create(http: httpx.Client, **task: Any) -> int:
    answer = http.post("/tasks", json={"name": "task", "labels": LABELS, **task})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def send(http: httpx.Client, task_id: int, files: dict[str, bytes], **fields: str) -> httpx.Response:
    parts = [(f"client_files[{i}]", (name, data, "image/jpeg")) for i, (name, data) in enumerate(files.items())]
    return http.post(f"/tasks/{task_id}/data", data={"image_quality": "70", **fields}, files=parts)


def settled(http: httpx.Client, task_id: int) -> dict[str, Any]:
    """Wait until a task is Finished or Failed, and return its status."""
    ended: dict[str, Any] = until(
        lambda: http.get(f"/tasks/{task_id}/status").json(), lambda s: s.get("state") in {"Finished", "Failed"}
    )
    return ended


def uploaded(http: httpx.Client, names: list[str], **task: Any) -> int:
    """Create a task with images and return its id."""
    task_id = create(http, **task)
    answer = send(http, task_id, {name: jpeg() for name in names})
    assert answer.status_code == 202, answer.text
    assert settled(http, task_id) == {"state": "Finished", "message": ""}
    return task_id


def task(http: httpx.Client, task_id: int) -> dict[str, Any]:
    found: dict[str, Any] = http.get(f"/tasks/{task_id}").json()
    return found


def job_ids(http: httpx.Client, task_id: int) -> list[int]:
    return sorted(job["id"] for job in http.get(f"/tasks/{task_id}/jobs").json())


def box(label_id: int, frame: int = 0, points: Any = (10, 20, 60, 50), **more: Any) -> dict[str, Any]:
    return {
        "type": "rectangle",
        "occluded": False,
        "z_order": 0,
        "points": list(points),
        "frame": frame,
        "label_id": label_id,
        "group": 0,
        "attributes": [],
        **more,
    }


def body(*shapes: dict[str, Any], tracks: Any = (), tags: Any = ()) -> dict[str, Any]:
    return {"version": 0, "shapes": list(shapes), "tracks": list(tracks), "tags": list(tags)}


def write(http: httpx.Client, job_id: int, data: dict[str, Any], action: str = "create") -> Any:
    answer = http.patch(f"/jobs/{job_id}/annotations", params={"action": action}, json=data)
    assert answer.status_code == 200, answer.text
    return answer.json()


def export(
    http: httpx.Client, task_id: int, format_name: str = "COCO 1.0", kind: str = "annotations"
) -> zipfile.ZipFile:
    """Run an export and return its file."""
    query = {"format": format_name, "action": "download"}
    answer = until(lambda: http.get(f"/tasks/{task_id}/{kind}", params=query), lambda a: a.status_code != 202)
    assert answer.status_code == 200, answer.text
    return zipfile.ZipFile(io.BytesIO(answer.content))


def coco(http: httpx.Client, task_id: int) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(export(http, task_id).read("annotations/instances_default.json"))
    return document

"""A client for the exports and imports of a sandbox that serves CVAT 2.73."""

from __future__ import annotations

import io
import json
import time
import zipfile
from typing import Any

import httpx

from tests.support.pictures import jpeg

LABELS = [
    {"name": "car", "attributes": [
        {"name": "parked", "mutable": True, "input_type": "checkbox", "default_value": "false", "values": ["false"]},
        {"name": "age", "mutable": False, "input_type": "number", "default_value": "5", "values": ["0", "9", "1"]},
    ]},
    {"name": "tree"},
    {"name": "body", "type": "skeleton", "sublabels": [{"name": "head", "type": "points"},
                                                       {"name": "foot", "type": "points"}],
     "svg": '<line data-node-from="1" data-node-to="2"></line><circle data-node-id="1" data-label-name="head"></circle>'
            '<circle data-node-id="2" data-label-name="foot"></circle>'},
]  # fmt: skip


def client(url: str, name: str, password: str) -> httpx.Client:
    """A client with the token of a user."""
    http = httpx.Client(base_url=url, timeout=60)
    key = http.post("/api/auth/login", json={"username": name, "password": password}).json()["key"]
    http.cookies.clear()
    http.headers["Authorization"] = f"Token {key}"
    return http


def ended(http: httpx.Client, rq_id: str) -> dict[str, Any]:
    """A request once it has ended."""
    deadline = time.monotonic() + 30
    while True:
        answer = http.get(f"/api/requests/{rq_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        if found["status"] in {"finished", "failed"}:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def new_task(http: httpx.Client, names: tuple[str, ...] = ("a.jpg", "b.jpg"), **fields: Any) -> int:
    """A task with images of 100 x 80, ready."""
    body = {"name": "a task", "labels": LABELS, **fields}
    task: int = http.post("/api/tasks", json=body).json()["id"]
    files = [(f"client_files[{i}]", (name, jpeg(100, 80), "image/jpeg")) for i, name in enumerate(names)]
    sent = http.post(f"/api/tasks/{task}/data", data={"image_quality": "70"}, files=files)
    assert ended(http, sent.json()["rq_id"])["status"] == "finished"
    return task


def label_ids(http: httpx.Client, task: int) -> dict[str, int]:
    """The ids of the labels of a task, also of the points of skeletons."""
    rows = http.get("/api/labels", params={"task_id": task}).json()["results"]
    return {label["name"]: label["id"] for row in rows for label in [row, *row["sublabels"]]}


def put(http: httpx.Client, task: int, *shapes: dict[str, Any], **others: Any) -> None:
    """Replace the annotations of a task."""
    data = {"version": 0, "tags": [], "shapes": list(shapes), "tracks": [], **others}
    answer = http.put(f"/api/tasks/{task}/annotations", json=data)
    assert answer.status_code == 200, answer.text


def start(http: httpx.Client, path: str, format_name: str, **query: Any) -> httpx.Response:
    """The response to the start of an export of `tasks/1`, `jobs/1`, …"""
    params = {"format": format_name, "location": "local", "save_images": "false", **query}
    return http.post(f"/api/{path}/dataset/export", params=params)


def export(http: httpx.Client, path: str, format_name: str, **query: Any) -> zipfile.ZipFile:
    """The zip of an export."""
    answer = start(http, path, format_name, **query)
    assert answer.status_code == 202, answer.text
    found = ended(http, answer.json()["rq_id"])
    assert found["status"] == "finished", found
    return zipfile.ZipFile(io.BytesIO(http.get(found["result_url"]).content))


def coco(http: httpx.Client, path: str) -> dict[str, Any]:
    """The document of an export as COCO 1.0."""
    found: dict[str, Any] = json.loads(export(http, path, "COCO 1.0").read("annotations/instances_default.json"))
    return found


def import_file(http: httpx.Client, path: str, format_name: str, content: bytes) -> dict[str, Any]:
    """The request of an import once it has ended."""
    answer = http.post(
        f"/api/{path}/annotations", params={"format": format_name}, files={"annotation_file": ("in", content)}
    )
    assert answer.status_code == 202, answer.text
    return ended(http, answer.json()["rq_id"])


def everything(ids: dict[str, int]) -> dict[str, Any]:
    """Annotations of every type."""
    car, tree, body = ids["car"], ids["tree"], ids["body"]
    drawn = [
        {"type": "rectangle", "points": [10, 20, 60, 50], "rotation": 30.0, "group": 1},
        {"type": "polygon", "points": [1, 1, 50, 1, 50, 50], "occluded": True, "z_order": 2},
        {"type": "polyline", "points": [1, 1, 50, 1, 50, 50]},
        {"type": "points", "points": [1, 1, 50, 1]},
        {"type": "ellipse", "points": [50, 40, 70, 30], "group": 1},
        {"type": "mask", "points": [1, 2, 3, 4, 5, 1, 0, 0, 3, 3]},
        {"type": "cuboid", "points": [10, 10, 10, 50, 60, 10, 60, 50, 70, 5, 70, 45, 20, 5, 20, 45]},
    ]
    points = [{"type": "points", "frame": 0, "label_id": ids["head"], "points": [5, 6], "attributes": []},
              {"type": "points", "frame": 0, "label_id": ids["foot"], "points": [7, 8], "outside": True,
               "attributes": []}]  # fmt: skip
    skeleton = {"type": "skeleton", "frame": 0, "label_id": body, "points": [], "attributes": [], "elements": points}
    key = {"type": "rectangle", "points": [1, 2, 3, 4], "frame": 0, "attributes": []}
    track = {"frame": 0, "label_id": car, "attributes": [], "shapes": [key, {**key, "frame": 1, "outside": True}]}
    return {
        "tags": [{"frame": 1, "label_id": car, "attributes": []}],
        "shapes": [{"frame": 0, "label_id": tree, "attributes": [], **shape} for shape in drawn] + [skeleton],
        "tracks": [track],
    }  # fmt: skip

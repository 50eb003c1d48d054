"""The main chain against a sandbox that runs: login, create, upload, wait, assign, annotate, export."""

import io
import json
import time
import zipfile
from collections.abc import Iterator

import httpx
import pytest
from PIL import Image

from labelyard.sandbox import Serving, serve

USERS = ["root:rootpass:superuser", "alex:pass12345!:staff,user", "dabai:pass12345!", "carol:pass12345!:annotator"]
LABELS = [{"name": "car", "attributes": []}, {"name": "person", "attributes": []}]


@pytest.fixture
def sandbox() -> Iterator[Serving]:
    with serve(USERS) as serving:
        yield serving


def client(sandbox: Serving, name: str = "alex", password: str = "pass12345!") -> httpx.Client:
    key = httpx.post(sandbox.url + "/api/v1/auth/login", data={"username": name, "password": password}).json()["key"]
    return httpx.Client(base_url=sandbox.url + "/api/v1", headers={"Authorization": f"Token {key}"})


def jpeg(width: int = 64, height: int = 48) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(out, "JPEG")
    return out.getvalue()


def until(ask, wanted: int, seconds: float = 20) -> httpx.Response:
    deadline = time.monotonic() + seconds
    while (response := ask()).status_code != wanted:
        assert time.monotonic() < deadline, response.text
        time.sleep(0.01)
    return response


def uploaded(http: httpx.Client, names: list[str], **task) -> int:
    task_id = http.post("/tasks", json={"name": "chain", "labels": LABELS, **task}).json()["id"]
    files = [(f"client_files[{i}]", (name, jpeg(), "image/jpeg")) for i, name in enumerate(names)]
    assert http.post(f"/tasks/{task_id}/data", data={"image_quality": "70"}, files=files).status_code == 202
    deadline = time.monotonic() + 20
    while not http.get(f"/tasks/{task_id}").json()["segments"]:
        assert time.monotonic() < deadline, http.get(f"/tasks/{task_id}/status").text
        time.sleep(0.01)
    return task_id


def test_a_task_goes_from_creation_to_its_coco_file(sandbox):
    http = client(sandbox)
    task_id = uploaded(http, ["b.jpg", "a.jpg", "c.jpg"], segment_size=2)
    jobs = sorted(http.get(f"/tasks/{task_id}/jobs").json(), key=lambda job: job["id"])
    assert [(job["start_frame"], job["stop_frame"]) for job in jobs] == [(0, 1), (2, 2)]
    for job in jobs:
        assert http.patch(f"/jobs/{job['id']}", json={"assignee": 3, "status": "completed"}).json()["assignee"] == 3
    task = http.get("/tasks", params={"id": task_id}).json()["results"][0]
    assert (task["status"], task["size"]) == ("completed", 3)
    shape = {"type": "rectangle", "occluded": False, "z_order": 0, "points": [1, 2, 11, 22], "frame": 2,
             "label_id": task["labels"][1]["id"], "group": 0, "attributes": []}  # fmt: skip
    body = {"version": 0, "tags": [], "tracks": [], "shapes": [shape]}
    assert http.patch(f"/jobs/{jobs[1]['id']}/annotations", params={"action": "create"}, json=body).status_code == 200
    export = f"/tasks/{task_id}/annotations?format=COCO+1.0"
    assert http.get(export).status_code == 202
    until(lambda: http.get(export), 201)
    archive = zipfile.ZipFile(io.BytesIO(http.get(export + "&action=download").content))
    coco = json.loads(archive.read("annotations/instances_default.json"))
    assert [image["file_name"] for image in coco["images"]] == ["a.jpg", "b.jpg", "c.jpg"]
    assert [(a["image_id"], a["category_id"], a["bbox"]) for a in coco["annotations"]] == [(2, 2, [1.0, 2.0, 10.0, 20.0])]
    assert http.get(export + "&action=download").status_code == 202

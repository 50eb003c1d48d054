"""Exports of a sandbox that serves CVAT 2.73."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest

from cvat_sandbox import serve
from cvat_sandbox.formats.v2.registry import EXPORTERS
from tests.support import v2_exports as v2

USERS = ["root:rootpass:superuser", "alex:alexpass:user", "dabai:dabaipass:user"]
BOX = {"type": "rectangle", "frame": 0, "points": [10.0, 20.0, 60.0, 50.0]}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pycocotools")  # of its own code


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serve(USERS, version="2.73") as sandbox:
        yield sandbox.url


@pytest.fixture(scope="module")
def alex(url: str) -> httpx.Client:
    return v2.client(url, "alex", "alexpass")


@pytest.fixture(scope="module")
def dabai(url: str) -> httpx.Client:
    return v2.client(url, "dabai", "dabaipass")


@pytest.fixture(scope="module")
def boxed(alex: httpx.Client) -> int:
    """A task with two jobs of one frame, and a box on each."""
    task = v2.new_task(alex, segment_size=1)
    car = v2.label_ids(alex, task)["car"]
    v2.put(alex, task, {**BOX, "label_id": car}, {**BOX, "label_id": car, "frame": 1})
    return task


def first_job(http: httpx.Client, task: int) -> int:
    return int(min(job["id"] for job in http.get("/api/jobs", params={"task_id": task}).json()["results"]))


def test_an_export_is_started_waited_for_and_downloaded_as_often_as_wanted(alex: httpx.Client, boxed: int) -> None:
    started = v2.start(alex, f"tasks/{boxed}", "COCO 1.0")
    request = v2.ended(alex, started.json()["rq_id"])
    first, second = alex.get(request["result_url"]), alex.get(request["result_url"])
    assert first.content == second.content
    assert request["operation"]["type"] == "export:annotations"
    assert first.headers["content-disposition"].startswith(f'attachment; filename="task_{boxed}_annotations_')


def test_the_same_export_at_once_is_a_conflict_and_another_format_is_not(alex: httpx.Client, boxed: int) -> None:
    first, again = (v2.start(alex, f"tasks/{boxed}", "COCO 1.0") for _ in range(2))
    other = v2.start(alex, f"tasks/{boxed}", "Datumaro 1.0")
    assert (first.status_code, again.status_code, other.status_code) == (202, 409, 202)
    assert first.json() == again.json() != other.json()
    for answer in (first, other):
        v2.ended(alex, answer.json()["rq_id"])
    assert v2.start(alex, f"tasks/{boxed}", "COCO 1.0").status_code == 202
    v2.ended(alex, first.json()["rq_id"])


def test_an_export_has_what_was_written_before_it_was_started(alex: httpx.Client) -> None:
    task = v2.new_task(alex)
    assert not v2.coco(alex, f"tasks/{task}")["annotations"]
    v2.put(alex, task, {**BOX, "label_id": v2.label_ids(alex, task)["car"]})
    assert len(v2.coco(alex, f"tasks/{task}")["annotations"]) == 1


def test_a_job_is_exported_with_its_own_frames(alex: httpx.Client, boxed: int) -> None:
    document = v2.coco(alex, f"jobs/{first_job(alex, boxed)}")
    assert [image["file_name"] for image in document["images"]] == ["a.jpg"]
    assert len(document["annotations"]) == 1


@pytest.mark.parametrize("format_name", sorted(EXPORTERS))
def test_every_format_contains_the_images_if_asked(alex: httpx.Client, boxed: int, format_name: str) -> None:
    names = v2.export(alex, f"tasks/{boxed}", format_name, save_images="true").namelist()
    assert len([name for name in names if name.endswith(".jpg")]) == 2
    assert not [n for n in v2.export(alex, f"tasks/{boxed}", format_name).namelist() if n.endswith(".jpg")]


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("mine.zip", 'attachment; filename="mine.zip"'),
        ('ö"\n.zip', "attachment; filename=\"__.zip\"; filename*=UTF-8''%C3%B6%22%0A.zip"),
    ],
)
def test_the_file_name_can_be_chosen(alex: httpx.Client, boxed: int, name: str, header: str) -> None:
    started = v2.start(alex, f"tasks/{boxed}", "COCO 1.0", filename=name)
    answer = alex.get(v2.ended(alex, started.json()["rq_id"])["result_url"])
    assert answer.headers["content-disposition"] == header


def test_a_part_of_a_file_can_be_downloaded(alex: httpx.Client, boxed: int) -> None:
    url = v2.ended(alex, v2.start(alex, f"tasks/{boxed}", "COCO 1.0").json()["rq_id"])["result_url"]
    whole, part = alex.get(url).content, alex.get(url, headers={"Range": "bytes=4-9"})
    assert part.status_code == 206
    assert part.content == whole[4:10]
    assert part.headers["content-range"] == f"bytes 4-9/{len(whole)}"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"format": "COCO 9"}, 400),
        ({"format": ""}, 400),
        ({"location": "moon"}, 500),
        ({"location": "cloud_storage"}, 500),
        ({"location": "cloud_storage", "cloud_storage_id": "1"}, 400),
        ({"format": "KITTI 1.0"}, 501),
    ],
)
def test_an_export_that_cannot_be_is_refused(
    alex: httpx.Client, boxed: int, query: dict[str, str], status: int
) -> None:
    assert v2.start(alex, f"tasks/{boxed}", **{"format_name": "COCO 1.0", **_renamed(query)}).status_code == status


def _renamed(query: dict[str, str]) -> dict[str, Any]:
    return {"format_name" if name == "format" else name: value for name, value in query.items()}


def test_another_user_gets_neither_an_export_nor_its_file(
    alex: httpx.Client, dabai: httpx.Client, boxed: int, url: str
) -> None:
    request = v2.ended(alex, v2.start(alex, f"tasks/{boxed}", "COCO 1.0").json()["rq_id"])
    assert v2.start(dabai, f"tasks/{boxed}", "COCO 1.0").status_code == 403
    assert dabai.get(request["result_url"]).status_code == 403
    assert httpx.get(request["result_url"]).status_code == 401


def test_a_download_needs_the_id_of_a_request(alex: httpx.Client, boxed: int) -> None:
    path = f"/api/tasks/{boxed}/dataset/download"
    assert alex.get(path).json() == ["Missing request id in the query parameters"]
    assert alex.get(path, params={"rq_id": "zzz"}).json() == ["Unexpected request id format"]
    unknown = f"action=export&target=task&target_id={boxed}&user_id=2&format=X&subresource=dataset"
    assert alex.get(path, params={"rq_id": unknown}).status_code == 404


def test_the_ways_of_old_versions_are_gone(alex: httpx.Client, boxed: int) -> None:
    assert alex.get(f"/api/tasks/{boxed}/dataset", params={"format": "COCO 1.0"}).status_code == 410
    assert alex.get(f"/api/tasks/{boxed}/annotations", params={"format": "COCO 1.0"}).status_code == 410


def test_the_export_of_a_task_without_data_fails(alex: httpx.Client) -> None:
    task = alex.post("/api/tasks", json={"name": "empty", "labels": [{"name": "car"}]}).json()["id"]
    request = v2.ended(alex, v2.start(alex, f"tasks/{task}", "COCO 1.0").json()["rq_id"])
    assert request["status"] == "failed"
    assert request["message"] == "AttributeError: 'NoneType' object has no attribute 'validation_mode'\n"


def test_a_mask_with_too_many_pixels_breaks_the_whole_export(alex: httpx.Client) -> None:
    task = v2.new_task(alex)
    car = v2.label_ids(alex, task)["car"]
    mask = {"type": "mask", "frame": 0, "points": [2, 3, 2, 3, 0, 0, 3, 1], "label_id": car}
    v2.put(alex, task, {**BOX, "label_id": car}, mask)
    request = v2.ended(alex, v2.start(alex, f"tasks/{task}", "COCO 1.0").json()["rq_id"])
    assert request["message"] == "ValueError: Invalid RLE mask representation\n"
    assert "<mask" in v2.export(alex, f"tasks/{task}", "CVAT for images 1.1").read("annotations.xml").decode()


@pytest.mark.parametrize(
    ("rule", "status"),
    [({"fail": "disk full"}, "failed"), ({"forget": "queue"}, None), ({"forget": "worker"}, "started")],
)
def test_an_export_can_fail_or_be_lost(
    alex: httpx.Client, boxed: int, rule: dict[str, str], status: str | None
) -> None:
    with serve(USERS, version="2.73") as sandbox:
        http = v2.client(sandbox.url, "alex", "alexpass")
        task = v2.new_task(http)
        sandbox.faults.set([{"on": "worker export", "times": 1, **rule}])
        rq_id = v2.start(http, f"tasks/{task}", "COCO 1.0").json()["rq_id"]
        time.sleep(0.5)
        answer = http.get(f"/api/requests/{rq_id}")
        assert answer.json()["status"] == status if status else answer.status_code == 404
        if status != "started":
            assert v2.coco(http, f"tasks/{task}")["images"]


def test_a_backup_holds_the_images_the_task_and_its_annotations(alex: httpx.Client, boxed: int) -> None:
    rq_id = alex.post(f"/api/tasks/{boxed}/backup/export", params={"location": "local"}).json()["rq_id"]
    content = alex.get(v2.ended(alex, rq_id)["result_url"]).content
    names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    assert sorted(names) == ["annotations.json", "data/a.jpg", "data/b.jpg", "task.json"]


@pytest.mark.parametrize("format_name", sorted(EXPORTERS))
def test_every_format_can_be_written_for_everything(alex: httpx.Client, format_name: str) -> None:
    task = v2.new_task(alex)
    data = v2.everything(v2.label_ids(alex, task))
    v2.put(alex, task, *data["shapes"], tags=data["tags"], tracks=data["tracks"])
    file = v2.export(alex, f"tasks/{task}", format_name)
    for name in file.namelist():
        if name.endswith(".xml"):
            ET.fromstring(file.read(name))
        elif name.endswith(".json"):
            json.loads(file.read(name))


# -- projects and their subsets


def test_a_project_has_a_file_for_each_subset_and_image_ids_go_on(alex: httpx.Client) -> None:
    answer = alex.post("/api/projects", json={"name": "both", "labels": [{"name": "car"}]})
    project = answer.json()["id"]
    for subset in ("train", "val"):
        v2.new_task(alex, (f"{subset}_1.jpg", f"{subset}_2.jpg"), labels=[], project_id=project, subset=subset)
    file = v2.export(alex, f"projects/{project}", "COCO 1.0")
    names = [f"annotations/instances_{subset}.json" for subset in ("train", "val")]
    assert sorted(file.namelist()) == names
    images = [[image["id"] for image in json.loads(file.read(name))["images"]] for name in names]
    assert images == [[1, 2], [3, 4]]

"""Imports of a sandbox that serves CVAT 2.73, and annotations that come back from an export."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cvat_sandbox import serve
from tests.support import v2_exports as v2

BOX = {"type": "rectangle", "frame": 0, "points": [10.0, 20.0, 60.0, 50.0]}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pycocotools")  # of its own code


@pytest.fixture(scope="module")
def alex() -> Iterator[httpx.Client]:
    with serve(["alex:alexpass:user"], version="2.73") as sandbox:
        yield v2.client(sandbox.url, "alex", "alexpass")


def document(*annotations: dict[str, Any], name: str = "a.jpg", label: str = "car") -> bytes:
    return json.dumps({
        "images": [{"id": 7, "file_name": name, "width": 100, "height": 80}],
        "categories": [{"id": 3, "name": label, "supercategory": ""}],
        "annotations": [{"id": n, "image_id": 7, "category_id": 3, **a} for n, a in enumerate(annotations, 1)],
    }).encode()  # fmt: skip


POLYGON = {"segmentation": [[5, 6, 75, 6, 75, 66, 5, 66]], "bbox": [5, 6, 70, 60], "iscrowd": 0}


def shapes(http: httpx.Client, task: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = http.get(f"/api/tasks/{task}/annotations").json()["shapes"]
    return found


@pytest.fixture(scope="module")
def target(alex: httpx.Client) -> int:
    return v2.new_task(alex)


def test_an_import_replaces_everything(alex: httpx.Client, target: int) -> None:
    v2.put(alex, target, {**BOX, "label_id": v2.label_ids(alex, target)["tree"]})
    given = {**POLYGON, "attributes": {"age": 42.0, "parked": True, "occluded": True, "unknown": 1}}
    assert v2.import_file(alex, f"tasks/{target}", "COCO 1.0", document(given))["status"] == "finished"
    (shape,) = shapes(alex, target)
    assert shape["type"] == "polygon"
    assert shape["source"] == "file"
    assert shape["occluded"]
    assert [a["value"] for a in shape["attributes"]] == ["42.0", "true"]


def test_a_coco_mask_becomes_a_mask_and_an_annotation_without_outline_a_rectangle(
    alex: httpx.Client, target: int
) -> None:
    runs = {"segmentation": {"counts": [80, 2, 78, 2, 7838], "size": [80, 100]}, "bbox": [1, 0, 2, 2], "iscrowd": 1}
    box = {"segmentation": [], "bbox": [1, 2, 3, 4], "iscrowd": 0}
    assert v2.import_file(alex, f"tasks/{target}", "COCO 1.0", document(runs, box))["status"] == "finished"
    mask, rectangle = shapes(alex, target)
    assert mask["points"] == [0, 4, 1, 0, 2, 1]
    assert rectangle["points"] == [1, 2, 4, 6]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (document(POLYGON, name="x.jpg"), "Could not match item id: 'x' with any task frame"),
        (document(POLYGON, label="bush"),
         "Image a: can't import annotation #0 (polygon): Label 'bush' is not registered for this task"),
        (b'{"nothing": 1}', "Unknown key: Matching variant not found at pos: 10"),
        (b"nothing", "Failed to import dataset 'coco_instances'"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit_fails_and_leaves_everything(
    alex: httpx.Client, target: int, content: bytes, message: str
) -> None:
    v2.put(alex, target, {**BOX, "label_id": v2.label_ids(alex, target)["tree"]})
    before = shapes(alex, target)
    request = v2.import_file(alex, f"tasks/{target}", "COCO 1.0", content)
    assert request["status"] == "failed"
    assert message in request["message"]
    assert request["message"].startswith("cvat.apps.dataset_manager.bindings.CvatImportError: ")
    assert shapes(alex, target) == before


def test_images_of_other_jobs_do_not_fit_a_job(alex: httpx.Client) -> None:
    task = v2.new_task(alex, segment_size=1)
    job = min(job["id"] for job in alex.get("/api/jobs", params={"task_id": task}).json()["results"])
    assert v2.import_file(alex, f"jobs/{job}", "COCO 1.0", document(POLYGON))["status"] == "finished"
    request = v2.import_file(alex, f"jobs/{job}", "COCO 1.0", document(POLYGON, name="b.jpg"))
    assert "Could not match item id: 'b' with any task frame" in request["message"]


def test_a_file_can_come_piece_by_piece(alex: httpx.Client, target: int) -> None:
    path, content = f"/api/tasks/{target}/annotations", document(POLYGON)
    query = {"format": "COCO 1.0", "filename": "in.json"}
    assert alex.post(path, params=query, headers={"Upload-Start": "true"}).status_code == 202
    metadata = "filename " + base64.b64encode(b"in.json").decode()
    begun = alex.post(path + "/", headers={"Upload-Length": str(len(content)), "Upload-Metadata": metadata})
    assert begun.status_code == 201
    address, key = begun.headers["location"], begun.headers["upload-filename"]
    for start, end in ((0, 50), (50, len(content))):
        assert alex.head(address).headers["upload-offset"] == str(start)
        headers = {"Upload-Offset": str(start), "Content-Type": "application/offset+octet-stream"}
        assert alex.patch(address, content=content[start:end], headers=headers).status_code == 204
    assert alex.patch(address, content=b"x", headers=headers).status_code == 409
    finish = alex.post(path, params={**query, "filename": key}, headers={"Upload-Finish": "true"})
    assert v2.ended(alex, finish.json()["rq_id"])["status"] == "finished"
    assert [shape["type"] for shape in shapes(alex, target)] == ["polygon"]
    assert alex.head(address).status_code == 404


def test_what_is_no_import_is_refused(alex: httpx.Client, target: int) -> None:
    path, files = f"/api/tasks/{target}/annotations", {"annotation_file": ("in", b"{}")}
    assert alex.post(path, files=files).json() == ["Unknown input format ''"]
    assert alex.post(path, params={"format": "COCO 1.0"}).json() == {"annotation_file": ["No file was submitted."]}
    assert alex.post(path, params={"format": "KITTI 1.0"}, files=files).status_code == 501


def _plain(annotations: dict[str, Any]) -> Any:
    """Annotations without ids, sources and order."""

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: clean(v) for k, v in value.items() if k not in {"id", "source"}}
        return sorted((clean(v) for v in value), key=json.dumps) if isinstance(value, list) else value

    points = [shape["points"] for shape in annotations["shapes"]]
    return clean(annotations), sorted(map(json.dumps, points))


def test_cvats_xml_brings_back_every_shape_tag_and_attribute(alex: httpx.Client) -> None:
    task = v2.new_task(alex)
    data = {**v2.everything(v2.label_ids(alex, task)), "tracks": []}
    v2.put(alex, task, *data["shapes"], tags=data["tags"])
    before = alex.get(f"/api/tasks/{task}/annotations").json()
    content = v2.export(alex, f"tasks/{task}", "CVAT for images 1.1").read("annotations.xml")
    v2.put(alex, task)
    assert v2.import_file(alex, f"tasks/{task}", "CVAT 1.1", content)["status"] == "finished"
    assert _plain(alex.get(f"/api/tasks/{task}/annotations").json()) == _plain(before)


def test_tracks_come_back_from_cvats_xml_for_videos(alex: httpx.Client) -> None:
    task = v2.new_task(alex)
    data = v2.everything(v2.label_ids(alex, task))
    v2.put(alex, task, tracks=data["tracks"])
    before = alex.get(f"/api/tasks/{task}/annotations").json()
    file = v2.export(alex, f"tasks/{task}", "CVAT for video 1.1")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("annotations.xml", file.read("annotations.xml"))
    v2.put(alex, task)
    assert v2.import_file(alex, f"tasks/{task}", "CVAT 1.1", stream.getvalue())["status"] == "finished"
    assert _plain(alex.get(f"/api/tasks/{task}/annotations").json()) == _plain(before)

"""Exports: their states, their cached files, and their formats."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import httpx
import pytest

from cvat_sandbox import Serving
from tests.support.sandbox_client import (
    body,
    box,
    coco,
    create,
    export,
    job_ids,
    jpeg,
    login,
    send,
    settled,
    task,
    until,
    uploaded,
    write,
)


@pytest.fixture
def one(alex: httpx.Client) -> int:
    """A task with one image and one box."""
    task_id = uploaded(alex, ["a.jpg"])
    write(alex, job_ids(alex, task_id)[0], body(box(task(alex, task_id)["labels"][0]["id"])))
    return task_id


def status(http: httpx.Client, task_id: int, action: str = "", **query: str) -> int:
    return http.get(
        f"/tasks/{task_id}/annotations", params={"format": "COCO 1.0", "action": action, **query}
    ).status_code


def test_a_finished_export_can_be_downloaded_once_and_then_starts_again(alex: httpx.Client, one: int) -> None:
    assert status(alex, one) == 202
    until(lambda: status(alex, one), lambda s: s == 201)
    assert status(alex, one) == 201
    assert status(alex, one, "download") == 200
    assert status(alex, one, "download") == 202


def test_all_users_share_an_export(alex: httpx.Client, root: httpx.Client, one: int) -> None:
    until(lambda: status(alex, one), lambda s: s == 201)
    assert status(root, one, "DOWNLOAD") == 200
    assert status(alex, one, "download") == 202


def test_a_write_of_annotations_discards_a_finished_export(alex: httpx.Client, one: int) -> None:
    until(lambda: status(alex, one), lambda s: s == 201)
    write(alex, job_ids(alex, one)[0], body(box(task(alex, one)["labels"][0]["id"])))
    assert status(alex, one, "download") == 202
    assert len(coco(alex, one)["annotations"]) == 2


def test_other_writes_keep_the_file(alex: httpx.Client, one: int) -> None:
    before = export(alex, one).infolist()[0].date_time, coco(alex, one)
    job = job_ids(alex, one)[0]
    write(alex, job, body())
    write(alex, job, body(box(1, id=999_999)), "delete")
    alex.patch(f"/jobs/{job}", json={"status": "completed", "assignee": 3})
    alex.patch(f"/tasks/{one}", json={"name": "new", "labels": [{"name": "later", "attributes": []}]})
    assert (export(alex, one).infolist()[0].date_time, coco(alex, one)) == before
    tag = {"frame": 0, "label_id": task(alex, one)["labels"][0]["id"], "group": 0, "attributes": []}
    written = write(alex, job, body(tags=[tag]))
    write(alex, job, body(tags=written["tags"]), "delete")
    assert [category["name"] for category in coco(alex, one)["categories"]] == ["car", "person", "later"]


def test_a_write_during_an_export_is_missing_until_the_next_write(
    alex: httpx.Client, sandbox: Serving, one: int
) -> None:
    """The database is read at the start of an export; the time of the file is the end."""
    label, job = task(alex, one)["labels"][0]["id"], job_ids(alex, one)[0]
    sandbox.faults.set([{"on": "worker export", "delay": 1.0, "times": 1}])
    assert status(alex, one) == 202
    until(lambda: sandbox.faults.described()[0]["met"], bool)
    write(alex, job, body(box(label)))
    until(lambda: list((sandbox.sandbox.folder / "tasks" / str(one)).rglob("*.zip")), bool)
    assert len(coco(alex, one)["annotations"]) == 1
    assert len(coco(alex, one)["annotations"]) == 1
    write(alex, job, body(box(label)))
    assert len(coco(alex, one)["annotations"]) == 3


def test_the_files_of_a_deleted_task_are_deleted(alex: httpx.Client, sandbox: Serving, one: int) -> None:
    coco(alex, one)
    data = task(alex, one)["data"]
    assert alex.delete(f"/tasks/{one}").status_code == 204
    folder = sandbox.sandbox.folder
    assert not (folder / "tasks" / str(one)).exists()
    assert not (folder / "data" / str(data)).exists()


def test_the_download_is_named_after_the_task_in_ascii_and_utf_8(alex: httpx.Client, one: int) -> None:
    alex.patch(f"/tasks/{one}", json={"name": 'Bär "q"'})
    query = {"format": "COCO 1.0", "action": "download"}
    answer = until(lambda: alex.get(f"/tasks/{one}/annotations", params=query), lambda a: a.status_code == 200)
    disposition = answer.headers["Content-Disposition"]
    assert disposition.startswith('attachment; filename="b\'task_bar "q"-20')
    assert "; filename*=UTF-8''task_b%C3%A4r%20%22q%22-20" in disposition
    assert disposition.endswith("-coco%201.0.zip")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"format": "COCO 1.1"}, "Unknown format specified for the request"),
        ({"format": "COCO 1.0", "action": "steal"}, "Unexpected action specified for the request"),
    ],
)
def test_a_wrong_format_or_action_is_an_error(alex: httpx.Client, one: int, query: dict[str, str], words: str) -> None:
    answer = alex.get(f"/tasks/{one}/annotations", params=query)
    assert (answer.status_code, answer.json()) == (400, [words])


def test_cvat_xml_keeps_every_shape_and_its_group(alex: httpx.Client, one: int) -> None:
    label, job = task(alex, one)["labels"][1]["id"], job_ids(alex, one)[0]
    line = box(label, type="polyline", points=[1, 2, 3, 4], group=4, occluded=True)
    tag = {"frame": 0, "label_id": label, "group": 0, "attributes": []}
    write(alex, job, body(line, tags=[tag]))
    root = ET.fromstring(export(alex, one, "CVAT for images 1.1").read("annotations.xml"))
    image = root.find("image")
    assert [element.tag for element in image] == ["box", "polyline", "tag"]
    assert image[1].attrib == {"label": "person", "occluded": "1", "points": "1.00,2.00;3.00,4.00", "group_id": "4"}
    video = ET.fromstring(export(alex, one, "CVAT for video 1.1").read("annotations.xml"))
    assert [track[0].tag for track in video.iter("track")] == ["box", "polyline"]


@pytest.mark.parametrize("format_name", ["CVAT for images 1.1", "CVAT for video 1.1"])
def test_cvat_xml_keeps_the_attributes_of_a_track_and_of_its_key_frames(alex: httpx.Client, format_name: str) -> None:
    attributes = [
        {"name": "colour", "mutable": False, "input_type": "text", "default_value": "", "values": [""]},
        {"name": "parked", "mutable": True, "input_type": "text", "default_value": "", "values": [""]},
    ]
    task_id = uploaded(alex, ["a.jpg"], labels=[{"name": "car", "attributes": attributes}])
    [label] = task(alex, task_id)["labels"]
    colour, parked = (spec["id"] for spec in label["attributes"])
    key_frame = box(label["id"], outside=False, attributes=[{"spec_id": parked, "value": "no"}])
    track = {"frame": 0, "label_id": label["id"], "group": 0, "shapes": [key_frame],
             "attributes": [{"spec_id": colour, "value": "blue"}]}  # fmt: skip
    write(alex, job_ids(alex, task_id)[0], body(tracks=[track]))
    root = ET.fromstring(export(alex, task_id, format_name).read("annotations.xml"))
    [found] = root.iter("box")
    assert {value.get("name"): value.text for value in found} == {"parked": "no", "colour": "blue"}


def test_the_frames_of_a_track_have_their_numbers_in_the_uploaded_files(alex: httpx.Client) -> None:
    task_id = create(alex)
    send(alex, task_id, {f"{n}.jpg": jpeg() for n in range(10)}, start_frame="2", frame_filter="step=3")
    settled(alex, task_id)
    key_frame = box(task(alex, task_id)["labels"][0]["id"], outside=False)
    track = {"frame": 0, "label_id": key_frame["label_id"], "group": 0, "shapes": [key_frame], "attributes": []}
    write(alex, job_ids(alex, task_id)[0], body(tracks=[track]))
    root = ET.fromstring(export(alex, task_id, "CVAT for video 1.1").read("annotations.xml"))
    assert [found.get("frame") for found in root.iter("box")] == ["2", "5", "8"]


@pytest.mark.parametrize(
    ("format_name", "member"),
    [
        ("YOLO 1.1", "obj_train_data/a.txt"),
        ("MOT 1.1", "gt/gt.txt"),
        ("PASCAL VOC 1.1", "Annotations/a.xml"),
        ("Datumaro 1.0", "dataset/annotations/default.json"),
    ],
)
def test_the_other_formats_contain_the_box(alex: httpx.Client, one: int, format_name: str, member: str) -> None:
    assert export(alex, one, format_name).read(member)


def test_a_dataset_contains_the_images(alex: httpx.Client, one: int) -> None:
    names = export(alex, one, kind="dataset").namelist()
    assert names == ["images/a.jpg", "annotations/instances_default.json"]


def test_a_task_cannot_be_deleted_while_its_frames_are_made(sandbox: Serving, alex: httpx.Client) -> None:
    sandbox.faults.set([{"on": "worker creation", "delay": 3600}])
    task_id = create(alex)
    send(alex, task_id, {"a.jpg": jpeg()})
    until(lambda: sandbox.faults.described()[0]["met"], bool)
    assert alex.delete(f"/tasks/{task_id}").status_code == 500
    sandbox.faults.stop()
    settled(alex, task_id)
    assert task(alex, task_id)["size"] == 1
    assert alex.delete(f"/tasks/{task_id}").status_code == 204
    assert login(sandbox.url).get(f"/tasks/{task_id}/status").status_code == 404

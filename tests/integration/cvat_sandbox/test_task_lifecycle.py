"""The life of a task: create, upload, wait, assign, annotate, export."""

from __future__ import annotations

import httpx

from tests.support.sandbox_client import body, box, coco, job_ids, task, uploaded, write


def test_a_task_goes_from_creation_to_its_coco_file(alex: httpx.Client) -> None:
    task_id = uploaded(alex, ["b.jpg", "a.jpg", "c.jpg"], segment_size=2)
    jobs = {job["id"]: job for job in alex.get(f"/tasks/{task_id}/jobs").json()}
    assert [(jobs[key]["start_frame"], jobs[key]["stop_frame"]) for key in sorted(jobs)] == [(0, 1), (2, 2)]
    for key in jobs:
        assert alex.patch(f"/jobs/{key}", json={"assignee": 3, "status": "completed"}).json()["assignee"] == 3
    found = alex.get("/tasks", params={"id": task_id}).json()["results"][0]
    assert (found["status"], found["size"]) == ("completed", 3)
    write(alex, max(jobs), body(box(found["labels"][1]["id"], frame=2, points=[1, 2, 11, 22])))
    document = coco(alex, task_id)
    assert [image["file_name"] for image in document["images"]] == ["a.jpg", "b.jpg", "c.jpg"]
    boxes = [(a["image_id"], a["category_id"], a["bbox"]) for a in document["annotations"]]
    assert boxes == [(2, 2, [1.0, 2.0, 10.0, 20.0])]


def test_a_reopened_job_reopens_its_task(alex: httpx.Client) -> None:
    task_id = uploaded(alex, ["a.jpg", "b.jpg"], segment_size=1)
    first, second = job_ids(alex, task_id)
    for job in (first, second):
        alex.patch(f"/jobs/{job}", json={"status": "completed"})
    alex.patch(f"/jobs/{first}", json={"status": "validation"})
    assert task(alex, task_id)["status"] == "validation"
    alex.patch(f"/jobs/{second}", json={"status": "annotation"})
    assert task(alex, task_id)["status"] == "annotation"


def test_the_job_that_was_changed_last_comes_last(alex: httpx.Client) -> None:
    task_id = uploaded(alex, ["a.jpg", "b.jpg", "c.jpg"], segment_size=1)
    first, *others = job_ids(alex, task_id)
    alex.patch(f"/jobs/{first}", json={"assignee": 1})
    assert [job["id"] for job in alex.get(f"/tasks/{task_id}/jobs").json()] == [*others, first]

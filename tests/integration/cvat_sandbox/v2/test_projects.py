"""Projects: their labels, their tasks, and what is deleted with them."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import httpx
import pytest

from cvat_sandbox import Serving
from tests.support.sandbox_client_v2 import create, ended, jobs, uploaded
from tests.support.sandbox_statements import cost

CAT: dict[str, Any] = {
    "name": "cat",
    "attributes": [
        {"name": "side", "mutable": False, "input_type": "select", "default_value": "left", "values": ["left", "right"]}
    ],
}
DOG: dict[str, Any] = {"name": "dog", "attributes": []}


def project(http: httpx.Client, **values: Any) -> dict[str, Any]:
    answer = http.post("/projects", json={"name": "animals", "labels": [CAT, DOG], **values})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def labels(http: httpx.Client, **of: int) -> dict[str, Any]:
    """Return labels by name."""
    return {label["name"]: label for label in http.get("/labels", params=of).json()["results"]}


def rectangle(label: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "rectangle", "label_id": label["id"], "frame": 0, "points": [1, 2, 30, 40], **more}


def annotate(http: httpx.Client, task_id: int, *shapes: dict[str, Any]) -> None:
    answer = http.put(f"/tasks/{task_id}/annotations", json={"tags": [], "shapes": list(shapes), "tracks": []})
    assert answer.status_code == 200, answer.text


def shapes(http: httpx.Client, task_id: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = http.get(f"/tasks/{task_id}/annotations").json()["shapes"]
    return found


def test_a_new_project_has_labels_and_no_tasks(alex: httpx.Client) -> None:
    made = project(alex)
    assert (made["owner"]["username"], made["status"], made["dimension"]) == ("alex", "annotation", None)
    assert (made["tasks"]["count"], made["task_subsets"]) == (0, [])
    assert labels(alex, project_id=made["id"])["cat"]["project_id"] == made["id"]
    assert alex.get(f"/projects/{made['id']}").json() == made


def test_equal_label_names_are_refused_and_equal_project_names_are_not(alex: httpx.Client) -> None:
    answer = alex.post("/projects", json={"name": "x", "labels": [DOG, DOG]})
    assert (answer.status_code, answer.json()) == (400, ["All label names must be unique"])
    assert project(alex)["id"] != project(alex)["id"]


def test_tasks_use_the_labels_of_the_project_and_cannot_change_them(alex: httpx.Client) -> None:
    key = project(alex)["id"]
    task_id = create(alex, labels=[], project_id=key, subset="train")
    assert labels(alex, task_id=task_id).keys() == {"cat", "dog"}
    assert alex.patch(f"/tasks/{task_id}", json={"labels": [{"name": "cow"}]}).status_code == 200
    assert labels(alex, task_id=task_id).keys() == {"cat", "dog"}
    answer = alex.post("/tasks", json={"name": "x", "project_id": key, "labels": [DOG]})
    assert (answer.status_code, answer.json()) == (400, ["Task must have only one of Label set or project_id"])


def test_a_project_shows_the_number_and_the_subsets_of_its_tasks(alex: httpx.Client) -> None:
    key = project(alex, bug_tracker="https://tracker.example.org")["id"]
    for subset in ("train", "val", "train", ""):
        uploaded(alex, ["a.jpg"], labels=[], project_id=key, subset=subset)
    shown = alex.get(f"/projects/{key}").json()
    assert (shown["tasks"]["count"], shown["dimension"], sorted(shown["task_subsets"])) == (4, "2d", ["train", "val"])
    found = alex.get("/jobs", params={"project_id": key}).json()
    assert found["count"] == 4
    assert {job["bug_tracker"] for job in found["results"]} == {"https://tracker.example.org"}


def test_labels_are_added_renamed_and_deleted_with_their_annotations(alex: httpx.Client) -> None:
    key = project(alex)["id"]
    task_id = uploaded(alex, ["a.jpg"], labels=[], project_id=key)
    known = labels(alex, project_id=key)
    annotate(alex, task_id, rectangle(known["cat"]), rectangle(known["dog"]))
    changes = [
        {"id": known["cat"]["id"], "deleted": True},
        {"id": known["dog"]["id"], "name": "hound"},
        {"name": "cow"},
    ]
    assert alex.patch(f"/projects/{key}", json={"labels": changes}).status_code == 200
    assert labels(alex, task_id=task_id).keys() == {"hound", "cow"}
    assert [shape["label_id"] for shape in shapes(alex, task_id)] == [known["dog"]["id"]]


def test_a_change_that_is_not_allowed_is_403(alex: httpx.Client, dabai: httpx.Client) -> None:
    key = project(alex)["id"]
    for body in ({"colour": "red"}, {"assignee_id": 3}):
        assert alex.patch(f"/projects/{key}", json=body).status_code == 403
    for answer in (dabai.get(f"/projects/{key}"), dabai.delete(f"/projects/{key}")):
        assert answer.status_code == 403
    assert dabai.post("/tasks", json={"name": "x", "project_id": key}).status_code == 403


def test_a_task_enters_a_project_when_all_of_its_labels_have_a_name_there(alex: httpx.Client) -> None:
    key = project(alex)["id"]
    task_id = uploaded(alex, ["a.jpg"], labels=[{"name": "tiger", "attributes": CAT["attributes"]}])
    tiger = labels(alex, task_id=task_id)["tiger"]
    spec = tiger["attributes"][0]["id"]
    annotate(alex, task_id, rectangle(tiger, attributes=[{"spec_id": spec, "value": "right"}]))
    answer = alex.patch(f"/tasks/{task_id}", json={"project_id": key})
    text = "All task or project label names must be mapped to the target project"
    assert (answer.status_code, answer.json()) == (400, {"non_field_errors": [text]})
    mapping = [{"id": tiger["id"], "name": "cat"}]
    moved = alex.patch(f"/tasks/{task_id}", json={"project_id": key, "labels": mapping})
    assert (moved.status_code, moved.json()["project_name"]) == (200, "animals")
    cat = labels(alex, project_id=key)["cat"]
    [shape] = shapes(alex, task_id)
    assert shape["label_id"] == cat["id"]
    assert shape["attributes"] == [{"spec_id": cat["attributes"][0]["id"], "value": "left"}]
    assert alex.get(f"/labels/{tiger['id']}").status_code == 404


def test_the_elements_of_a_skeleton_move_with_it(alex: httpx.Client) -> None:
    body = {"name": "body", "type": "skeleton", "svg": "", "sublabels": [{"name": "head", "type": "points"}]}
    key = project(alex, labels=[body])["id"]
    task_id = uploaded(alex, ["a.jpg"], labels=[body])
    [old], [new] = (labels(alex, **of).values() for of in ({"task_id": task_id}, {"project_id": key}))
    head = {"type": "points", "label_id": old["sublabels"][0]["id"], "frame": 0, "points": [5, 5]}
    annotate(alex, task_id, {"type": "skeleton", "label_id": old["id"], "frame": 0, "points": [], "elements": [head]})
    assert alex.patch(f"/tasks/{task_id}", json={"project_id": key}).status_code == 200
    [shape] = shapes(alex, task_id)
    [element] = shape["elements"]
    assert (shape["label_id"], element["label_id"]) == (new["id"], new["sublabels"][0]["id"])


def test_a_task_cannot_leave_its_project(alex: httpx.Client) -> None:
    task_id = create(alex, labels=[], project_id=project(alex)["id"])
    assert alex.patch(f"/tasks/{task_id}", json={"project_id": None}).status_code == 500


def test_a_deleted_project_takes_its_tasks_with_it(alex: httpx.Client) -> None:
    key = project(alex)["id"]
    task_id = uploaded(alex, ["a.jpg"], labels=[], project_id=key)
    job_id = jobs(alex, task_id)[0]["id"]
    assert alex.delete(f"/projects/{key}").status_code == 204
    for path in (f"/projects/{key}", f"/tasks/{task_id}", f"/jobs/{job_id}"):
        assert alex.get(path).status_code == 404
    assert alex.delete(f"/projects/{key}").json() == {"detail": "No Project matches the given query."}


@pytest.mark.parametrize(
    "query",
    [
        {"name": "zebras"},
        {"search": "ZEBRA"},
        {"filter": json.dumps({"==": [{"var": "name"}, "zebras"]})},
        {"sort": "-id", "page_size": 1, "owner": "alex"},
    ],
)
def test_lists_are_filtered_searched_and_sorted(alex: httpx.Client, query: dict[str, Any]) -> None:
    key = project(alex, name="zebras")["id"]
    assert alex.get("/projects", params=query).json()["results"][0]["id"] == key


def test_a_preview_is_that_of_the_newest_task(alex: httpx.Client) -> None:
    key = project(alex)["id"]
    answer = alex.get(f"/projects/{key}/preview")
    assert (answer.status_code, answer.text) == (404, "Project image preview not found")
    uploaded(alex, ["a.jpg"], labels=[], project_id=key)
    assert alex.get(f"/projects/{key}/preview").headers["content-type"] == "image/jpeg"


def test_an_export_has_a_file_for_each_subset(alex: httpx.Client) -> None:
    key = project(alex)["id"]
    uploaded(alex, ["a.jpg"], labels=[], project_id=key, subset="train")
    answer = alex.post(f"/projects/{key}/dataset/export", params={"format": "COCO 1.0", "location": "local"})
    assert ended(alex, answer.json()["rq_id"])["status"] == "finished"


def test_a_page_of_many_projects_needs_as_many_statements_as_one_of_two(sandbox: Serving, alex: httpx.Client) -> None:
    for _ in range(20):
        create(alex, labels=[], project_id=project(alex)["id"])
    few, many = (cost(sandbox, partial(alex.get, "/projects", params={"page_size": n})) for n in (2, 20))
    assert few == many

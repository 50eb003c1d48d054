"""Tasks, their labels and jobs, and the lists of them."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from cvat_sandbox import Serving
from tests.support.sandbox_client_v2 import create, frame_names, jobs, uploaded

SKELETON = {
    "name": "body",
    "type": "skeleton",
    "svg": '<circle data-node-id="1" data-label-name="head"></circle>',
    "sublabels": [{"name": "head", "type": "points", "attributes": []}],
}


def labels(http: httpx.Client, task_id: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = http.get("/labels", params={"task_id": task_id}).json()["results"]
    return found


def test_a_new_task_has_no_data_and_shows_little_of_it(alex: httpx.Client) -> None:
    task = alex.get(f"/tasks/{create(alex)}").json()
    assert (task["data"], task["mode"], task["jobs"]["count"]) == (None, "", 0)
    assert "size" not in task
    assert alex.get(f"/tasks/{task['id']}/status").json()["state"] == "Finished"
    assert alex.get(f"/tasks/{task['id']}/data/meta").status_code == 400


def test_a_field_that_nobody_knows_is_ignored_by_post_and_403_for_patch(alex: httpx.Client) -> None:
    task_id = create(alex, colour="red")
    answer = alex.patch(f"/tasks/{task_id}", json={"colour": "red"})
    assert (answer.status_code, answer.json()) == (403, {"detail": "Attempted to update an unknown field"})


def test_a_skeleton_has_sublabels_whose_ids_stand_in_its_drawing(alex: httpx.Client) -> None:
    [label] = labels(alex, create(alex, labels=[SKELETON]))
    [head] = label["sublabels"]
    assert f'data-label-id="{head["id"]}"' in label["svg"]


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ([{"name": "a"}, {"name": "a"}], ["All label names must be unique"]),
        ([{"name": "a", "type": "circle"}], {"labels": [{"type": ['"circle" is not a valid choice.']}]}),
        ([{}], {"labels": [{"name": ["This field is required."]}]}),
    ],
)
def test_labels_that_are_refused_leave_no_task_behind(alex: httpx.Client, wanted: Any, error: Any) -> None:
    before = alex.get("/tasks").json()["count"]
    answer = alex.post("/tasks", json={"name": "x", "labels": wanted})
    assert (answer.status_code, answer.json()) == (400, error)
    assert alex.get("/tasks").json()["count"] == before


def test_labels_are_added_renamed_and_deleted_by_a_patch_of_the_task(alex: httpx.Client) -> None:
    task_id = create(alex)
    car, person = labels(alex, task_id)
    alex.patch(f"/tasks/{task_id}", json={"labels": [{"id": car["id"], "name": "auto"}, {"name": "bus"}]})
    alex.patch(f"/tasks/{task_id}", json={"labels": [{"id": person["id"], "deleted": True}]})
    assert [label["name"] for label in labels(alex, task_id)] == ["auto", "bus"]
    assert alex.patch(f"/tasks/{task_id}", json={"labels": [{"name": "bus"}]}).status_code == 400


def test_nobody_else_can_be_assigned_outside_of_an_organization(alex: httpx.Client) -> None:
    task_id = create(alex)
    assert alex.patch(f"/tasks/{task_id}", json={"assignee_id": 3}).status_code == 403
    assert alex.patch(f"/tasks/{task_id}", json={"assignee_id": 2}).json()["assignee"]["username"] == "alex"


def test_another_user_sees_nothing_of_a_task(alex: httpx.Client, dabai: httpx.Client) -> None:
    task_id = uploaded(alex, ["a.jpg"])
    job_id = jobs(alex, task_id)[0]["id"]
    for path in (f"/tasks/{task_id}", f"/tasks/{task_id}/data/meta", f"/jobs/{job_id}", f"/labels?task_id={task_id}"):
        assert dabai.get(path).status_code == 403
    assert dabai.get("/tasks").json()["count"] == 0
    assert dabai.get(f"/jobs?task_id={task_id}").json()["count"] == 0


def test_a_worker_creates_no_task(sandbox: Serving) -> None:
    from tests.support.sandbox_client_v2 import login  # noqa: PLC0415

    assert login(sandbox.url, "willy").post("/tasks", json={"name": "x"}).status_code == 403


def test_jobs_overlap_and_none_is_only_overlap(alex: httpx.Client) -> None:
    task_id = uploaded(alex, [f"{n}.jpg" for n in range(7)], segment_size=3, overlap=1)
    assert [(job["start_frame"], job["stop_frame"]) for job in jobs(alex, task_id)] == [(0, 2), (2, 4), (4, 6)]


def test_a_new_stage_makes_the_state_new_unless_it_is_sent_too(alex: httpx.Client) -> None:
    task_id = uploaded(alex, ["a.jpg"])
    job = f"/jobs/{jobs(alex, task_id)[0]['id']}"
    assert alex.patch(job, json={"state": "completed"}).json()["state"] == "completed"
    assert alex.patch(job, json={"stage": "validation"}).json()["state"] == "new"
    assert alex.patch(job, json={"stage": "acceptance", "state": "completed"}).json()["status"] == "completed"
    task = alex.get(f"/tasks/{task_id}").json()
    assert (task["status"], task["jobs"]["completed"]) == ("completed", 1)


def test_annotation_jobs_cannot_be_deleted(alex: httpx.Client) -> None:
    answer = alex.delete(f"/jobs/{jobs(alex, uploaded(alex, ['a.jpg']))[0]['id']}")
    assert (answer.status_code, answer.json()) == (400, ["Only ground truth jobs can be removed"])


def test_a_deleted_task_takes_its_jobs_and_its_request_is_400(alex: httpx.Client) -> None:
    task_id = uploaded(alex, ["a.jpg"])
    assert alex.delete(f"/tasks/{task_id}").status_code == 204
    assert alex.get(f"/tasks/{task_id}").json() == {"detail": "No Task matches the given query."}
    assert alex.get(f"/jobs?task_id={task_id}").json()["count"] == 0
    answer = alex.get(f"/requests/action=create&target=task&target_id={task_id}")
    assert (answer.status_code, answer.json()) == (400, ["Task matching query does not exist."])


def test_lists_are_filtered_sorted_searched_and_paged(dabai: httpx.Client) -> None:
    made = [create(dabai, name=name) for name in ("b second", "a first", "c third")]
    query: dict[str, Any] = {
        "filter": json.dumps({"and": [{"in": ["first", {"var": "name"}]}, {">": [{"var": "id"}, 0]}]})
    }
    assert [task["id"] for task in dabai.get("/tasks", params=query).json()["results"]] == [made[1]]
    named = dabai.get("/tasks", params={"sort": "name"}).json()["results"]
    assert [task["name"] for task in named] == ["a first", "b second", "c third"]
    assert dabai.get("/tasks", params={"search": "THIRD"}).json()["count"] == 1
    page = dabai.get("/tasks", params={"page_size": 2, "page": 2}).json()
    assert [task["id"] for task in page["results"]] == [made[0]]
    assert page["previous"].endswith("/api/tasks?page_size=2")
    assert dabai.get("/tasks", params={"page": 9}).status_code == 404
    assert dabai.get("/tasks", params={"id": made[0]}).json()["count"] == 3


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"status": "nothing"}, {"status": ["Select a valid choice. nothing is not one of the available choices."]}),
        ({"project_id": "x"}, {"project_id": ["Enter a number."]}),
        ({"filter": '{"==": [{"var": "colour"}, 1]}'}, ["filter: term 'colour' is not supported"]),
    ],
)
def test_a_filter_that_cannot_be_read_is_400(alex: httpx.Client, query: dict[str, str], error: Any) -> None:
    answer = alex.get("/tasks", params=query)
    assert (answer.status_code, answer.json()) == (400, error)


def test_frames_can_be_marked_as_deleted(alex: httpx.Client) -> None:
    task_id = uploaded(alex, ["a.jpg", "b.jpg"])
    meta = f"/tasks/{task_id}/data/meta"
    assert alex.patch(meta, json={"deleted_frames": [1]}).json()["deleted_frames"] == [1]
    assert frame_names(alex, task_id) == ["a.jpg", "b.jpg"]
    assert alex.patch(meta, json={"deleted_frames": [7]}).status_code == 400

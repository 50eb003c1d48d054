"""Consensus: replicas of jobs, and merges into their parents."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from cvat_sandbox import Serving
from tests.support.sandbox_client_v2 import LABELS, ended, jobs, login, uploaded

NAMES = ["a.jpg", "b.jpg"]


class Replicated:
    """A task with one parent job and two replicas."""

    def __init__(self, http: httpx.Client, **task: Any) -> None:
        self.http = http
        self.task = uploaded(http, NAMES, consensus_replicas=2, **task)
        self.parent, *self.replicas = (job["id"] for job in jobs(http, self.task))
        labels = http.get("/labels", params={"task_id": self.task}).json()["results"]
        self.labels = {label["name"]: label["id"] for label in labels}

    def draw(self, job_id: int, *boxes: tuple[float, ...], label: str = "car", **more: Any) -> None:
        shapes = [
            {"type": "rectangle", "label_id": self.labels[label], "frame": 0, "points": list(box), "occluded": False,
             "z_order": 0, "rotation": 0.0, "group": 0, "source": "manual", "attributes": [], "elements": [], **more}
            for box in boxes
        ]  # fmt: skip
        body = {"version": 0, "tags": [], "shapes": shapes, "tracks": []}
        assert self.http.put(f"/jobs/{job_id}/annotations", json=body).status_code == 200

    def merged(self, **target: int) -> list[dict[str, Any]]:
        for replica in self.replicas:
            self.http.patch(f"/jobs/{replica}", json={"state": "completed"})
        answer = self.http.post("/consensus/merges", json=target or {"task_id": self.task})
        assert answer.status_code == 202, answer.text
        request = ended(self.http, answer.json()["rq_id"])
        assert request["status"] == "finished", request
        found: list[dict[str, Any]] = self.http.get(f"/jobs/{self.parent}/annotations").json()["shapes"]
        return found


@pytest.fixture
def replicated(alex: httpx.Client) -> Replicated:
    return Replicated(alex)


@pytest.mark.parametrize("replicas", [1, 12, -1])
def test_one_replica_is_none_and_twelve_are_too_many(alex: httpx.Client, replicas: int) -> None:
    answer = alex.post("/tasks", json={"name": "x", "labels": LABELS, "consensus_replicas": replicas})
    text = f"Consensus replicas must be 0 or a positive number more than 1 and less than 12, got {replicas}"
    assert (answer.status_code, answer.json()) == (400, {"consensus_replicas": [text]})


def test_each_job_has_its_replicas_on_the_same_frames(alex: httpx.Client) -> None:
    task = uploaded(alex, NAMES, consensus_replicas=3, segment_size=1)
    found = jobs(alex, task)
    parents = [job for job in found if job["type"] == "annotation"]
    assert [job["replicas_count"] for job in parents] == [3, 3]
    for parent in parents:
        own = [job for job in found if job["parent_job_id"] == parent["id"]]
        assert {(job["type"], job["start_frame"]) for job in own} == {("consensus_replica", parent["start_frame"])}
    assert alex.get("/jobs", params={"task_id": task, "type": "annotation"}).json()["count"] == 2
    assert alex.get(f"/tasks/{task}").json()["jobs"]["count"] == 8


def test_what_is_drawn_in_a_replica_is_not_the_tasks(replicated: Replicated) -> None:
    replicated.draw(replicated.replicas[0], (10, 10, 40, 40))
    assert replicated.http.get(f"/tasks/{replicated.task}/annotations").json()["shapes"] == []


def test_a_merge_waits_for_replicas_that_have_begun(replicated: Replicated) -> None:
    answer = replicated.http.post("/consensus/merges", json={"task_id": replicated.task})
    assert answer.status_code == 400
    assert "no consensus_replica jobs not in the annotation - new state" in answer.text


def test_a_task_without_replicas_has_nothing_to_merge(alex: httpx.Client) -> None:
    task = uploaded(alex, NAMES)
    answer = alex.post("/consensus/merges", json={"task_id": task})
    assert (answer.status_code, answer.json()) == (400, ["Consensus is not enabled in this task"])
    assert alex.get("/consensus/settings", params={"task_id": task}).json()["count"] == 0


def test_boxes_in_one_place_become_one_that_was_drawn(replicated: Replicated) -> None:
    first, second = replicated.replicas
    replicated.draw(first, (10, 10, 40, 40), z_order=2)
    replicated.draw(second, (12, 10, 40, 40))
    [shape] = replicated.merged()
    assert shape["points"] in ([10, 10, 40, 40], [12, 10, 40, 40])
    assert (shape["source"], shape["z_order"]) == ("consensus", 2)
    parent = replicated.http.get(f"/jobs/{replicated.parent}").json()
    assert (parent["stage"], parent["state"]) == ("annotation", "completed")
    assert replicated.http.get(f"/tasks/{replicated.task}/annotations").json()["shapes"] == [shape]


def test_what_only_one_replica_has_remains_and_other_labels_are_no_pair(replicated: Replicated) -> None:
    first, second = replicated.replicas
    replicated.draw(first, (10, 10, 40, 40), (60, 10, 90, 40))
    replicated.draw(second, (10, 10, 40, 40), label="person")
    assert len(replicated.merged()) == 3


def test_the_threshold_of_the_settings_decides_what_is_one(replicated: Replicated) -> None:
    http = replicated.http
    [settings] = http.get("/consensus/settings", params={"task_id": replicated.task}).json()["results"]
    first, second = replicated.replicas
    replicated.draw(first, (10, 10, 40, 40))
    replicated.draw(second, (20, 10, 50, 40))  # overlap 0.5
    assert len(replicated.merged()) == 1
    answer = http.patch(f"/consensus/settings/{settings['id']}", json={"iou_threshold": 0.6})
    assert answer.json() == {"id": settings["id"], "task_id": replicated.task, "iou_threshold": 0.6}
    assert len(replicated.merged(job_id=replicated.parent)) == 2


def test_a_merge_replaces_what_the_parent_had(replicated: Replicated) -> None:
    replicated.draw(replicated.parent, (0, 0, 5, 5))
    replicated.draw(replicated.replicas[0], (10, 10, 40, 40))
    assert [shape["points"] for shape in replicated.merged()] == [[10, 10, 40, 40]]


def test_another_user_merges_nothing(sandbox: Serving, replicated: Replicated) -> None:
    with login(sandbox.url, "dabai") as dabai:
        assert dabai.post("/consensus/merges", json={"task_id": replicated.task}).status_code == 403
        assert dabai.get("/consensus/settings").json()["count"] == 0

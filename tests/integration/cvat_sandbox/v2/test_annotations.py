"""Annotations of jobs and tasks over HTTP: who may write them, and the responses to what does not fit."""

from __future__ import annotations

from typing import Any, NamedTuple

import httpx
import pytest

from tests.support.sandbox_client_v2 import create, jobs, uploaded


class Target(NamedTuple):
    """A task of four frames in two jobs, as its owner sees it."""

    http: httpx.Client
    task: int
    jobs: list[int]
    car: int

    def box(self, frame: int = 0, **more: Any) -> dict[str, Any]:
        """Return a rectangle."""
        return {"type": "rectangle", "label_id": self.car, "frame": frame, "points": [1, 2, 30, 40], **more}

    def job(self, number: int = 0) -> str:
        """Return the path of the annotations of a job."""
        return f"/jobs/{self.jobs[number]}/annotations"

    @property
    def path(self) -> str:
        """The path of the annotations of the task."""
        return f"/tasks/{self.task}/annotations"


@pytest.fixture
def target(alex: httpx.Client) -> Target:
    task = uploaded(alex, [f"{number}.jpg" for number in range(4)], segment_size=2)
    car = alex.get("/labels", params={"task_id": task}).json()["results"][0]["id"]
    return Target(alex, task, [job["id"] for job in jobs(alex, task)], car)


def frames(http: httpx.Client, path: str) -> list[int]:
    answer = http.get(path)
    assert answer.status_code == 200, answer.text
    return [shape["frame"] for shape in answer.json()["shapes"]]


def test_the_annotations_of_a_task_are_those_of_its_jobs(target: Target) -> None:
    http = target.http
    answer = http.put(target.path, json={"shapes": [target.box(0), target.box(3), target.box(9)]})
    assert (answer.status_code, [shape["frame"] for shape in answer.json()["shapes"]]) == (200, [0, 3])
    assert [frames(http, target.job(number)) for number in (0, 1)] == [[0], [3]]
    assert http.patch(target.job(0) + "?action=create", json={"shapes": [target.box(9)]}).status_code == 200
    assert frames(http, target.path) == [0, 9, 3]
    assert http.delete(target.job(1)).status_code == 204
    assert http.delete(target.path).status_code == 204
    assert frames(http, target.path + "/") == []


def test_saving_changes_the_dates_of_the_job_and_of_the_task(target: Target) -> None:
    paths = (f"/jobs/{target.jobs[0]}", f"/tasks/{target.task}", f"/jobs/{target.jobs[1]}")
    before = [target.http.get(path).json()["updated_date"] for path in paths]
    target.http.put(target.job(0), json={"shapes": [target.box()]})
    after = [target.http.get(path).json()["updated_date"] for path in paths]
    assert [old < new for old, new in zip(before, after, strict=True)] == [True, True, False]


@pytest.mark.parametrize("action", ["", "?action=merge"])
def test_a_patch_needs_an_action(target: Target, action: str) -> None:
    answer = target.http.patch(target.job() + action, json={})
    assert (answer.status_code, answer.json()) == (400, ["Please specify a correct 'action' for the request"])


def test_errors_are_objects_lists_and_texts(target: Target) -> None:
    http, path = target.http, target.job() + "?action={}"
    answer = http.patch(path.format("create"), json={"shapes": [target.box(points=[1])]})
    assert answer.json() == {"shapes": [{"points": ["invalid length for shape type 'rectangle'"]}]}
    answer = http.patch(path.format("create"), json={"shapes": [target.box(label_id=9999)]})
    assert (answer.status_code, answer.json()) == (400, ["label_id `9999` is invalid"])
    key = http.put(target.job(1), json={"shapes": [target.box(2)]}).json()["shapes"][0]["id"]
    answer = http.patch(path.format("update"), json={"shapes": [target.box(id=key)]})
    assert answer.status_code == 400
    assert f"Key (id)=({key}) already exists." in answer.json()
    assert http.put(target.job(), json=[]).status_code == 500


def test_only_those_who_may_see_a_job_read_and_write_its_annotations(target: Target, dabai: httpx.Client) -> None:
    for answer in (dabai.get(target.job()), dabai.put(target.path, json={}), dabai.delete(target.job())):
        assert (answer.status_code, answer.json()["detail"]) == (
            403, "You do not have permission to perform this action.",
        )  # fmt: skip
    assert dabai.get("/jobs/99999/annotations").json() == {"detail": "No Job matches the given query."}


def test_a_task_without_data_has_no_annotations(alex: httpx.Client) -> None:
    path = f"/tasks/{create(alex)}/annotations"
    answer = alex.get(path)
    assert (answer.status_code, answer.text) == (400, "Exporting annotations from a task without data is not allowed")
    assert alex.patch(path + "?action=create", json={}).status_code == 400
    assert [alex.put(path, json={}).status_code, alex.delete(path).status_code] == [500, 500]


def test_exports_and_states_of_imports_have_other_endpoints(target: Target) -> None:
    answer = target.http.get(target.path, params={"format": "COCO 1.0"})
    assert answer.status_code == 410
    assert "use POST /api/tasks/id/dataset/export?save_images=False.\n" in answer.text
    assert target.http.put(target.job(), params={"rq_id": "x"}, json={}).status_code == 410


@pytest.mark.slow
def test_ten_thousand_shapes_are_no_load(target: Target) -> None:
    shapes = [target.box(number % 4, points=[number, 2, number + 9, 40]) for number in range(10_000)]
    answer = target.http.put(target.path, json={"shapes": shapes})
    assert len({shape["id"] for shape in answer.json()["shapes"]}) == 10_000
    assert answer.elapsed.total_seconds() < 20
    assert len(frames(target.http, target.path)) == 10_000

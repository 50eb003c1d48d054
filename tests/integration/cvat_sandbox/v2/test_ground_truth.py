"""Ground truth jobs: their frames, their annotations, and who may make them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from cvat_sandbox import Serving
from tests.support.ground_truth import (
    NAMES,
    Checked,
    draw,
    shape,
)
from tests.support.sandbox_client_v2 import jobs, login, uploaded


def test_the_meta_of_a_ground_truth_job_hides_the_other_frames(checked: Checked) -> None:
    meta = checked.http.get(f"/jobs/{checked.truth}/data/meta").json()
    assert (meta["included_frames"], meta["size"]) == ([0, 1], 2)
    assert [frame["name"] for frame in meta["frames"]] == ["0.jpg", "1.jpg", "placeholder.jpg", "placeholder.jpg"]


def test_a_task_has_one_ground_truth_job_and_another_after_its_deletion(checked: Checked) -> None:
    body = {"type": "ground_truth", "task_id": checked.task, "frame_selection_method": "manual", "frames": [2]}
    answer = checked.http.post("/jobs", json=body)
    assert answer.json() == ['Task with validation mode "gt" cannot have more than 1 GT job']
    assert checked.http.delete(f"/jobs/{checked.job}").json() == ["Only ground truth jobs can be removed"]
    assert checked.http.delete(f"/jobs/{checked.truth}").status_code == 204
    assert checked.http.get(f"/tasks/{checked.task}").json()["validation_mode"] is None
    assert checked.http.get(f"/tasks/{checked.task}/validation_layout").json() == {
        "mode": None,
        "frames_per_job_count": None,
    }
    assert checked.http.post("/jobs", json=body).status_code == 201


def test_what_is_drawn_as_ground_truth_is_not_the_tasks(checked: Checked) -> None:
    draw(checked.http, checked.truth, shape(checked.labels["car"], 0))
    assert checked.http.get(f"/tasks/{checked.task}/annotations").json()["shapes"] == []
    assert checked.http.get(f"/tasks/{checked.task}").json()["jobs"]["count"] == 2


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"frame_selection_method": "manual"}, {"non_field_errors": ['The "frames" field is required']}),
        (
            {"frame_selection_method": "random_uniform"},
            {"non_field_errors": ['One of the fields "frame_count", "frame_share" required']},
        ),
        (
            {"frame_selection_method": "random_uniform", "frame_count": 1, "frame_share": 0.5},
            {"non_field_errors": ['Only 1 of the fields "frame_count", "frame_share" can be used']},
        ),
        ({"frame_selection_method": "manual", "frames": []}, {"frames": ["This list may not be empty."]}),
        ({"frame_selection_method": "manual", "frames": [0, 9]}, ["The following frames do not exist in the task: 9"]),
        ({"frame_selection_method": "guess"}, {"frame_selection_method": ['"guess" is not a valid choice.']}),
    ],
)
def test_a_ground_truth_job_needs_frames_of_its_task(alex: httpx.Client, body: dict[str, Any], error: Any) -> None:
    task = uploaded(alex, NAMES)
    answer = alex.post("/jobs", json={"type": "ground_truth", "task_id": task, **body})
    assert (answer.status_code, answer.json()) == (400, error)
    assert len(jobs(alex, task)) == 1


def test_another_user_makes_no_ground_truth_and_sees_no_report(sandbox: Serving, checked: Checked) -> None:
    checked.report([], [])
    body = {"type": "ground_truth", "task_id": checked.task, "frame_selection_method": "manual", "frames": [2]}
    with login(sandbox.url, "dabai") as dabai:
        assert dabai.post("/jobs", json=body).status_code == 403
        assert dabai.get("/quality/reports", params={"task_id": checked.task}).status_code == 403
        assert dabai.get("/quality/reports").json()["count"] == 0
        assert dabai.get("/quality/settings").json()["count"] == 0
        assert dabai.post("/quality/reports", json={"task_id": checked.task}).status_code == 403


# -- reports

"""Validation frames that are chosen when a task is created: ground truth, and honeypots in all jobs."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx
import pytest

from tests.support.pictures import picture
from tests.support.sandbox_client_v2 import create, ended, frame_names, jobs

NAMES = [f"{number}.jpg" for number in range(8)]
POOL = {"mode": "gt_pool", "frame_selection_method": "manual", "frames": NAMES[:2], "frames_per_job_count": 1,
        "random_seed": 3}  # fmt: skip


def made(http: httpx.Client, params: dict[str, Any], *, sorting: str = "random", **task: Any) -> dict[str, Any]:
    """Create a task with validation frames and return the request that made its frames."""
    task_id = create(http, **{"segment_size": 3, **task})
    http.post(f"/tasks/{task_id}/data", headers={"Upload-Start": "true"})
    files = [(f"client_files[{i}]", (name, picture(i), "image/jpeg")) for i, name in enumerate(NAMES)]
    http.post(f"/tasks/{task_id}/data", headers={"Upload-Multiple": "true"}, data={"image_quality": "70"}, files=files)
    body = {"image_quality": 70, "sorting_method": sorting, "validation_params": params}
    answer = http.post(f"/tasks/{task_id}/data", headers={"Upload-Finish": "true"}, json=body)
    assert answer.status_code == 202, answer.text
    return ended(http, answer.json()["rq_id"])


def task_of(request: dict[str, Any]) -> int:
    assert request["status"] == "finished", request
    return int(request["operation"]["task_id"])


def test_honeypots_are_copies_and_the_pool_comes_last(alex: httpx.Client) -> None:
    task_id = task_of(made(alex, POOL))
    names, task = frame_names(alex, task_id), alex.get(f"/tasks/{task_id}").json()
    assert (task["size"], task["validation_mode"], task["segment_size"]) == (10, "gt_pool", 0)
    assert names[-2:] == NAMES[:2]
    assert Counter(names)[NAMES[0]] == 2
    layout = alex.get(f"/tasks/{task_id}/validation_layout").json()
    assert (layout["validation_frames"], layout["honeypot_count"]) == ([8, 9], 2)
    assert [names[f] for f in layout["honeypot_frames"]] == [names[f] for f in layout["honeypot_real_frames"]]
    first, second, truth = jobs(alex, task_id)
    assert [job["frame_count"] for job in (first, second, truth)] == [4, 4, 2]
    assert (truth["type"], truth["start_frame"]) == ("ground_truth", 8)
    assert alex.get(f"/jobs/{first['id']}/validation_layout").json()["honeypot_count"] == 1
    images = [alex.get(f"/tasks/{task_id}/data", params={"type": "frame", "number": n, "quality": "original"}).content
              for n in (layout["honeypot_frames"][0], layout["honeypot_real_frames"][0])]  # fmt: skip
    assert images[0] == images[1]


def test_equal_seeds_give_equal_tasks(alex: httpx.Client) -> None:
    names = [frame_names(alex, task_of(made(alex, POOL))) for _ in range(2)]
    assert names[0] == names[1]


def test_other_validation_frames_take_the_place_of_honeypots(alex: httpx.Client) -> None:
    task_id = task_of(made(alex, POOL))
    job = jobs(alex, task_id)[0]["id"]
    before = alex.get(f"/jobs/{job}/validation_layout").json()
    other = 17 - before["honeypot_real_frames"][0]
    body = {"frame_selection_method": "manual", "honeypot_real_frames": [other]}
    answer = alex.patch(f"/jobs/{job}/validation_layout", json=body)
    assert answer.json() == {**before, "honeypot_real_frames": [other]}
    names = frame_names(alex, task_id)
    assert names[before["honeypot_frames"][0]] == names[other]


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ([0], "Could not update honeypot frames: frames 0 are not from the validation pool"),
        ([8, 9], "the number of honeypots must remain the same. Requested 2, current 1"),
    ],
)
def test_only_validation_frames_become_honeypots(alex: httpx.Client, wanted: list[int], text: str) -> None:
    job = jobs(alex, task_of(made(alex, POOL)))[0]["id"]
    body = {"frame_selection_method": "manual", "honeypot_real_frames": wanted}
    answer = alex.patch(f"/jobs/{job}/validation_layout", json=body)
    assert answer.status_code == 400
    assert text in answer.text


def test_a_disabled_validation_frame_is_not_chosen_any_more(alex: httpx.Client) -> None:
    task_id = task_of(made(alex, POOL))
    layout = alex.patch(f"/tasks/{task_id}/validation_layout", json={"disabled_frames": [8]}).json()
    assert layout["disabled_frames"] == [8]
    body = {"frame_selection_method": "random_uniform"}
    layout = alex.patch(f"/tasks/{task_id}/validation_layout", json=body).json()
    assert layout["honeypot_real_frames"] == [9, 9]
    truth = jobs(alex, task_id)[-1]["id"]
    assert alex.get(f"/jobs/{truth}/data/meta").json()["deleted_frames"] == [8]


def test_a_report_compares_honeypots_with_the_pool(alex: httpx.Client) -> None:
    task_id = task_of(made(alex, POOL))
    [car, _] = alex.get("/labels", params={"task_id": task_id}).json()["results"]
    layout = alex.get(f"/tasks/{task_id}/validation_layout").json()
    first, second, truth = (job["id"] for job in jobs(alex, task_id))

    def box(frame: int) -> dict[str, Any]:
        return {"type": "rectangle", "label_id": car["id"], "frame": frame, "points": [5, 5, 20, 20]}

    for job, frames in ((truth, [8, 9]), (first, layout["honeypot_frames"][:1])):
        body = {"version": 0, "tags": [], "tracks": [], "shapes": [box(frame) for frame in frames]}
        assert alex.put(f"/jobs/{job}/annotations", json=body).status_code == 200
    alex.patch(f"/jobs/{truth}", json={"stage": "acceptance", "state": "completed"})
    request = ended(alex, alex.post("/quality/reports", json={"task_id": task_id}).json()["rq_id"])
    report = alex.get(f"/quality/reports/{request['result_id']}/data").json()
    assert report["comparison_summary"]["frames"] == layout["honeypot_frames"]
    [conflict] = report["conflicts"]
    assert (conflict["type"], conflict["frame_id"]) == ("missing_annotation", layout["honeypot_frames"][1])
    assert conflict["annotation_ids"][0]["job_id"] == truth
    assert second in report["comparison_summary"]["jobs"]["all"]


def test_the_ground_truth_of_a_pool_stays(alex: httpx.Client) -> None:
    truth = jobs(alex, task_of(made(alex, POOL)))[-1]["id"]
    answer = alex.delete(f"/jobs/{truth}")
    text = 'GT jobs cannot be removed when task validation mode is "gt_pool"'
    assert (answer.status_code, answer.json()) == (400, [text])


def test_ground_truth_at_creation_is_a_job_on_frames_of_others(alex: httpx.Client) -> None:
    params = {"mode": "gt", "frame_selection_method": "random_per_job", "frames_per_job_count": 1}
    task_id = task_of(made(alex, params, sorting="lexicographical"))
    layout = alex.get(f"/tasks/{task_id}/validation_layout").json()
    assert [frame // 3 for frame in layout["validation_frames"]] == [0, 1, 2]
    *others, truth = jobs(alex, task_id)
    assert (len(others), truth["frame_count"], truth["stop_frame"]) == (3, 3, 7)
    assert alex.get(f"/jobs/{truth['id']}/validation_layout").json() == {}


@pytest.mark.parametrize(
    ("params", "sorting", "message"),
    [
        (POOL, "natural", 'validation mode "gt_pool" can only be used with "random" sorting'),
        ({**POOL, "frames": ["x.jpg"]}, "random", "Unknown validation frames requested: x.jpg"),
        ({**POOL, "frames": NAMES}, "random", "too few non-honeypot frames left"),
    ],
)
def test_frames_that_do_not_fit_fail_the_request(
    alex: httpx.Client, params: dict[str, Any], sorting: str, message: str
) -> None:
    request = made(alex, params, sorting=sorting)
    assert request["status"] == "failed"
    assert request["message"].startswith("rest_framework.exceptions.ValidationError: [ErrorDetail(string=")
    assert message in request["message"]


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"mode": "gt", "frame_selection_method": "manual"}, 'The "frames" field is required'),
        ({"mode": "gt", "frame_selection_method": "manual", "frames": ["a", "a"]}, "Frames must not repeat"),
        (
            {"mode": "gt_pool", "frame_selection_method": "random_per_job", "frames_per_job_count": 1},
            'The "frame_selection_method" field must be one of manual, random_uniform',
        ),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(
    alex: httpx.Client, params: dict[str, Any], text: str
) -> None:
    answer = alex.post(f"/tasks/{create(alex)}/data", json={"image_quality": 70, "validation_params": params})
    assert (answer.status_code, answer.json()) == (400, {"validation_params": {"non_field_errors": [text]}})

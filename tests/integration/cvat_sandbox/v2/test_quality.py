"""Quality: reports that compare jobs with the ground truth, and their conflicts."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from cvat_sandbox import Serving
from tests.support.ground_truth import (
    ACCEPTED,
    BOX,
    NAMES,
    Box,
    Checked,
    add_truth,
    data_of,
    draw,
    label_ids,
    report_on,
    shape,
)
from tests.support.sandbox_client_v2 import create, ended, jobs, uploaded


def test_a_report_waits_for_accepted_ground_truth(checked: Checked) -> None:
    answer = checked.http.post("/quality/reports", json={"task_id": checked.task})
    assert answer.status_code == 400
    assert "at the acceptance stage and in the completed state" in answer.text


def test_equal_annotations_are_right_in_every_respect(checked: Checked) -> None:
    car, person = checked.labels["car"], checked.labels["person"]
    drawn = [shape(car, 0), shape(person, 0, (50, 10, 80, 30)), shape(car, 1)]
    report = checked.report(drawn, drawn)
    summary = report["comparison_summary"]
    assert (report["conflicts"], summary["annotations"]["accuracy"]) == ([], 1.0)
    matrix = summary["annotations"]["confusion_matrix"]
    assert (matrix["labels"], matrix["rows"]) == (["car", "person", "unmatched"], [[2, 0, 0], [0, 1, 0], [0, 0, 0]])
    assert [frame["annotation_components"]["shape"]["mean_iou"] for frame in report["frame_results"].values()] == [1, 1]


def test_frames_without_ground_truth_do_not_count(checked: Checked) -> None:
    summary = checked.report([], [shape(checked.labels["car"], 3)])["comparison_summary"]
    assert (summary["frames"], summary["total_frames"], summary["frame_share"]) == ([0, 1], 4, 0.5)
    assert summary["annotations"]["ds_count"] == 0


def test_missing_and_additional_boxes_are_errors(checked: Checked) -> None:
    car = checked.labels["car"]
    report = checked.report([shape(car, 0), shape(car, 0, (60, 10, 90, 40))], [shape(car, 0), shape(car, 1)])
    assert [(c["type"], c["frame_id"], c["severity"]) for c in report["conflicts"]] == [
        ("missing_annotation", 0, "error"),
        ("extra_annotation", 1, "error"),
    ]
    counts, names = report["comparison_summary"]["annotations"], ("valid", "missing", "extra", "total", "ds", "gt")
    assert [counts[f"{name}_count"] for name in names] == [1, 1, 1, 3, 2, 2]
    assert (counts["precision"], counts["recall"]) == (0.5, 0.5)


def test_another_label_in_the_same_place_is_an_error(checked: Checked) -> None:
    report = checked.report([shape(checked.labels["car"], 0)], [shape(checked.labels["person"], 0)])
    [conflict] = report["conflicts"]
    assert (conflict["type"], [a["job_id"] for a in conflict["annotation_ids"]]) == (
        "mismatching_label",
        [checked.job, checked.truth],
    )
    summary = report["comparison_summary"]
    assert summary["annotations"]["confusion_matrix"]["rows"] == [[0, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert summary["annotation_components"]["label"] == {
        "valid_count": 0, "invalid_count": 1, "total_count": 1, "accuracy": 0.0,
    }  # fmt: skip


def test_the_best_pairs_are_chosen_whatever_the_order(checked: Checked) -> None:
    car = checked.labels["car"]
    boxes: list[Box] = [(10, 10, 40, 40), (20, 10, 50, 40), (30, 10, 60, 40)]
    report = checked.report([shape(car, 0, box) for box in boxes], [shape(car, 0, box) for box in boxes[::-1]])
    assert report["conflicts"] == []
    assert report["frame_results"]["0"]["annotation_components"]["shape"]["mean_iou"] == 1.0


def test_the_threshold_decides_and_little_overlap_is_a_warning(checked: Checked) -> None:
    car = checked.labels["car"]
    truth, drawn = [shape(car, 0, (10, 10, 40, 40))], [shape(car, 0, (20, 10, 50, 40))]  # overlap 0.5
    assert checked.conflicts(truth, drawn) == ["low_overlap"]
    assert checked.conflicts(truth, drawn, low_overlap_threshold=0.4) == []
    assert checked.conflicts(truth, drawn, iou_threshold=0.6) == ["missing_annotation", "extra_annotation"]


@pytest.mark.parametrize(
    ("kind", "points"),
    [
        ("polygon", (10, 10, 40, 10, 25, 40)),
        ("ellipse", (30, 30, 50, 20)),
        ("polyline", (10, 10, 40, 10, 60, 30)),
        ("points", (10, 10, 40, 30)),
        ("mask", (2, 3, 1, 0, 0, 10, 10, 12, 11)),
    ],
)
def test_each_type_of_shape_is_compared_with_its_own_type(checked: Checked, kind: str, points: Any) -> None:
    drawn = shape(checked.labels["car"], 0, points, kind)
    report = checked.report([drawn], [drawn])
    assert (report["conflicts"], report["comparison_summary"]["annotations"]["valid_count"]) == ([], 1)
    other = checked.report([drawn], [shape(checked.labels["car"], 0, (70, 50, 90, 60))])
    assert [c["type"] for c in other["conflicts"]] == ["missing_annotation", "extra_annotation"]


def test_a_mask_and_a_polygon_of_the_same_pixels_are_equal(checked: Checked) -> None:
    car = checked.labels["car"]
    square, runs = (10, 10, 20, 10, 20, 20, 10, 20), (0, 100, 10, 10, 19, 19)
    report = checked.report([shape(car, 0, square, "polygon")], [shape(car, 0, runs, "mask")])
    assert report["conflicts"] == []


def test_a_reversed_line_is_a_warning(checked: Checked) -> None:
    car = checked.labels["car"]
    line, reverse = shape(car, 0, (10, 10, 80, 10), "polyline"), shape(car, 0, (80, 10, 10, 10), "polyline")
    assert checked.conflicts([line], [reverse]) == ["mismatching_direction"]
    assert checked.conflicts([line], [reverse], compare_line_orientation=False) == []


def test_a_covered_box_is_a_warning(checked: Checked) -> None:
    car = checked.labels["car"]
    drawn = [shape(car, 0, (20, 20, 30, 30)), shape(car, 0, (10, 10, 40, 40), z_order=1)]
    assert checked.conflicts(drawn, drawn) == ["covered_annotation"]
    assert checked.conflicts(drawn, drawn, check_covered_annotations=False) == []


def test_polygons_are_compared_by_what_is_visible_of_them(checked: Checked) -> None:
    car = checked.labels["car"]
    below = shape(car, 0, (10, 10, 50, 10, 50, 50, 10, 50), "polygon")
    above = shape(checked.labels["person"], 0, (30, 10, 50, 10, 50, 50, 30, 50), "polygon", z_order=1)
    cut = shape(car, 0, (10, 10, 30, 10, 30, 50, 10, 50), "polygon")
    assert checked.conflicts([below, above], [cut, above]) == []
    assert checked.conflicts([below, above], [cut, above], panoptic_comparison=False) == ["low_overlap"]


def test_groups_that_differ_are_a_warning(checked: Checked) -> None:
    car = checked.labels["car"]
    boxes: list[Box] = [(10, 10, 30, 30), (40, 10, 60, 30)]
    grouped = [shape(car, 0, box, group=1) for box in boxes]
    alone = [shape(car, 0, box) for box in boxes]
    assert checked.conflicts(grouped, grouped) == []
    assert checked.conflicts(alone, grouped) == ["mismatching_groups"] * 2
    assert checked.conflicts(alone, grouped, compare_groups=False) == []


def test_different_attributes_are_a_warning(checked: Checked) -> None:
    car = checked.labels["car"]
    assert checked.conflicts([shape(car, 0)], [shape(car, 0, occluded=True)]) == ["mismatching_attributes"]
    assert checked.conflicts([shape(car, 0)], [shape(car, 0, occluded=True)], compare_attributes=False) == []


def test_empty_frames_count_only_when_the_settings_say_so(checked: Checked) -> None:
    assert checked.report([], [])["comparison_summary"]["annotations"]["accuracy"] == 0
    summary = checked.report([], [], empty_is_annotated=True)["comparison_summary"]
    assert (summary["annotations"]["accuracy"], summary["annotations"]["valid_count"]) == (1, 2)


def test_tags_are_compared_by_label(checked: Checked) -> None:
    def tag(name: str) -> dict[str, Any]:
        return {"label_id": checked.labels[name], "frame": 0, "group": 0, "source": "manual", "attributes": []}

    draw(checked.http, checked.truth, tags=[tag("car")])
    draw(checked.http, checked.job, tags=[tag("person")])
    checked.http.patch(f"/jobs/{checked.truth}", json=ACCEPTED)
    report = data_of(checked.http, report_on(checked.http, task_id=checked.task))
    [conflict] = report["conflicts"]
    assert (conflict["type"], conflict["annotation_ids"][0]["type"]) == ("mismatching_label", "tag")
    assert report["comparison_summary"]["annotation_components"]["shape"]["total_count"] == 0


def test_a_track_is_compared_on_each_frame(checked: Checked) -> None:
    car, http = checked.labels["car"], checked.http
    keyframes = [{"type": "rectangle", "frame": 0, "points": list(BOX), "occluded": False, "outside": False,
                  "z_order": 0, "rotation": 0.0, "attributes": []}]  # fmt: skip
    track = {"label_id": car, "frame": 0, "group": 0, "source": "manual", "attributes": [], "shapes": keyframes,
             "elements": []}  # fmt: skip
    answer = http.put(
        f"/jobs/{checked.job}/annotations", json={"version": 0, "tags": [], "shapes": [], "tracks": [track]}
    )
    draw(http, checked.truth, shape(car, 0))
    http.patch(f"/jobs/{checked.truth}", json=ACCEPTED)
    [conflict] = data_of(http, report_on(http, task_id=checked.task))["conflicts"]
    assert (conflict["type"], conflict["frame_id"]) == ("extra_annotation", 1)
    [identity] = conflict["annotation_ids"]
    assert (identity["type"], identity["obj_id"]) == ("track", answer.json()["tracks"][0]["id"])


def test_each_job_has_a_report_of_its_own_and_the_task_their_sum(alex: httpx.Client) -> None:
    task = uploaded(alex, NAMES, segment_size=2)
    first, second = (job["id"] for job in jobs(alex, task))
    truth, car = add_truth(alex, task, [0, 1, 2]), label_ids(alex, task)["car"]
    draw(alex, truth, shape(car, 0), shape(car, 2))
    draw(alex, first, shape(car, 0))
    alex.patch(f"/jobs/{truth}", json=ACCEPTED)
    report = report_on(alex, task_id=task)
    found = alex.get("/quality/reports", params={"parent_id": report}).json()["results"]
    assert {row["job_id"]: row["summary"]["accuracy"] for row in found} == {first: 1.0, second: 0.0}
    whole = alex.get(f"/quality/reports/{report}").json()
    assert (whole["target"], whole["summary"]["accuracy"], whole["summary"]["jobs"]["included"]) == ("task", 0.5, 2)
    assert alex.get("/quality/reports", params={"task_id": task, "target": "task"}).json()["count"] == 1
    [conflict] = alex.get("/quality/conflicts", params={"report_id": report}).json()["results"]
    assert (conflict["type"], conflict["frame"]) == ("missing_annotation", 2)
    assert alex.get("/quality/conflicts", params={"report_id": report, "severity": "warning"}).json()["count"] == 0


def test_a_filter_leaves_jobs_out(alex: httpx.Client) -> None:
    task = uploaded(alex, NAMES, segment_size=2)
    first, _ = (job["id"] for job in jobs(alex, task))
    truth = add_truth(alex, task, [0, 2])
    alex.patch(f"/jobs/{truth}", json=ACCEPTED)
    alex.patch(f"/jobs/{first}", json={"state": "completed"})
    [settings] = alex.get("/quality/settings", params={"task_id": task}).json()["results"]
    rule = '{"and":[{"==":[{"var":"state"},"completed"]}]}'
    alex.patch(f"/quality/settings/{settings['id']}", json={"job_filter": rule})
    stats = data_of(alex, report_on(alex, task_id=task))["comparison_summary"]["jobs"]
    assert (stats["included_count"], stats["excluded_count"]) == (1, 1)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"iou_threshold": 7}, {"iou_threshold": ["Ensure this value is less than or equal to 1."]}),
        ({"target_metric": "luck"}, {"target_metric": ['"luck" is not a valid choice.']}),
    ],
)
def test_settings_are_checked(alex: httpx.Client, change: dict[str, Any], error: Any) -> None:
    task = create(alex)
    [settings] = alex.get("/quality/settings", params={"task_id": task}).json()["results"]
    answer = alex.patch(f"/quality/settings/{settings['id']}", json=change)
    assert (answer.status_code, answer.json()) == (400, error)
    assert alex.get(f"/quality/settings/{settings['id']}").json()["iou_threshold"] == 0.4


def test_settings_and_reports_go_with_their_task(checked: Checked) -> None:
    checked.report([shape(checked.labels["car"], 0)], [])
    report = checked.http.get("/quality/reports", params={"task_id": checked.task}).json()["results"][0]["id"]
    assert checked.http.delete(f"/tasks/{checked.task}").status_code == 204
    assert checked.http.get(f"/quality/reports/{report}").status_code == 404
    assert checked.http.get("/quality/settings", params={"task_id": checked.task}).json()["count"] == 0


def test_a_report_that_runs_is_not_started_again(sandbox: Serving, checked: Checked) -> None:
    checked.http.patch(f"/jobs/{checked.truth}", json=ACCEPTED)
    sandbox.faults.set([{"on": "worker quality", "delay": 3600, "times": 1}])
    first = checked.http.post("/quality/reports", json={"task_id": checked.task})
    second = checked.http.post("/quality/reports", json={"task_id": checked.task})
    assert (first.status_code, second.status_code, first.json()) == (202, 409, second.json())
    sandbox.faults.stop()
    assert ended(checked.http, first.json()["rq_id"])["status"] == "finished"

"""Quality: ground truth jobs, reports that compare jobs with them, and their conflicts."""

from __future__ import annotations

from functools import partial
from typing import Any

import httpx
import pytest

from cvat_sandbox import Serving
from tests.support.sandbox_client_v2 import create, ended, jobs, login, uploaded
from tests.support.sandbox_statements import cost

NAMES = [f"{number}.jpg" for number in range(4)]
ACCEPTED = {"stage": "acceptance", "state": "completed"}
Box = tuple[float, float, float, float]
BOX: Box = (10, 10, 40, 40)


def label_ids(http: httpx.Client, task_id: int) -> dict[str, int]:
    found = http.get("/labels", params={"task_id": task_id, "page_size": 100}).json()["results"]
    return {label["name"]: label["id"] for label in found}


def shape(label: int, frame: int, points: Any = BOX, kind: str = "rectangle", **more: Any) -> dict[str, Any]:
    return {"type": kind, "label_id": label, "frame": frame, "points": list(points), "occluded": False, "z_order": 0,
            "rotation": 0.0, "group": 0, "source": "manual", "attributes": [], "elements": [], **more}  # fmt: skip


def draw(http: httpx.Client, job_id: int, *shapes: dict[str, Any], tags: Any = ()) -> list[int]:
    body = {"version": 0, "tags": list(tags), "shapes": list(shapes), "tracks": []}
    answer = http.put(f"/jobs/{job_id}/annotations", json=body)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["shapes"]]


def add_truth(http: httpx.Client, task_id: int, frames: list[int]) -> int:
    body = {"type": "ground_truth", "task_id": task_id, "frame_selection_method": "manual", "frames": frames}
    answer = http.post("/jobs", json=body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def report_on(http: httpx.Client, **target: int) -> int:
    answer = http.post("/quality/reports", json=target)
    assert answer.status_code == 202, answer.text
    request = ended(http, answer.json()["rq_id"])
    assert request["status"] == "finished", request
    return int(request["result_id"])


def data_of(http: httpx.Client, report: int) -> dict[str, Any]:
    found: dict[str, Any] = http.get(f"/quality/reports/{report}/data").json()
    return found


class Checked:
    """A task of one job with ground truth on its first two frames."""

    def __init__(self, http: httpx.Client, **task: Any) -> None:
        self.http = http
        self.task = uploaded(http, NAMES, **task)
        [self.job] = [job["id"] for job in jobs(http, self.task)]
        self.truth = add_truth(http, self.task, [0, 1])
        self.labels = label_ids(http, self.task)

    def report(self, truth: list[dict[str, Any]], drawn: list[dict[str, Any]], **settings: Any) -> dict[str, Any]:
        draw(self.http, self.truth, *truth)
        draw(self.http, self.job, *drawn)
        self.http.patch(f"/jobs/{self.truth}", json=ACCEPTED)
        if settings:
            [own] = self.http.get("/quality/settings", params={"task_id": self.task}).json()["results"]
            assert self.http.patch(f"/quality/settings/{own['id']}", json=settings).status_code == 200
        return data_of(self.http, report_on(self.http, task_id=self.task))

    def conflicts(self, *drawn: Any, **settings: Any) -> list[str]:
        truth, own = drawn
        return [conflict["type"] for conflict in self.report(truth, own, **settings)["conflicts"]]


@pytest.fixture
def checked(alex: httpx.Client) -> Checked:
    return Checked(alex)


# -- ground truth jobs


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
    sandbox.faults.set([{"on": "worker quality", "delay": 0.5, "times": 1}])
    first = checked.http.post("/quality/reports", json={"task_id": checked.task})
    second = checked.http.post("/quality/reports", json={"task_id": checked.task})
    assert (first.status_code, second.status_code, first.json()) == (202, 409, second.json())
    assert ended(checked.http, first.json()["rq_id"])["status"] == "finished"


class CheckedProject:
    """A project of two tasks with accepted ground truth, of which the job has nothing, and one without."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        labels = [{"name": "car", "attributes": []}]
        self.id = int(http.post("/projects", json={"name": "project", "labels": labels}).json()["id"])
        self.tasks = [uploaded(http, NAMES, project_id=self.id, labels=[]) for _ in range(3)]
        [self.label] = http.get("/labels", params={"project_id": self.id}).json()["results"]
        for task in self.tasks[:2]:
            truth = add_truth(http, task, [0, 1])
            draw(http, truth, shape(self.label["id"], 0))
            http.patch(f"/jobs/{truth}", json=ACCEPTED)

    def summary(self, report: int) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/quality/reports/{report}").json()["summary"]
        return found


def test_the_report_on_a_project_extrapolates_those_on_its_tasks(alex: httpx.Client) -> None:
    project = CheckedProject(alex)
    report = report_on(alex, project_id=project.id)
    summary = project.summary(report)
    assert summary["tasks"] == {"total": 3, "custom": 0, "not_configured": 1, "excluded": 0, "included": 2}
    assert (summary["gt_count"], summary["conflict_count"], summary["frame_share"]) == (4, 2, 0.5)
    assert "frame_results" not in data_of(alex, report)
    assert alex.get("/quality/conflicts", params={"report_id": report}).json()["count"] == 2


def test_reports_on_tasks_that_are_still_true_belong_to_several_reports(alex: httpx.Client) -> None:
    project = CheckedProject(alex)
    reports = [report_on(alex, project_id=project.id) for _ in range(2)]
    parts = [alex.get("/quality/reports", params={"parent_id": report}).json()["results"] for report in reports]
    assert [row["id"] for row in parts[0]] == [row["id"] for row in parts[1]]
    assert {row["parent_id"] for row in parts[1] if row["target"] == "task"} == {reports[0]}
    draw(alex, jobs(alex, project.tasks[0])[0]["id"], shape(project.label["id"], 0))
    newest = report_on(alex, project_id=project.id)
    assert project.summary(newest)["accuracy"] == 0.5


def test_a_task_with_settings_of_its_own_is_left_out(alex: httpx.Client) -> None:
    project = CheckedProject(alex)
    [own] = alex.get("/quality/settings", params={"task_id": project.tasks[0]}).json()["results"]
    alex.patch(f"/quality/settings/{own['id']}", json={"inherit": False})
    summary = project.summary(report_on(alex, project_id=project.id))
    assert (summary["tasks"]["custom"], summary["tasks"]["included"], summary["gt_count"]) == (1, 1, 2)


def test_settings_and_reports_go_with_their_project(alex: httpx.Client) -> None:
    project = CheckedProject(alex)
    report = report_on(alex, project_id=project.id)
    assert alex.delete(f"/projects/{project.id}").status_code == 204
    assert alex.get(f"/quality/reports/{report}").status_code == 404
    assert alex.get("/quality/settings", params={"project_id": project.id}).json()["count"] == 0


def test_lists_need_as_many_statements_for_many_rows_as_for_few(sandbox: Serving, checked: Checked) -> None:
    car, http = checked.labels["car"], checked.http
    checked.report([shape(car, 0, (n, 0, n + 1, 1)) for n in range(30)], [])
    for _ in range(30):
        create(http, consensus_replicas=2)
    for path in ("/quality/settings", "/quality/reports", "/quality/conflicts", "/consensus/settings"):
        few, many = (cost(sandbox, partial(http.get, path, params={"page_size": n})) for n in (2, 30))
        assert few == many, path

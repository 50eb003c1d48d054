"""A task of CVAT 2.x with ground truth, and reports on it."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support.sandbox_client_v2 import ended, jobs, uploaded

NAMES = [f"{number}.jpg" for number in range(4)]
ACCEPTED = {"stage": "acceptance", "state": "completed"}
Box = tuple[float, float, float, float]
BOX: Box = (10, 10, 40, 40)


def label_ids(http: httpx.Client, task_id: int) -> dict[str, int]:
    """Return the ids of a task's labels by name."""
    found = http.get("/labels", params={"task_id": task_id, "page_size": 100}).json()["results"]
    return {label["name"]: label["id"] for label in found}


def shape(label: int, frame: int, points: Any = BOX, kind: str = "rectangle", **more: Any) -> dict[str, Any]:
    """Return a shape as the API takes it."""
    return {"type": kind, "label_id": label, "frame": frame, "points": list(points), "occluded": False, "z_order": 0,
            "rotation": 0.0, "group": 0, "source": "manual", "attributes": [], "elements": [], **more}  # fmt: skip


def draw(http: httpx.Client, job_id: int, *shapes: dict[str, Any], tags: Any = ()) -> list[int]:
    """Replace the annotations of a job; return the ids of its shapes."""
    body = {"version": 0, "tags": list(tags), "shapes": list(shapes), "tracks": []}
    answer = http.put(f"/jobs/{job_id}/annotations", json=body)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["shapes"]]


def add_truth(http: httpx.Client, task_id: int, frames: list[int]) -> int:
    """Add a ground truth job on some frames; return its id."""
    body = {"type": "ground_truth", "task_id": task_id, "frame_selection_method": "manual", "frames": frames}
    answer = http.post("/jobs", json=body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def report_on(http: httpx.Client, **target: int) -> int:
    """Make a report and return its id."""
    answer = http.post("/quality/reports", json=target)
    assert answer.status_code == 202, answer.text
    request = ended(http, answer.json()["rq_id"])
    assert request["status"] == "finished", request
    return int(request["result_id"])


def data_of(http: httpx.Client, report: int) -> dict[str, Any]:
    """Return the data of a report."""
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
        """Draw the ground truth and the annotations, accept the former, and return the data of the report."""
        draw(self.http, self.truth, *truth)
        draw(self.http, self.job, *drawn)
        self.http.patch(f"/jobs/{self.truth}", json=ACCEPTED)
        if settings:
            [own] = self.http.get("/quality/settings", params={"task_id": self.task}).json()["results"]
            assert self.http.patch(f"/quality/settings/{own['id']}", json=settings).status_code == 200
        return data_of(self.http, report_on(self.http, task_id=self.task))

    def conflicts(self, *drawn: Any, **settings: Any) -> list[str]:
        """Return the types of the conflicts between two lists of shapes."""
        truth, own = drawn
        return [conflict["type"] for conflict in self.report(truth, own, **settings)["conflicts"]]

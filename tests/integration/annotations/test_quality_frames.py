"""CVAT 2.x: ground truth, honeypots, consensus replicas and deleted frames are no part of a dataset."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from labelyard.cvat import Cvat, connect
from labelyard.formats.interface import FormatOptions
from labelyard.operations.dataset_of_task import TaskDataset, write_dataset_of_task
from tests.support.cvat_families import V2, serve_cvat
from tests.support.ground_truth import BOX, NAMES, add_truth, draw, label_ids, shape
from tests.support.pictures import picture
from tests.support.sandbox_client_v2 import LABELS, create, ended, jobs, login, uploaded

POOL = {"mode": "gt_pool", "frame_selection_method": "manual", "frames": NAMES[:2], "frames_per_job_count": 1,
        "random_seed": 3}  # fmt: skip
DELETED = "its frame is deleted in CVAT"
HONEYPOT = "its frame is a honeypot: a copy of a ground-truth frame, for quality control"


@dataclass(frozen=True)
class Server:
    """A CVAT 2.73: a plain client, labelyard's client, and a folder for files."""

    http: httpx.Client
    cvat: Cvat
    folder: Path

    def dataset(self, task_id: int) -> TaskDataset:
        """Write the dataset of a task. CVAT's own export must not differ."""
        found = write_dataset_of_task(self.cvat, task_id, "coco", self.folder / "out", FormatOptions(), deadline=60)
        assert not any("CVAT's" in line for line in found.warnings), found.warnings
        return found

    def label(self, task_id: int, name: str = "car") -> int:
        return label_ids(self.http, task_id)[name]


@pytest.fixture(scope="module")
def clients() -> Iterator[tuple[httpx.Client, Cvat]]:
    with serve_cvat(V2, ["root:rootpass:superuser"]) as serving, login(serving.url, "root") as http:
        cvat = connect(serving.url, username="root", password="rootpass")
        yield http, cvat
        cvat.close()


@pytest.fixture
def server(clients: tuple[httpx.Client, Cvat], tmp_path: Path) -> Server:
    return Server(*clients, tmp_path)


def images(found: TaskDataset) -> list[tuple[int, str]]:
    """Return frame and name of the images of a dataset, by frame."""
    document = json.loads(found.files[0].read_text())
    return sorted((image["cvat_frame"], image["file_name"]) for image in document["images"])


def left_out(found: TaskDataset) -> list[tuple[str, int, str]]:
    return [(one.kind, one.count, one.reason) for one in found.document().left_out]


def test_ground_truth_is_not_in_the_dataset_and_not_counted(server: Server) -> None:
    task = uploaded(server.http, NAMES)
    [job] = [job["id"] for job in jobs(server.http, task)]
    truth, car = add_truth(server.http, task, [0, 1]), server.label(task)
    draw(server.http, truth, shape(car, 0, (1, 1, 9, 9)), shape(car, 1))
    draw(server.http, job, shape(car, 0))
    found = server.dataset(task)
    assert sum(found.account.drawn.values()) == 1
    assert (left_out(found), images(found)) == ([], list(enumerate(NAMES)))


def test_consensus_replicas_are_not_in_the_dataset_and_not_counted(server: Server) -> None:
    task = uploaded(server.http, NAMES, consensus_replicas=2)
    parent, *replicas = (job["id"] for job in jobs(server.http, task))
    car = server.label(task)
    for replica in replicas:
        draw(server.http, replica, shape(car, 0, (1, 1, 9, 9)), shape(car, 1))
    empty = server.dataset(task)
    assert not empty.account.drawn
    draw(server.http, parent, shape(car, 0))
    for file in empty.files:
        file.unlink()
    found = server.dataset(task)
    assert (sum(found.account.drawn.values()), left_out(found)) == (1, [])


def with_honeypots(server: Server, **task: Any) -> int:
    """Create a task of two jobs with a copy of one of the first two files in each."""
    http = server.http
    task_id = create(http, segment_size=1, **task)
    http.post(f"/tasks/{task_id}/data", headers={"Upload-Start": "true"})
    files = [(f"client_files[{i}]", (name, picture(i), "image/jpeg")) for i, name in enumerate(NAMES)]
    http.post(f"/tasks/{task_id}/data", headers={"Upload-Multiple": "true"}, data={"image_quality": "70"}, files=files)
    body = {"image_quality": 70, "sorting_method": "random", "validation_params": POOL}
    answer = http.post(f"/tasks/{task_id}/data", headers={"Upload-Finish": "true"}, json=body)
    assert ended(http, answer.json()["rq_id"])["status"] == "finished"
    return task_id


def test_what_is_drawn_on_honeypots_is_left_out_and_they_are_no_images(server: Server) -> None:
    task = with_honeypots(server)
    names = [frame["name"] for frame in server.http.get(f"/tasks/{task}/data/meta").json()["frames"]]
    layout = server.http.get(f"/tasks/{task}/validation_layout").json()
    honeypots, pool = layout["honeypot_frames"], layout["validation_frames"]
    assert len(names) == len(NAMES) + 2
    assert len(honeypots) == len(pool) == 2
    *parts, truth = jobs(server.http, task)
    car = server.label(task)
    own = {job["id"]: range(job["start_frame"], job["stop_frame"] + 1) for job in parts}
    for job, frames in own.items():
        draw(server.http, job, *(shape(car, frame) for frame in frames))
    draw(server.http, truth["id"], *(shape(car, frame, (1, 1, 9, 9)) for frame in pool))
    found = server.dataset(task)
    drawn = sum(len(frames) for frames in own.values())
    data = [n for n in range(len(names)) if n not in {*honeypots, *pool}]
    assert (sum(found.account.drawn.values()), sum(found.account.in_file.values())) == (drawn, drawn - 2)
    assert left_out(found) == [("rectangle", 2, HONEYPOT)]
    assert images(found) == [(n, names[n]) for n in data]
    assert max(Counter(name for _, name in images(found)).values()) == 1


@pytest.mark.parametrize("path", ["tasks", "jobs"])
def test_what_is_drawn_on_deleted_frames_is_left_out_and_they_are_no_images(server: Server, path: str) -> None:
    task = uploaded(server.http, NAMES)
    [job] = [job["id"] for job in jobs(server.http, task)]
    car = server.label(task)
    key = {"type": "rectangle", "points": list(BOX), "occluded": False, "outside": False, "attributes": []}
    track = {"frame": 0, "label_id": car, "attributes": [], "shapes": [{**key, "frame": 0}]}
    body = {"version": 0, "shapes": [shape(car, 1), shape(car, 2, (1, 1, 9, 9))], "tracks": [track],
            "tags": [{"frame": 1, "label_id": car, "attributes": []}]}  # fmt: skip
    assert server.http.put(f"/jobs/{job}/annotations", json=body).status_code == 200
    target = task if path == "tasks" else job
    assert server.http.patch(f"/{path}/{target}/data/meta", json={"deleted_frames": [1]}).status_code == 200
    found = server.dataset(task)
    assert images(found) == [(n, NAMES[n]) for n in (0, 2, 3)]
    assert left_out(found) == [("rectangle", 2, DELETED), ("tag", 1, DELETED)]
    assert sum(found.account.in_file.values()) == 1 + 3


def test_a_task_of_deleted_frames_alone_is_a_dataset_without_images(server: Server) -> None:
    task = uploaded(server.http, NAMES)
    server.http.patch(f"/tasks/{task}/data/meta", json={"deleted_frames": [0, 1, 2, 3]})
    assert images(server.dataset(task)) == []


# --- shapes that only CVAT 2.x has, and tracks ------------------------------------------------------------------------

BODY = {
    "name": "body", "type": "skeleton",
    "sublabels": [{"name": "head", "type": "points"}, {"name": "foot", "type": "points"}],
    "svg": '<line data-node-from="1" data-node-to="2"></line><circle data-node-id="1" data-label-name="head"></circle>'
           '<circle data-node-id="2" data-label-name="foot"></circle>',
}  # fmt: skip


class Drawing:
    """Annotations of a task with a skeleton, drawn through its jobs."""

    def __init__(self, server: Server, **task: Any) -> None:
        self.server = server
        self.task = uploaded(server.http, NAMES, labels=[*LABELS, BODY], **task)
        self.jobs = [job["id"] for job in jobs(server.http, self.task)]
        labels = server.http.get("/labels", params={"task_id": self.task}).json()["results"]
        self.labels = {label["name"]: label["id"] for row in labels for label in (row, *row["sublabels"])}

    def put(self, job: int, *, shapes: Any = (), tracks: Any = ()) -> None:
        body = {"version": 0, "shapes": list(shapes), "tracks": list(tracks), "tags": []}
        answer = self.server.http.put(f"/jobs/{self.jobs[job]}/annotations", json=body)
        assert answer.status_code == 200, answer.text

    def track(self, kind: str, *keys: dict[str, Any], label: str = "car", **more: Any) -> dict[str, Any]:
        shapes = [{"type": kind, "occluded": False, "attributes": [], "points": [], **key} for key in keys]
        return {"frame": keys[0]["frame"], "label_id": self.labels[label], "attributes": [], "shapes": shapes, **more}

    def counted(self) -> dict[str, int]:
        """Return the kinds in the dataset; nothing may be left out, and CVAT's export must not differ."""
        found = self.server.dataset(self.task).document()
        assert found.left_out == []
        return {kind: count for kind, count in found.in_file.items() if count}


def test_a_skeleton_track_agrees_with_cvats_export(server: Server) -> None:
    drawing = Drawing(server)
    head = drawing.track("points", {"frame": 0, "points": [5, 5]}, {"frame": 2, "points": [25, 5]},
                         {"frame": 3, "points": [25, 5], "outside": True}, label="head")  # fmt: skip
    foot = drawing.track("points", {"frame": 0, "points": [5, 40], "occluded": True},
                         {"frame": 1, "points": [5, 40], "outside": True},
                         {"frame": 3, "points": [5, 41], "outside": True}, label="foot")  # fmt: skip
    keys = [{"frame": 0}, {"frame": 3, "outside": True}]
    drawing.put(0, tracks=[drawing.track("skeleton", *keys, label="body", elements=[head, foot])])
    assert drawing.counted() == {"skeleton": 3}


def test_masks_and_turned_ellipses_agree_with_cvats_export(server: Server) -> None:
    drawing = Drawing(server)
    car = drawing.labels["car"]
    drawing.put(0, shapes=[
        shape(car, 0, (1, 2, 3, 4, 5, 1, 10, 10, 13, 13), "mask"),
        shape(car, 1, (0, 16, 60, 44, 63, 47), "mask"),
        shape(car, 0, (30, 20, 45, 10), "ellipse", rotation=33.3),
        shape(car, 2, (30, 20, 45, 10), "ellipse", rotation=359.99),
        shape(car, 2, (10.126, 10.333, 20.005, 20.999), rotation=12.3456),
    ], tracks=[
        drawing.track("ellipse", {"frame": 0, "points": [30, 20, 45, 10], "rotation": 350.0},
                      {"frame": 3, "points": [20, 22, 35, 12], "rotation": 20.0}),
        drawing.track("mask", {"frame": 0, "points": [4, 12, 3, 3, 6, 6]}, {"frame": 2, "points": [0, 16, 3, 3, 6, 6]}),
    ])  # fmt: skip
    assert drawing.counted() == {"rectangle": 1, "ellipse": 2 + 4, "mask": 2 + 4}


def test_a_track_over_several_jobs_agrees_with_cvats_export(server: Server) -> None:
    drawing = Drawing(server, segment_size=2, overlap=0)
    box = [1, 1, 11, 11]
    drawing.put(0, tracks=[drawing.track("rectangle", {"frame": 0, "points": box})])
    drawing.put(
        1, tracks=[drawing.track("rectangle", {"frame": 2, "points": box}, {"frame": 3, "points": [9, 9, 19, 19]})]
    )
    assert drawing.counted() == {"rectangle": 4}


def test_outlines_between_key_frames_come_from_cvats_export(server: Server) -> None:
    drawing = Drawing(server)
    drawing.put(0, tracks=[
        drawing.track("polygon", {"frame": 0, "points": [1, 1, 21, 1, 21, 21]},
                      {"frame": 3, "points": [11, 1, 41, 1, 41, 21, 11, 31]}),
        drawing.track("polyline", {"frame": 0, "points": [1, 1, 21, 1, 21, 21]},
                      {"frame": 2, "points": [11, 1, 41, 1]}, {"frame": 3, "points": [1, 1, 2, 2], "outside": True}),
    ])  # fmt: skip
    assert drawing.counted() == {"polygon": 4, "polyline": 3}

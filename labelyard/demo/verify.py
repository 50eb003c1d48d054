"""Verifies a demo: each photograph is in exactly one task and is exported with exactly the boxes that its bot saved.

It asks CVAT and reads the files with code of its own: an error of labelyard's client would otherwise go unnoticed.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import httpx

from labelyard.demo.uploader import PlannedUpload

Box = tuple[str, float, float, float, float]
"""Label, left, top, width, height; pixels, to two digits."""


@dataclass(frozen=True)
class CvatJob:
    """A job on CVAT, with its saved boxes by frame."""

    id: int
    frames: range
    assignee: str | None
    status: str
    """The status of 1.0.0, the state of 2.x."""
    boxes: Mapping[int, Counter[Box]] = field(default_factory=dict)


@dataclass(frozen=True)
class CvatTask:
    """A task on CVAT; frames are (name, width, height)."""

    id: int
    name: str
    size: int
    frames: Sequence[tuple[str, int, int]]
    jobs: Sequence[CvatJob]


@dataclass
class PhotographOutcome:
    """The tasks and frames that hold a photograph, the boxes saved on it, and the boxes exported of it."""

    upload: PlannedUpload
    frames: list[tuple[CvatTask, int]] = field(default_factory=list)
    exported: list[Counter[Box]] = field(default_factory=list)

    @property
    def job(self) -> CvatJob | None:
        """The job that contains it."""
        jobs = [job for task, frame in self.frames for job in task.jobs if frame in job.frames]
        return jobs[0] if jobs else None

    @property
    def saved(self) -> Counter[Box]:
        """The boxes saved on it."""
        boxes: Counter[Box] = Counter()
        for task, frame in self.frames:
            for job in task.jobs:
                boxes += job.boxes.get(frame, Counter())
        return boxes

    def problems(self) -> Iterator[str]:
        """Yield every deviation from what the demo promises."""
        key, photograph = self.upload.key, self.upload.photograph
        if len(self.frames) != 1:
            yield f"{key} is in {len(self.frames)} tasks {[task.id for task, _ in self.frames]}"
        for task, frame in self.frames:
            _, width, height = task.frames[frame]
            if (width, height) != (photograph.width, photograph.height):
                yield f"{key}: frame {frame} of task {task.id} is another image, {width}x{height}"
        if len(self.exported) != 1:
            yield f"{key} is in {len(self.exported)} exported files"
        for boxes in self.exported:
            missing, extra = self.saved - boxes, boxes - self.saved
            if missing or extra:
                yield f"{key}: exported without {sorted(missing)} and with {sorted(extra)} more"


def read_tasks(url: str, username: str, password: str, version: str) -> list[CvatTask]:
    """Read every task of the CVAT at `url`, with frames, jobs and boxes; `version` is a key of APIS.

    Raises httpx.HTTPError.
    """
    family = APIS[version]
    with httpx.Client(base_url=f"{url}{family.root}", timeout=30, trust_env=False) as http:
        login = http.post("/auth/login", json={"username": username, "password": password})
        http.headers["Authorization"] = f"Token {login.raise_for_status().json()['key']}"
        api = family(http)
        return [_task(api, task) for task in _pages(http, "/tasks?")]


class Api(ABC):
    """Where an API family has the labels and the jobs of a task."""

    root: ClassVar[str]

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    @abstractmethod
    def labels(self, task: Mapping[str, Any]) -> Iterable[Any]:
        """Return the labels of a task."""

    @abstractmethod
    def jobs(self, task: Mapping[str, Any]) -> Iterable[CvatJob]:
        """Return the jobs of a task, without boxes."""


class _V1(Api):
    root = "/api/v1"

    def labels(self, task: Mapping[str, Any]) -> Iterable[Any]:
        return list(task["labels"])

    def jobs(self, task: Mapping[str, Any]) -> Iterable[CvatJob]:
        for segment in task["segments"]:
            frames = range(segment["start_frame"], segment["stop_frame"] + 1)
            for job in segment["jobs"]:
                yield CvatJob(job["id"], frames, self._usernames.get(job["assignee"]), job["status"])

    @cached_property
    def _usernames(self) -> Mapping[int, str]:
        return {user["id"]: user["username"] for user in _pages(self.http, "/users?")}


class _V2(Api):
    root = "/api"

    def labels(self, task: Mapping[str, Any]) -> Iterable[Any]:
        return _pages(self.http, f"/labels?task_id={task['id']}&")

    def jobs(self, task: Mapping[str, Any]) -> Iterable[CvatJob]:
        for job in _pages(self.http, f"/jobs?task_id={task['id']}&"):
            assignee = (job["assignee"] or {}).get("username")
            yield CvatJob(job["id"], range(job["start_frame"], job["stop_frame"] + 1), assignee, job["state"])


APIS: Mapping[str, type[Api]] = {"1.0.0": _V1, "2.73": _V2}
"""The API family of each version that a demo may run."""


def _task(api: Api, task: Mapping[str, Any]) -> CvatTask:
    labels = {label["id"]: label["name"] for label in api.labels(task)}
    frames = _get(api.http, f"/tasks/{task['id']}/data/meta")["frames"] if task.get("size") else []
    jobs = [_with_boxes(api.http, job, labels) for job in api.jobs(task)]
    names = [(frame["name"], frame["width"], frame["height"]) for frame in frames]
    return CvatTask(task["id"], task["name"], task.get("size") or 0, names, jobs)


def _with_boxes(http: httpx.Client, job: CvatJob, labels: Mapping[int, str]) -> CvatJob:
    boxes: dict[int, Counter[Box]] = {}
    for shape in _get(http, f"/jobs/{job.id}/annotations")["shapes"]:
        left, top, right, bottom = shape["points"]
        box = _box(labels[shape["label_id"]], left, top, right - left, bottom - top)
        boxes.setdefault(shape["frame"], Counter())[box] += 1
    return replace(job, boxes=boxes)


def _pages(http: httpx.Client, path: str) -> Iterator[Any]:
    number, more = 1, True
    while more:
        page = _get(http, f"{path}page={number}")
        yield from page["results"]
        number, more = number + 1, page["next"] is not None


def _get(http: httpx.Client, path: str) -> Any:
    return http.get(path).raise_for_status().json()


def _box(label: str, left: float, top: float, width: float, height: float) -> Box:
    return label, round(left, 2), round(top, 2), round(width, 2), round(height, 2)


def read_export(file: Path) -> dict[str, Counter[Box]]:
    """Return the boxes of a COCO file by file name, which is the object's key."""
    document = json.loads(file.read_bytes())
    labels = {category["id"]: category["name"] for category in document["categories"]}
    keys = {image["id"]: image["file_name"] for image in document["images"]}
    boxes: dict[str, Counter[Box]] = {key: Counter() for key in keys.values()}
    for annotation in document["annotations"]:
        boxes[keys[annotation["image_id"]]][_box(labels[annotation["category_id"]], *annotation["bbox"])] += 1
    return boxes


def outcomes(
    uploads: Sequence[PlannedUpload],
    tasks: Sequence[CvatTask],
    names: Mapping[int, Mapping[str, str]],
    exports: Sequence[Mapping[str, Counter[Box]]],
) -> list[PhotographOutcome]:
    """Return the outcome of each photograph; `names` are keys by frame name for each task id in the ledger."""
    found = {upload.key: PhotographOutcome(upload) for upload in uploads}
    for task in tasks:
        for frame, (name, _, _) in enumerate(task.frames):
            key = names.get(task.id, {}).get(name)
            if key in found:
                found[key].frames.append((task, frame))
    for export in exports:
        for key, boxes in export.items():
            if key in found:
                found[key].exported.append(boxes)
    return list(found.values())


def differences(
    results: Sequence[PhotographOutcome],
    tasks: Sequence[CvatTask],
    exports: Sequence[Mapping[str, Counter[Box]]],
) -> list[str]:
    """Return every deviation from what the demo promises; empty if there is none."""
    wrong = [line for outcome in results for line in outcome.problems()]
    frames, placed = sum(len(task.frames) for task in tasks), sum(len(outcome.frames) for outcome in results)
    if frames != placed:
        wrong.append(f"CVAT holds {frames} frames, {placed} of them are known photographs")
    known = {outcome.upload.key for outcome in results}
    wrong += [f"{key} is exported and was never uploaded" for export in exports for key in export if key not in known]
    wrong += [
        f"job {job.id} of task {task.id} is {job.status}, of {job.assignee or 'nobody'}"
        for task in tasks
        for job in task.jobs
        if job.status != "completed" or job.assignee is None
    ]
    return wrong

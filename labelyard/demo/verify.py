"""Verifies a demo: each photograph is in exactly one task and is exported with exactly what its bot drew.

It asks CVAT and reads the files with code of its own: an error of labelyard's client would otherwise go unnoticed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import httpx

from labelyard.demo.drawn import KINDS, Drawn, RawTask, Rules, drawn_by_frame
from labelyard.demo.exported import Account, Export
from labelyard.demo.uploader import PlannedUpload


@dataclass(frozen=True)
class CvatJob:
    """A job on CVAT."""

    id: int
    frames: range
    assignee: str | None
    status: str
    """The status of 1.0.0, the state of 2.x."""


@dataclass(frozen=True)
class CvatTask:
    """A task on CVAT; frames are (name, width, height), `drawn` has what is saved on each that has anything."""

    id: int
    name: str
    size: int
    frames: Sequence[tuple[str, int, int]]
    jobs: Sequence[CvatJob]
    drawn: Mapping[int, Counter[Drawn]] = field(default_factory=dict)


@dataclass
class PhotographOutcome:
    """The tasks and frames that hold a photograph, and the objects exported of it."""

    upload: PlannedUpload
    frames: list[tuple[CvatTask, int]] = field(default_factory=list)
    exported: list[Counter[Drawn]] = field(default_factory=list)

    @property
    def job(self) -> CvatJob | None:
        """The job that contains it."""
        jobs = [job for task, frame in self.frames for job in task.jobs if frame in job.frames]
        return jobs[0] if jobs else None

    @property
    def saved(self) -> Counter[Drawn]:
        """What was drawn on it."""
        found: Counter[Drawn] = Counter()
        for task, frame in self.frames:
            found += task.drawn.get(frame, Counter())
        return found

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
        for objects in self.exported:
            if missing := self.saved - objects:
                yield f"{key}: exported without {_listed(missing)}"
            if extra := objects - self.saved:
                yield f"{key}: exported with what nobody drew, {_listed(extra)}"


def _listed(objects: Counter[Drawn]) -> str:
    return ", ".join(f"{one.kind} {one.label!r} {one.geometry} {dict(one.attributes)}" for one in sorted(objects))


def read_tasks(url: str, username: str, password: str, version: str) -> list[CvatTask]:
    """Read every task of the CVAT at `url`, with frames, jobs and what is drawn; `version` is a key of APIS.

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
    rules: ClassVar[Rules]

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    @abstractmethod
    def labels(self, task: Mapping[str, Any]) -> Iterable[Any]:
        """Return the labels of a task."""

    @abstractmethod
    def jobs(self, task: Mapping[str, Any]) -> Iterable[CvatJob]:
        """Return the jobs of a task."""


class _V1(Api):
    root = "/api/v1"
    rules = Rules(outlines_end=True, stays_before_outside=True)

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
    rules = Rules(outlines_end=False, stays_before_outside=False)

    def labels(self, task: Mapping[str, Any]) -> Iterable[Any]:
        return _pages(self.http, f"/labels?task_id={task['id']}&")

    def jobs(self, task: Mapping[str, Any]) -> Iterable[CvatJob]:
        for job in _pages(self.http, f"/jobs?task_id={task['id']}&"):
            assignee = (job["assignee"] or {}).get("username")
            yield CvatJob(job["id"], range(job["start_frame"], job["stop_frame"] + 1), assignee, job["state"])


APIS: Mapping[str, type[Api]] = {"1.0.0": _V1, "2.73": _V2}
"""The API family of each version that a demo may run."""


def _task(api: Api, task: Mapping[str, Any]) -> CvatTask:
    size = task.get("size") or 0
    frames = _get(api.http, f"/tasks/{task['id']}/data/meta")["frames"] if size else []
    names = [(frame["name"], frame["width"], frame["height"]) for frame in frames]
    drawn: Mapping[int, Counter[Drawn]] = {}
    if size:
        annotations = _get(api.http, f"/tasks/{task['id']}/annotations")
        drawn = drawn_by_frame(RawTask(list(api.labels(task)), annotations, size, api.rules))
    return CvatTask(task["id"], task["name"], size, names, list(api.jobs(task)), drawn)


def _pages(http: httpx.Client, path: str) -> Iterator[Any]:
    number, more = 1, True
    while more:
        page = _get(http, f"{path}page={number}")
        yield from page["results"]
        number, more = number + 1, page["next"] is not None


def _get(http: httpx.Client, path: str) -> Any:
    return http.get(path).raise_for_status().json()


def outcomes(
    uploads: Sequence[PlannedUpload],
    tasks: Sequence[CvatTask],
    names: Mapping[int, Mapping[str, str]],
    exports: Sequence[Export],
) -> list[PhotographOutcome]:
    """Return the outcome of each photograph; `names` are keys by frame name for each task id in the ledger."""
    found = {upload.key: PhotographOutcome(upload) for upload in uploads}
    for task in tasks:
        for frame, (name, _, _) in enumerate(task.frames):
            key = names.get(task.id, {}).get(name)
            if key in found:
                found[key].frames.append((task, frame))
    for export in exports:
        for key, objects in export.images.items():
            if key in found:
                found[key].exported.append(objects)
    return list(found.values())


def differences(
    results: Sequence[PhotographOutcome],
    tasks: Sequence[CvatTask],
    exports: Sequence[Export],
) -> list[str]:
    """Return every deviation from what the demo promises; empty if there is none."""
    wrong = [line for outcome in results for line in outcome.problems()]
    frames, placed = sum(len(task.frames) for task in tasks), sum(len(outcome.frames) for outcome in results)
    if frames != placed:
        wrong.append(f"CVAT holds {frames} frames, {placed} of them are known photographs")
    known = {outcome.upload.key for outcome in results}
    wrong += [
        f"{key} is exported and was never uploaded" for export in exports for key in export.images if key not in known
    ]
    by_id = {task.id: task for task in tasks}
    wrong += [line for export in exports for line in _account_problems(export, by_id[export.task_id])]
    wrong += [
        f"job {job.id} of task {task.id} is {job.status}, of {job.assignee or 'nobody'}"
        for task in tasks
        for job in task.jobs
        if job.status != "completed" or job.assignee is None
    ]
    return wrong


def numbers_of_kinds(outcomes: Sequence[PhotographOutcome]) -> dict[str, int]:
    """Return how many objects of each kind were drawn on the photographs; those of none are left out."""
    found = Counter(one.kind for outcome in outcomes for one in outcome.saved.elements())
    return {kind: found[kind] for kind in KINDS if found[kind]}


def _account_problems(export: Export, task: CvatTask) -> Iterator[str]:
    """Yield every account of a task's files that does not say: drawn = in the file + left out."""
    drawn = _by_kind_and_label(task.drawn.values())
    in_file = _by_kind_and_label(export.images.values())
    for number, account in enumerate(export.accounts):
        where = f"task {task.id}, account {number + 1} of {len(export.accounts)}"
        if not account:
            yield f"{where}: there is none"
            continue
        left_out: Counter[tuple[str, str]] = Counter()
        for one in account["left_out"]:
            left_out[one["kind"], one["label"]] += one["count"]
        for name, said, found in (
            ("drawn", _flat(account["drawn"]), drawn),
            ("in the file", _flat(account["in_file"]), in_file),
            ("in the file and left out", in_file + left_out, drawn),
        ):
            if said != found:
                yield f"{where}: {name} are {dict(said - found)} too many and {dict(found - said)} too few"


def _by_kind_and_label(images: Iterable[Counter[Drawn]]) -> Counter[tuple[str, str]]:
    return Counter((one.kind, one.label) for objects in images for one in objects.elements())


def _flat(numbers: Account) -> Counter[tuple[str, str]]:
    return Counter({(kind, label): count for kind, labels in numbers.items() for label, count in labels.items()})

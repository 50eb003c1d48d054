"""Annotators: they draw a box on every frame and complete the job; they also reopen jobs and retry failed batches.

They move some of the predictions that they find. Where there are replicas, they work on these, and not on the jobs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from labelyard.cvat import Cvat
from labelyard.domain.annotations import Annotations, Change, Shape, ShapeType
from labelyard.domain.formats import CVAT_IMAGES
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import FrameUse, Job, JobKind, JobStatus, JobStep, Task, TaskSpec
from labelyard.errors import CvatTimeout, LabelyardError
from labelyard.ledger import batches, tasks
from tests.chaos.boxes import DRAWN, MOVED, PREDICTED, TRUTH, is_prediction
from tests.chaos.fault_plan import DELAYED_EXPORT
from tests.chaos.scenario import Scenario

_NEEDS_A_PERSON = ("CVAT could not make frames",)
"""Failures that labelyard leaves to a person; here the person calls `labelyard retry`."""

_EXPORT_SECONDS = 20.0
_NO_AREA = (3.0, 4.0, 3.0, 9.0)
"""The points of a rectangle that no dataset can hold."""


class Annotators:
    """Labels assigned tasks, and retries batches that only a person may retry."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._completed: set[int] = set()
        self._rejected: set[int] = set()
        self._faulty: set[int] = set()
        """Jobs that were completed with a faulty shape."""
        self.completed_faulty: dict[int, int] = {}
        """By job: the frame with the faulty shape, of those that CVAT has certainly completed with it."""
        self._reopened: set[int] = set()
        self.drawn_again: set[tuple[int, int]] = set()
        """Task and frame of the boxes in reopened jobs."""
        self._not_before = 0.0

    def act(self) -> bool:
        """Label every assigned task and retry failed batches; return whether a job was completed."""
        if time.time() < self._not_before:
            return False
        with self._scenario.ledger.read_only() as tx:
            assigned = [
                task.server_id
                for batch in batches.in_states(tx, [BatchState.ASSIGNED])
                if (task := tasks.current(tx, batch.id)) and task.server_id not in self._completed
            ]
            failed = batches.in_states(tx, [BatchState.FAILED])
        completed = [self._label(task_id) for task_id in assigned if task_id is not None]
        for batch in failed:
            if any(words in (batch.error or "") for words in _NEEDS_A_PERSON):
                with self._scenario.ledger.transaction() as tx:
                    batches.retry(tx, batches.get(tx, batch.id, lock=True))
        return any(completed)

    def wait(self, seconds: float) -> None:
        """Label nothing before so many seconds have passed."""
        self._not_before = time.time() + seconds

    def create_duplicate_tasks(self, batch_id: str) -> None:
        """If the plan says so: once, create two empty tasks, and projects, with the names that the batch will use."""
        counts = self._scenario.fault_counts
        if self._scenario.plan.duplicate_tasks and not counts["task of the same name"]:
            with self._scenario.ledger.read_only() as tx:
                name = batches.get(tx, batch_id).task_name or ""
            section, cvat = self._scenario.spec.task, self._scenario.cvat
            with suppress(LabelyardError):
                for _ in range(2):
                    if section.project:
                        cvat.create_project(section.project, section.cvat_labels())
                    cvat.create_task(TaskSpec(name, section.cvat_labels()))
                    counts["task of the same name"] += 1

    def reopen_job(self) -> str | None:
        """Reopen a job of an exported batch and draw another box in it; return the batch's id."""
        with self._scenario.ledger.read_only() as tx:
            exported = batches.in_states(tx, [BatchState.EXPORTED])
            first = tasks.current(tx, exported[0].id) if exported else None
        if first is None or first.server_id is None:
            return None
        cvat = self._scenario.cvat
        task = cvat.task(first.server_id)
        cvat.set_job_status(task.jobs[0].id, JobStatus.ANNOTATION)
        _draw(cvat, task, task.jobs[0].id, [task.jobs[0].start_frame])
        self._completed.discard(first.server_id)
        self._reopened.add(task.jobs[0].id)
        self.drawn_again.add((task.id, task.jobs[0].start_frame))
        self._scenario.fault_counts["job reopened"] += 1
        return first.batch_id

    def _label(self, task_id: int) -> bool:
        stale_export = self._scenario.plan.stale_export
        if stale_export:
            self._scenario.fault_counts["export while somebody draws"] += 1
        with suppress(LabelyardError):  # the server's faults hit annotators too: they try again
            if not self._draw_and_complete(task_id, stale_export=stale_export):
                return False
            self._completed.add(task_id)
            if self._scenario.plan.review:
                return self._review(task_id)
        return task_id in self._completed

    def _draw_and_complete(self, task_id: int, *, stale_export: bool) -> bool:
        """Draw missing boxes and complete the jobs; with `stale_export`, draw the last box during another export.

        Return whether that was all of them: nobody labels a job of a pool before somebody has it.
        """
        cvat = self._scenario.cvat
        task = cvat.task(task_id)
        self._label_ground_truth(task)
        to_label = self._jobs_of_people(task)
        if self._scenario.plan.pool:
            to_label = [job for job in to_label if job.assignee is not None]
        for job in to_label:
            if job.status is JobStatus.VALIDATION:
                continue
            found = cvat.annotations(job.id).shapes
            drawn = {shape.frame for shape in found if not is_prediction(shape)}
            missing = [frame for frame in range(job.start_frame, job.stop_frame + 1) if frame not in drawn]
            _move_predictions(cvat, job.id, found)
            if job is to_label[-1] and stale_export and missing:
                _draw(cvat, task, job.id, missing[:-1])
                self._draw_during_export(task, job.id, missing[-1])
            else:
                _draw(cvat, task, job.id, missing)
            frame = _first_data_frame(cvat, job) if self._scenario.plan.review else None
            is_faulty = frame is not None and self._draw_or_repair_fault(task, job, frame)
            cvat.set_job_status(job.id, JobStatus.COMPLETED)
            if frame is not None and is_faulty:
                self.completed_faulty[job.id] = frame
        return len(to_label) == len(self._jobs_of_people(task))

    def _draw_or_repair_fault(self, task: Task, job: Job, frame: int) -> bool:
        """Draw a shape without an area on the frame before the job is completed for the first time.

        Delete it once the job is back. Return whether it is there.
        """
        cvat = self._scenario.cvat
        faulty = tuple(one for one in cvat.annotations(job.id).shapes if one.points == _NO_AREA)
        if job.id not in self._faulty and not faulty:
            shape = Shape(ShapeType.RECTANGLE, frame, task.labels[0].id, _NO_AREA)
            cvat.change_annotations(job.id, Change.CREATE, Annotations(shapes=(shape,)))
        elif job.id in self._faulty and faulty and job.status is JobStatus.ANNOTATION:
            cvat.change_annotations(job.id, Change.DELETE, Annotations(shapes=faulty))
            return False
        is_new = job.id not in self._faulty
        if is_new:
            self._faulty.add(job.id)
            self._scenario.fault_counts["faulty shape"] += 1
        return is_new or bool(faulty)

    def _jobs_of_people(self, task: Task) -> list[Job]:
        """Return the jobs that people label: a job with replicas is not among them until somebody has reopened it."""
        replicas = [job for job in task.quality_jobs if job.kind is JobKind.REPLICA]
        return [*replicas, *(job for job in task.jobs if not replicas or job.id in self._reopened)]

    def _label_ground_truth(self, task: Task) -> None:
        """Draw a box on every frame of the ground-truth job, complete it and accept it."""
        cvat = self._scenario.cvat
        for job in task.quality_jobs:
            if job.kind is JobKind.GROUND_TRUTH and not job.is_accepted:
                pool = [n for n, one in enumerate(cvat.frames(task.id)) if one.use is FrameUse.GROUND_TRUTH]
                drawn = {shape.frame for shape in cvat.annotations(job.id).shapes}
                frames = pool or range(job.start_frame, job.stop_frame + 1)
                _draw(cvat, task, job.id, [frame for frame in frames if frame not in drawn], TRUTH)
                cvat.move_job(job.id, JobStep.ACCEPT, job.assignee)

    def _review(self, task_id: int) -> bool:
        """Reject each job once, and accept it later; return whether labelyard has nothing to do before the export."""
        cvat = self._scenario.cvat
        for job in cvat.jobs(task_id):
            if job.status is JobStatus.VALIDATION and job.id not in self._rejected:
                cvat.reject_job(job.id)
                self._rejected.add(job.id)
                self._scenario.fault_counts["job rejected"] += 1
            elif job.status is JobStatus.VALIDATION and job.state != "rejected":
                cvat.set_job_status(job.id, JobStatus.COMPLETED)
        # It comes back until its batch is completed: `act` asks only for those that people work on.
        self._completed.discard(task_id)
        return True

    def _draw_during_export(self, task: Task, job_id: int, frame: int) -> None:
        # CVAT caches an export for everybody, without annotations that were saved while it ran. This client does not
        # ask for the export's result: that would start another export, with those annotations.
        scenario, before, files = self._scenario, self._delayed_exports(), self._exported_files()
        started = _start_export(scenario.cvat, task.id, scenario.folder / "other_export.zip")
        if started:
            _wait_until(lambda: self._delayed_exports() > before or self._exported_files() != files)
        _draw(scenario.cvat, task, job_id, [frame])
        if started:
            _wait_until(lambda: self._exported_files() != files)

    def _exported_files(self) -> set[tuple[Path, int]]:
        """Return the zip files of the sandbox, each with the time at which it was written."""
        found = set()
        for folder, _, names in os.walk(self._scenario.cvat_folder):
            for file in (Path(folder, name) for name in names if name.endswith(".zip")):
                with suppress(FileNotFoundError):  # its task was deleted meanwhile
                    found.add((file, file.stat().st_mtime_ns))
        return found

    def _delayed_exports(self) -> int:
        """Return how many exports were delayed after they had read the annotations."""
        rules = self._scenario.cvat_rules.described()
        return sum(rule["met"] for rule in rules if rule["on"] == DELAYED_EXPORT["on"])


def _first_data_frame(cvat: Cvat, job: Job) -> int | None:
    """Return the first frame of a job that belongs in the dataset: what is drawn on a honeypot is no fault of it."""
    frames = cvat.frames(job.task_id)
    numbers = range(job.start_frame, job.stop_frame + 1)
    return next((number for number in numbers if frames[number].use is FrameUse.DATA), None)


def _draw(cvat: Cvat, task: Task, job_id: int, frames: list[int], box: tuple[float, ...] = DRAWN) -> None:
    boxes = [Shape(ShapeType.RECTANGLE, frame, task.labels[0].id, box) for frame in frames]
    if boxes:
        cvat.change_annotations(job_id, Change.CREATE, Annotations(shapes=tuple(boxes)))


def _move_predictions(cvat: Cvat, job_id: int, found: Sequence[Shape]) -> None:
    """Move the predictions of every other frame a little."""
    moved = [replace(one, points=MOVED) for one in found if one.points == PREDICTED and one.frame % 2]
    if moved:
        cvat.change_annotations(job_id, Change.UPDATE, Annotations(shapes=tuple(moved)))


def _start_export(cvat: Cvat, task_id: int, to: Path) -> bool:
    """Start an export without waiting for it; return whether it started."""
    try:
        cvat.export(task_id, to, format_name=CVAT_IMAGES, deadline=0.05)
    except CvatTimeout:
        return True
    except LabelyardError:
        pass
    return False


def _wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + _EXPORT_SECONDS
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)

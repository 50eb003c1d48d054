"""Annotators: a box on every frame that has none, then the job is completed; or one more after the export."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from labelyard.cvat import Cvat
from labelyard.domain.annotations import Annotations, Change, Shape, ShapeType
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus, Task, TaskSpec
from labelyard.errors import CvatTimeout, LabelyardError
from labelyard.ledger import batches, tasks
from tests.chaos.fault_plan import LATE_EXPORT
from tests.chaos.scenario import Scene

_MENDED_BY_HAND = ("CVAT could not make frames",)
"""Failures that a person has to lead out of; here, by `labelyard retry`."""

_EXPORT_SECONDS = 20.0


class People:
    """Who labels what lies with people, and retries what only a person may."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._done: set[int] = set()
        self._from = 0.0

    def act(self) -> bool:
        """Do what there is to do; whether a job was completed."""
        if time.time() < self._from:
            return False
        with self._scene.ledger.read_only() as tx:
            lying = [
                task.server_id
                for batch in batches.in_states(tx, [BatchState.ASSIGNED])
                if (task := tasks.current(tx, batch.id)) and task.server_id not in self._done
            ]
            failed = batches.in_states(tx, [BatchState.FAILED])
        completed = [self._label(task_id) for task_id in lying if task_id is not None]
        for batch in failed:
            if any(words in (batch.error or "") for words in _MENDED_BY_HAND):
                with self._scene.ledger.transaction() as tx:
                    batches.retry(tx, batches.get(tx, batch.id, lock=True))
        return any(completed)

    def wait(self, seconds: float) -> None:
        """Nobody labels before so many seconds have passed."""
        self._from = time.time() + seconds

    def make_twins(self, batch_id: str) -> None:
        """Before the first run of the first batch: make two empty tasks that are called as its task will be."""
        if self._scene.plan.twins and not self._scene.faults["task of the same name"]:
            with self._scene.ledger.read_only() as tx:
                name = batches.get(tx, batch_id).task_name or ""
            with suppress(LabelyardError):
                for _ in range(2):
                    self._scene.cvat.create_task(TaskSpec(name, self._scene.spec.task.cvat_labels()))
                    self._scene.faults["task of the same name"] += 1

    def open_again(self) -> str | None:
        """Open a job of an exported batch and draw another box in it; which batch."""
        with self._scene.ledger.read_only() as tx:
            done = batches.in_states(tx, [BatchState.EXPORTED])
            first = tasks.current(tx, done[0].id) if done else None
        if first is None or first.server_id is None:
            return None
        cvat = self._scene.cvat
        task = cvat.task(first.server_id)
        cvat.set_job_status(task.jobs[0].id, JobStatus.ANNOTATION)
        _draw(cvat, task, task.jobs[0].id, [task.jobs[0].start_frame])
        self._done.discard(first.server_id)
        self._scene.faults["job opened again"] += 1
        return first.batch_id

    def _label(self, task_id: int) -> bool:
        late = self._scene.plan.stale
        if late:
            self._scene.faults["export while somebody draws"] += 1
        with suppress(LabelyardError):  # the server misbehaves for them too: they try again
            self._draw_all(task_id, late=late)
            self._done.add(task_id)
        return task_id in self._done

    def _draw_all(self, task_id: int, *, late: bool) -> None:
        """Draw and complete; the last box, if `late`, while somebody else's export is being written."""
        cvat = self._scene.cvat
        task = cvat.task(task_id)
        for job in task.jobs:
            drawn = {shape.frame for shape in cvat.annotations(job.id).shapes}
            missing = [frame for frame in range(job.start_frame, job.stop_frame + 1) if frame not in drawn]
            if job is task.jobs[-1] and late and missing:
                _draw(cvat, task, job.id, missing[:-1])
                self._draw_late(task, job.id, missing[-1])
            else:
                _draw(cvat, task, job.id, missing)
            cvat.set_job_status(job.id, JobStatus.COMPLETED)

    def _draw_late(self, task: Task, job_id: int, frame: int) -> None:
        # An export that runs while somebody saves is kept by CVAT for everybody, without what was saved. Whoever asked
        # for it has gone: to ask again would start another one, with what was saved.
        scene, before = self._scene, self._late_exports()
        kept = scene.cvat_folder / "tasks" / str(task.id) / "export_cache"
        asked = _asks_for_export(scene.cvat, task.id, scene.folder / "theirs.zip")
        if asked:
            _wait(lambda: self._late_exports() > before or any(kept.glob("*.zip")))
        _draw(scene.cvat, task, job_id, [frame])
        if asked:
            _wait(lambda: any(kept.glob("*.zip")))

    def _late_exports(self) -> int:
        """How many exports have read the annotations and were held up then."""
        return sum(rule["met"] for rule in self._scene.cvat_faults.described() if rule["on"] == LATE_EXPORT["on"])


def _draw(cvat: Cvat, task: Task, job_id: int, frames: list[int]) -> None:
    boxes = [Shape(ShapeType.RECTANGLE, frame, task.labels[0].id, (1.0, 2.0, 9.5, 12.25)) for frame in frames]
    if boxes:
        cvat.change_annotations(job_id, Change.CREATE, Annotations(shapes=tuple(boxes)))


def _asks_for_export(cvat: Cvat, task_id: int, to: Path) -> bool:
    """Start an export and don't wait for it; whether it started."""
    try:
        cvat.export(task_id, to, deadline=0.05)
    except CvatTimeout:
        return True
    except LabelyardError:
        pass
    return False


def _wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + _EXPORT_SECONDS
    while not until() and time.monotonic() < end:
        time.sleep(0.01)

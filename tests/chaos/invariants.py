"""The invariants of a labelyard at rest, checked over bucket, ledger, CVAT and exports side by side. Pure.

Every object is in exactly one task and one current export. No task is an orphan, every job has an assignee, no box is
lost, every quarantine has a reason, and every object's history explains its state. Those of predictions and of quality
control are in `feature_invariants`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labelyard.domain.tasks import Issue
from tests.chaos.fault_plan import Quality

AT_REST = frozenset({"exported", "archived", "quarantined", "cancelled"})
"""The batch states in which nothing more happens."""
EXPORTED_HISTORY = ("registered", "closed", "created", "uploaded", "ready", "assigned", "completed", "exported")
"""What the history of an exported object contains, in this order."""
QUARANTINED_ENTRY = "quarantined"
MANUALLY = "manually: "
"""How the reason begins if a person has quarantined the object."""


@dataclass(frozen=True)
class Object:
    """A row of the ledger: one content of one key. `history` is what `labelyard why` shows, in order."""

    key: str
    etag: str
    batch: str | None
    upload_name: str | None
    quarantine_reason: str | None
    history: tuple[str, ...]


@dataclass(frozen=True)
class Batch:
    """A batch of the ledger, with its current task (0: none), its jobs (job -> assignee), and those not accepted."""

    id: str
    state: str
    task: int = 0
    jobs: Mapping[int, str | None] = field(default_factory=dict)
    error: str | None = None
    unaccepted: tuple[int, ...] = ()
    """Jobs that have to be reviewed, and that nobody but their annotator has accepted."""
    predictions: Predictions | None = None
    quality_jobs: Mapping[int, str | None] = field(default_factory=dict)
    """The ground-truth job and the replicas (job -> assignee)."""
    has_report: bool = False
    """Whether CVAT has compared the work as it is now with the ground truth, or could not."""
    verdicts: tuple[tuple[int, str], ...] = ()
    """Job and verdict, of reviewers and of the check, oldest first."""


@dataclass(frozen=True)
class Predictions:
    """What the ledger says became of a batch's predictions: the state, how many shapes CVAT got, and why not all."""

    state: str
    shapes: int
    reason: str | None = None


@dataclass(frozen=True)
class ExportFacts:
    """An export that the ledger has recorded, finished or not."""

    batch: str
    key: str
    current: bool
    format: str = "coco"


@dataclass(frozen=True)
class Frame:
    """A frame of a task: its name, and the number of predictions in it. `use` is "data" if it belongs in the dataset.

    Otherwise it is a "honeypot", the copy of another frame, or in the ground-truth job alone ("truth").
    """

    name: str
    use: str = "data"
    predictions: int = 0


@dataclass(frozen=True)
class QualityJob:
    """A ground-truth job, or a replica of its parent."""

    id: int
    assignee: str | None
    parent: int | None = None


@dataclass(frozen=True)
class Task:
    """A task of CVAT: file names, jobs (job -> assignee), boxes by file name, and the number of tags in it.

    `boxes` are those on frames of the dataset, `all_frames` also has honeypots.
    """

    id: int
    name: str
    frames: tuple[str, ...] = ()
    jobs: Mapping[int, str | None] = field(default_factory=dict)
    boxes: Mapping[str, int] = field(default_factory=dict)
    tags: int = 0
    all_frames: tuple[Frame, ...] = ()
    quality_jobs: tuple[QualityJob, ...] = ()
    drawn_again: tuple[str, ...] = ()
    """The frames on which somebody drew another box in a reopened job."""
    completed_faulty: Mapping[int, str] = field(default_factory=dict)
    """By job: the name of the frame with a faulty shape, of those that were completed with one."""
    issues: tuple[Issue, ...] = ()
    """What reviewers and the check wrote, on CVAT 2.x."""

    @property
    def replicas(self) -> tuple[QualityJob, ...]:
        """The replicas of all jobs."""
        return tuple(job for job in self.quality_jobs if job.parent is not None)

    @property
    def pool(self) -> frozenset[str]:
        """The names of the files that are in the ground-truth job alone."""
        return frozenset(frame.name for frame in self.all_frames if frame.use == "truth")


@dataclass(frozen=True)
class ExportedFile:
    """An exported file in the bucket: the keys of its images, the number of boxes by key, and its `info`.

    `info` has its account and what people made of predictions.
    """

    key: str
    images: tuple[str, ...]
    boxes: Mapping[str, int] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """A labelyard at rest.

    `bucket` maps key -> ETag of the objects below the sources now; `unusable` are the keys of files that are no images.
    """

    bucket: Mapping[str, str]
    unusable: frozenset[str]
    objects: Sequence[Object]
    batches: Sequence[Batch]
    exports: Sequence[ExportFacts]
    tasks: Sequence[Task]
    files: Sequence[ExportedFile]
    unpublished_events: int = 0
    retired: bool = False
    """The dataset accepts no new objects: files may be missing in the ledger."""
    predicted: frozenset[str] | None = None
    """The keys of the images that the files beside them have predictions for; None if nobody wants any."""
    quality: Quality = field(default_factory=Quality)
    """The quality control that is wanted."""

    def current_file(self, batch: str) -> ExportedFile | None:
        """Return the file of a batch's current export in the format coco; None if there is not exactly one."""
        current = {one.key for one in self.exports if one.batch == batch and one.current and one.format == "coco"}
        return next((file for file in self.files if {file.key} == current), None)


def violations(snapshot: Snapshot) -> list[str]:
    """Return every violated invariant as a sentence; empty if the run is clean."""
    return [
        *_registration(snapshot),
        *_rest(snapshot),
        *_orphans(snapshot),
        *(line for batch in snapshot.batches for line in _batch(snapshot, batch)),
        *(line for row in snapshot.objects for line in _explanation(snapshot, row)),
        *_unknown_files(snapshot),
    ]


def _registration(snapshot: Snapshot) -> Iterator[str]:
    rows = Counter((row.key, row.etag) for row in snapshot.objects)
    for key, etag in snapshot.bucket.items():
        if rows[key, etag] != 1 and not (snapshot.retired and not rows[key, etag]):
            yield f"{key} ({etag[:6]}) is {rows[key, etag]} times in the ledger"


def _rest(snapshot: Snapshot) -> Iterator[str]:
    for batch in snapshot.batches:
        if batch.state not in AT_REST:
            yield f"{batch.id} is {batch.state}, not at rest" + (f": {batch.error}" if batch.error else "")
        elif batch.error:
            yield f"{batch.id} is {batch.state} and still shows a failure: {batch.error}"
    if snapshot.unpublished_events:
        yield f"{snapshot.unpublished_events} events were never published"


def _orphans(snapshot: Snapshot) -> Iterator[str]:
    known = {batch.task for batch in snapshot.batches}
    for task in snapshot.tasks:
        if task.id not in known:
            yield f"task {task.id} ({task.name!r}, {len(task.frames)} frames) is an orphan"


def _batch(snapshot: Snapshot, batch: Batch) -> Iterator[str]:
    if batch.state == "cancelled":
        yield from _cancelled(snapshot, batch)
        return
    rows = [row for row in snapshot.objects if row.batch == batch.id]
    usable = [row for row in rows if row.quarantine_reason is None]
    if not usable:
        return
    task = next((task for task in snapshot.tasks if task.id == batch.task), None)
    if task is None:
        yield f"{batch.id}: its task {batch.task} is not on the server"
        return
    uploaded = Counter(row.upload_name for row in rows if row.upload_name is not None)
    if Counter(task.frames) != uploaded or any(row.upload_name is None for row in usable):
        yield f"{batch.id}: task {task.id} shows {_names(task.frames)} instead of {_names(uploaded.elements())}"
    yield from _jobs(batch, task)
    if batch.state == "archived":
        return  # its export stays as it is, whatever is deleted or quarantined later
    if batch.unaccepted:
        yield f"{batch.id} is {batch.state}, and the jobs {_names(batch.unaccepted)} are not accepted"
    yield from _export(snapshot, batch, task, usable)


def _cancelled(snapshot: Snapshot, batch: Batch) -> Iterator[str]:
    """Its task stays with everybody's work, but not without any: nor with an upload that CVAT has lost."""
    if any(task.id == batch.task and not task.frames for task in snapshot.tasks):
        yield f"{batch.id} is cancelled, and its task {batch.task} is empty"


def _jobs(batch: Batch, task: Task) -> Iterator[str]:
    if not task.jobs:
        yield f"{batch.id}: task {task.id} has no jobs"
    for job, assignee in task.jobs.items():
        if assignee is None and not task.replicas:
            yield f"{batch.id}: job {job} has no assignee"
    if dict(batch.jobs) != dict(task.jobs):
        yield f"{batch.id}: the ledger has the jobs {dict(batch.jobs)}, the server {dict(task.jobs)}"
    if task.tags:
        yield f"{batch.id}: task {task.id} has {task.tags} tags that nobody set"


def _export(snapshot: Snapshot, batch: Batch, task: Task, usable: Sequence[Object]) -> Iterator[str]:
    current = [
        export for export in snapshot.exports if export.batch == batch.id and export.current and export.format == "coco"
    ]
    if len(current) != 1:
        yield f"{batch.id} has {len(current)} current exports"
        return
    file = next((file for file in snapshot.files if file.key == current[0].key), None)
    if file is None:
        yield f"{batch.id}: the export {current[0].key} is not in the bucket"
        return
    keys = Counter(row.key for row in usable if row.upload_name not in task.pool)
    if Counter(file.images) != keys:
        yield f"{batch.id}: {file.key} has {_names(file.images)} instead of {_names(keys.elements())}"
    for row in usable:
        drawn, exported = task.boxes.get(row.upload_name or "", 0), file.boxes.get(row.key, 0)
        if drawn != exported:
            yield f"{batch.id}: {row.key} has {drawn} boxes on the server and {exported} in its export"


def _explanation(snapshot: Snapshot, row: Object) -> Iterator[str]:
    cancelled = {batch.id for batch in snapshot.batches if batch.state == "cancelled"}
    if row.quarantine_reason is not None:
        if not row.quarantine_reason:
            yield f"{row.key} is quarantined without a reason"
        by_a_person = row.quarantine_reason.startswith(MANUALLY)
        if row.key not in snapshot.unusable and snapshot.bucket.get(row.key) == row.etag and not by_a_person:
            yield f"{row.key} is a good image in the bucket and is quarantined: {row.quarantine_reason}"
        if QUARANTINED_ENTRY not in row.history:
            yield f"the history of {row.key} does not say that it is quarantined"
    elif (
        row.batch is not None
        and row.batch not in cancelled
        and (missing := [entry for entry in EXPORTED_HISTORY if entry not in row.history])
    ):
        yield f"the history of {row.key} does not contain {', '.join(missing)}"


def _unknown_files(snapshot: Snapshot) -> Iterator[str]:
    recorded = {export.key for export in snapshot.exports}
    for file in snapshot.files:
        if file.key not in recorded:
            yield f"{file.key} is in the bucket and not in the ledger"


def _names(names: Iterable[object]) -> str:
    return f"[{', '.join(sorted(map(str, names)))}]"

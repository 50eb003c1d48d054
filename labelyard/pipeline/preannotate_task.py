"""preannotate_task: import a model's predictions into a new task, once, before people get its jobs.

The predictions are committed before they are sent, so that a run which resumes sends the same ones. CVAT has no key by
which it would refuse a second copy: each job is read before, and gets only what it lacks. A request without a response
may take effect late, so nothing is sent, and people get no jobs, until that is out of the question. Where people have
begun, nothing is written. A model that is away, or whose answer cannot be used, stops nothing: people label without
predictions.
"""

from __future__ import annotations

import json
import logging
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from labelyard.annotations.content import FrameObject, Kind
from labelyard.annotations.shapes import KINDS_OF_1, shape_of
from labelyard.cvat.annotation_writes import create_annotations, delete_annotations, match_annotations
from labelyard.cvat.decoding import decode_annotations
from labelyard.cvat.encoding import encode_annotations
from labelyard.domain.annotations import Annotations, Shape
from labelyard.domain.labels import Label
from labelyard.domain.preannotation import JobContent, PreannotationState, have_people_begun, time_left
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import Job, JobStatus
from labelyard.errors import (
    CvatCrashed,
    CvatHidden,
    CvatNotFound,
    CvatRefused,
    CvatUnauthorized,
    InputError,
    NoPredictions,
)
from labelyard.failpoints import failpoint
from labelyard.formats.predictions import LeftOutPredictions, TargetImage, Targets
from labelyard.ledger import batches, datasets, preannotations, tasks
from labelyard.ledger.preannotation_tables import Preannotation
from labelyard.ledger.tables import Object
from labelyard.pipeline.acquire_batch import BatchLease
from labelyard.pipeline.read_predictions import PredictionReader
from labelyard.pipeline.shown_sizes import frames_as_shown, shown_sizes
from labelyard.pipeline.wait_for_status import UnfinishedTask, continue_later

_log = logging.getLogger(__name__)
_BEGUN = "people have begun to work on the task"
_UNCLEAR = "a request with predictions had no response and may still take effect"

ByJob = dict[int, Annotations]
"""The shapes for each job, by CVAT's id of it."""


@dataclass(frozen=True)
class Preannotated:
    """What became of the predictions: how many shapes CVAT has, why not more, and what did not fit."""

    state: str
    predicted: int
    reason: str | None
    warning: str | None


def preannotate_task(lease: BatchLease) -> Preannotated | UnfinishedTask | None:
    """Import the predictions for the batch's task, unless that was done or people have begun.

    Returns None for a dataset without the section, and for a batch whose jobs are assigned; an UnfinishedTask while an
    earlier request may still take effect. A CvatError means that a later run continues; nothing that a model does
    raises.
    """
    section = lease.spec.preannotate
    if section is None:
        return None
    with lease.transaction() as tx:
        if batches.get(tx, lease.batch_id).state is not BatchState.READY:
            return None
        task, task_id = tasks.require_current(tx, lease.batch_id)
        row = preannotations.begin(tx, task.id, lease.batch_id, section.source)
        state, left = row.state, time_left(row.begun_at, tx.now, section.timeout)
    failpoint("preannotate_task.begun")
    step = _Step(lease, task.id, task_id)
    if state is PreannotationState.ASKING:
        step.ask(section.source, left)
    return step.send()


@dataclass
class _Step:
    lease: BatchLease
    row_id: int
    task_id: int

    def ask(self, source: str, seconds: float) -> None:
        """Read the predictions and commit what fits, or that people label without predictions."""
        jobs, left_out = self.lease.cvat.jobs(self.task_id), LeftOutPredictions()
        try:
            if have_people_begun(self._content(job, Annotations()) for job in jobs):
                raise NoPredictions(_BEGUN)  # noqa: TRY301 - one way to go on without
            by_job = self._predictions(source, seconds, jobs, left_out)
            if not by_job:
                raise NoPredictions("none fits" if left_out.counts else "there are none for these images")  # noqa: TRY301
        except NoPredictions as error:
            self._skip(error.happened, left_out.warning())
            return
        with self.lease.transaction() as tx:
            preannotations.mark_sending(tx, self.row_id, pack(by_job), _count(by_job), left_out.warning())
        failpoint("preannotate_task.committed")

    def send(self) -> Preannotated | UnfinishedTask:
        """Send what is committed and not in CVAT, record it, and return what became of it."""
        with self.lease.ledger.read_only() as tx:
            row = preannotations.of_task(tx, self.row_id)
            assert row is not None, "it has begun"
            if row.state is not PreannotationState.SENDING:
                return _outcome(row)
            wanted = unpack(row.shapes or b"")
            unclear = timedelta(seconds=self.lease.context.settings.unclear_write_seconds)
            wait = row.sent_at + unclear - tx.now if row.sent_at else timedelta()
        if wait > timedelta():
            return self._wait(wait)
        jobs = {job.id: job for job in self.lease.cvat.jobs(self.task_id)}
        begun = have_people_begun(self._content(job, wanted.get(job.id, Annotations())) for job in jobs.values())
        reason = _BEGUN if begun else self._write(wanted)
        found = {job: self._ours(job, shapes) for job, shapes in wanted.items() if job in jobs}
        return self._record({job: shapes for job, shapes in found.items() if shapes.shapes}, _count(wanted), reason)

    def _wait(self, wait: timedelta) -> UnfinishedTask:
        with self.lease.transaction() as tx:
            preannotations.record_wait(tx, self.row_id, _UNCLEAR)
        return continue_later(self.lease, self.task_id, _UNCLEAR, wait)

    # --- what CVAT holds ---

    def _content(self, job: Job, wanted: Annotations) -> JobContent:
        others = self._others(job.id, wanted)
        count = len(others.shapes) + len(others.tracks) + len(others.tags)
        return JobContent(count, job.status is JobStatus.ANNOTATION)

    def _others(self, job_id: int, wanted: Annotations) -> Annotations:
        """Return the annotations of a job that are not ours; a second copy of ours is none of them.

        There is one if a request took effect even later than we wait. It is deleted, unless people have begun.
        """
        _, rest = match_annotations(wanted, self.lease.cvat.annotations(job_id))
        copies, others = match_annotations(wanted, rest)
        if copies.shapes and not (others.shapes or others.tracks or others.tags):
            self.lease.check()
            delete_annotations(self.lease.cvat, job_id, copies)
        return others

    def _ours(self, job_id: int, wanted: Annotations) -> Annotations:
        return match_annotations(wanted, self.lease.cvat.annotations(job_id))[0]

    def _write(self, wanted: ByJob) -> str | None:
        """Send to each job what it lacks. Return why CVAT does not take all of it; each request counts as a whole."""
        for job_id, shapes in wanted.items():
            try:
                create_annotations(self.lease.cvat, job_id, shapes, before_write=self._record_request, resend=False)
            except (CvatNotFound, CvatHidden, CvatUnauthorized):
                raise
            except (CvatRefused, CvatCrashed, InputError) as error:
                return f"CVAT does not take them: {error.what}"
            failpoint("preannotate_task.sent")
        return None

    def _record_request(self) -> None:
        with self.lease.transaction() as tx:
            preannotations.record_request(tx, self.row_id)

    # --- the predictions ---

    def _predictions(self, source: str, seconds: float, jobs: Sequence[Job], left_out: LeftOutPredictions) -> ByJob:
        lease, until = self.lease, time.monotonic() + seconds
        task = lease.cvat.task(self.task_id)
        with lease.ledger.read_only() as tx:
            members = {one.upload_name: one for one in batches.members(tx, lease.batch_id) if one.upload_name}
            category_ids = datasets.categories(tx, lease.spec.name)
        frames = self._frames(members)
        labels = {label.name: label for label in task.labels}
        kinds = frozenset(Kind) if lease.cvat.quirks.label_types else KINDS_OF_1
        ids = {name: number for name, number in category_ids.items() if name in labels}
        targets = Targets([image for image, _ in frames], labels, ids, kinds)
        stored = {image.frame: one.stored for image, one in frames}
        with lease.context.spool_folder("predictions") as folder:
            objects = PredictionReader(lease, source, targets, stored, folder, until, left_out).read()
        return self._by_job(objects, jobs, labels)

    def _frames(self, members: Mapping[str, Object]) -> list[tuple[TargetImage, Object]]:
        """Return the frames that are objects of the batch. Honeypots too: they must look like any other frame."""
        frames = frames_as_shown(self.lease.cvat.frames(self.task_id), shown_sizes(members.values()))
        return [
            (TargetImage(number, members[one.name].key, one.width, one.height, number + 1), members[one.name])
            for number, one in enumerate(frames)
            if one.name in members
        ]

    def _by_job(self, objects: Sequence[FrameObject], jobs: Sequence[Job], labels: Mapping[str, Label]) -> ByJob:
        """Return the shapes of each job. A frame of two jobs belongs to the first: exports have both people's work."""
        shapes: dict[int, list[Shape]] = {}
        for one in objects:
            job = next((job for job in jobs if job.start_frame <= one.frame <= job.stop_frame), None)
            if job is not None:
                shape = shape_of(one, labels[one.label], scores=self.lease.cvat.quirks.shape_score)
                shapes.setdefault(job.id, []).append(shape)
        return {job: Annotations(shapes=tuple(found)) for job, found in shapes.items()}

    # --- the ledger ---

    def _record(self, found: ByJob, wanted: int, reason: str | None) -> Preannotated:
        if not found:
            return self._skip(reason or "CVAT has none of them")
        count = _count(found)
        part = f"only {count} of {wanted} are in the task: {reason}" if reason and count < wanted else None
        with self.lease.transaction() as tx:
            outcome = _outcome(preannotations.mark_imported(tx, self.row_id, pack(found), count, part))
        failpoint("preannotate_task.recorded")
        _log.info("%s: %d predictions are in task %d", self.lease.batch_id, count, self.task_id)
        return outcome

    def _skip(self, reason: str, warning: str | None = None) -> Preannotated:
        with self.lease.transaction() as tx:
            outcome = _outcome(preannotations.mark_skipped(tx, self.row_id, reason, warning))
        failpoint("preannotate_task.skipped")
        _log.warning("%s: people label without predictions: %s", self.lease.batch_id, reason)
        return outcome


def _outcome(row: Preannotation) -> Preannotated:
    return Preannotated(row.state.value, row.predicted, row.reason, row.warning)


def pack(by_job: ByJob) -> bytes:
    """Return shapes as the ledger keeps them: compressed JSON in CVAT's own form, by job."""
    document = {str(job): encode_annotations(shapes, ids=True, source=True) for job, shapes in by_job.items()}
    return zlib.compress(json.dumps(document).encode())


def unpack(packed: bytes) -> ByJob:
    """Return what `pack` was given."""
    document = json.loads(zlib.decompress(packed))
    return {int(job): decode_annotations(shapes) for job, shapes in document.items()}


def _count(by_job: ByJob) -> int:
    return sum(len(shapes.shapes) for shapes in by_job.values())

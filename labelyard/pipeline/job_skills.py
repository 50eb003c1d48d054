"""The skills that the jobs of a task need, by the keys of their images and the labels that a model predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labelyard.config import DatasetSpec
from labelyard.domain.annotations import Annotations
from labelyard.domain.tasks import Job
from labelyard.ledger import batches, preannotations
from labelyard.pipeline.acquire_batch import BatchLease
from labelyard.pipeline.preannotate_task import unpack


def needed_skills(
    lease: BatchLease, spec: DatasetSpec, task_id: int, jobs: Sequence[Job]
) -> Mapping[int, frozenset[str]]:
    """Return the names of the skills that each job needs, by its id; asks CVAT for the frames. Raises CvatErrors."""
    if not jobs:
        return {}
    names = {label.id: label.name for label in lease.cvat.task(task_id).labels}
    frames = lease.cvat.frames(task_id)
    with lease.ledger.read_only() as tx:
        members = {one.upload_name: one for one in batches.members(tx, lease.batch_id)}
        row = preannotations.of_batch(tx, lease.batch_id)
    predicted = unpack(row.shapes) if row is not None and row.shapes else {}
    found = {}
    for job in jobs:
        here = (members.get(frame.name) for frame in frames[job.start_frame : job.stop_frame + 1])
        keys = [spec.key_in_source(one.bucket, one.key) for one in here if one is not None]
        shapes = predicted.get(job.id, Annotations()).shapes  # predictions have no tags and no tracks
        labels = [names.get(label, "") for label in {shape.label_id for shape in shapes}]
        found[job.id] = spec.assignment.needed_skills(keys, labels)
    return found

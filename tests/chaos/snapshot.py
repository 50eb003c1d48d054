"""The state of a labelyard after a run, read from the bucket, ledger, CVAT and exports themselves."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from sqlalchemy import select

from labelyard.config import DatasetSpec
from labelyard.cvat import Cvat
from labelyard.domain.review import Phase
from labelyard.ledger import Ledger, exports, history, jobs, outbox, reviews, tables, tasks
from tests.chaos.invariants import Batch, ExportedFile, ExportFacts, Object, Snapshot, Task


def list_objects(s3: Any, bucket: str, prefix: str) -> dict[str, str]:
    """Return key -> ETag of every object below a prefix."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {found["Key"]: found["ETag"].strip('"') for page in pages for found in page.get("Contents", ())}


def is_retired(ledger: Ledger, dataset: str) -> bool:
    """Return whether a dataset accepts no new objects."""
    with ledger.read_only() as tx:
        return tx.get_one(tables.Dataset, dataset).retired_at is not None


def undelivered_messages(sqs: Any, queue_url: str) -> int:
    """Return how many messages of a queue are not acknowledged."""
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    response = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=list(names))
    return sum(int(response["Attributes"][name]) for name in names)


def take_snapshot(ledger: Ledger, cvat: Cvat, s3: Any, spec: DatasetSpec, unusable: frozenset[str]) -> Snapshot:
    """Read everything that the invariants compare. `unusable` are the keys of files that are no images."""
    source = spec.sources[0]
    with ledger.read_only() as tx:
        objects = [
            Object(row.key, row.etag, row.batch_id, row.upload_name, row.quarantine_reason,
                   tuple(entry.what for entry in history.of_object(tx, row)))
            for row in tx.scalars(select(tables.Object).where(tables.Object.dataset == spec.name))
        ]  # fmt: skip
        batches, batch_exports = [], []
        for row in tx.scalars(select(tables.Batch).where(tables.Batch.dataset == spec.name)).all():
            task = tasks.current(tx, row.id)
            assignees = {job.server_id: job.assignee for job in jobs.of_batch(tx, row.id)}
            unaccepted = tuple(
                job
                for job, one in reviews.of_batch(tx, row.id).items()
                if one.selected and (one.phase is not Phase.ACCEPTED or one.reviewer in (None, one.annotator))
            )
            task_id = (task.server_id if task else None) or 0
            batches.append(Batch(row.id, row.state, task_id, assignees, row.error, unaccepted))
            batch_exports += [
                ExportFacts(row.id, export.key, export.current, export.format)
                for export in (*exports.of_batch(tx, row.id), *exports.unfinished(tx, row.id))
            ]
        unpublished_events = outbox.waiting(tx)[0]
    return Snapshot(
        bucket=list_objects(s3, source.bucket, source.prefix), unusable=unusable, objects=objects, batches=batches,
        exports=batch_exports, tasks=_tasks(cvat, spec.name), files=_exported_files(s3, spec),
        unpublished_events=unpublished_events, retired=is_retired(ledger, spec.name),
    )  # fmt: skip


def _tasks(cvat: Cvat, dataset: str) -> list[Task]:
    usernames = {user.id: user.username for user in cvat.users()}
    found = []
    for task in list(cvat.tasks(name=f"{dataset}-")):
        frames = [frame.name for frame in cvat.frames(task.id)] if task.size else []
        annotations = cvat.task_annotations(task.id)
        boxes = Counter(frames[shape.frame] for shape in annotations.shapes)
        assignees = {job.id: usernames.get(job.assignee or 0) for job in task.jobs}
        found.append(Task(task.id, task.name, tuple(frames), assignees, boxes, len(annotations.tags)))
    return [task for task in found if task.name.startswith(f"{dataset}-")]


def _exported_files(s3: Any, spec: DatasetSpec) -> list[ExportedFile]:
    keys = list_objects(s3, spec.export_bucket, spec.export.prefix)
    return [_exported_file(s3, spec.export_bucket, key) for key in keys]


def _exported_file(s3: Any, bucket: str, key: str) -> ExportedFile:
    if not key.endswith(".json"):
        return ExportedFile(key, ())
    document = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    names = {image["id"]: image["file_name"] for image in document["images"]}
    boxes = Counter(names[annotation["image_id"]] for annotation in document["annotations"])
    return ExportedFile(key, tuple(names.values()), boxes)

"""What is there at the end of a run, read from bucket, ledger, server and exports themselves."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from sqlalchemy import select

from labelyard.config import DatasetSpec
from labelyard.cvat import Cvat
from labelyard.ledger import Ledger, exports, history, jobs, outbox, tables, tasks
from tests.chaos.invariants import Batch, Export, File, Object, Seen, Task


def listed(s3: Any, bucket: str, prefix: str) -> dict[str, str]:
    """Key -> ETag below a prefix."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {found["Key"]: found["ETag"].strip('"') for page in pages for found in page.get("Contents", ())}


def undelivered(sqs: Any, queue_url: str) -> int:
    """How many messages nobody has acknowledged."""
    counts = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    asked = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=list(counts))
    return sum(int(asked["Attributes"][name]) for name in counts)


def look(ledger: Ledger, cvat: Cvat, s3: Any, spec: DatasetSpec, unusable: frozenset[str]) -> Seen:
    """Everything that `differences` compares."""
    source = spec.sources[0]
    with ledger.read_only() as tx:
        objects = [
            Object(row.key, row.etag, row.batch_id, row.upload_name, row.quarantine_reason,
                   tuple(entry.what for entry in history.of_object(tx, row)))
            for row in tx.scalars(select(tables.Object).where(tables.Object.dataset == spec.name))
        ]  # fmt: skip
        rows = tx.scalars(select(tables.Batch).where(tables.Batch.dataset == spec.name)).all()
        batches, exported = [], []
        for row in rows:
            task = tasks.current(tx, row.id)
            people = {job.server_id: job.assignee for job in jobs.of_batch(tx, row.id)}
            batches.append(Batch(row.id, row.state, (task.server_id if task else None) or 0, people, row.error))
            exported += [Export(row.id, one.key, one.current) for one in exports.of_batch(tx, row.id)]
        unsent = outbox.waiting(tx)[0]
    return Seen(
        bucket=listed(s3, source.bucket, source.prefix), unusable=unusable, objects=objects, batches=batches,
        exports=exported, tasks=_tasks(cvat, spec.name), files=_files(s3, spec), unsent=unsent,
    )  # fmt: skip


def _tasks(cvat: Cvat, dataset: str) -> list[Task]:
    names = {user.id: user.username for user in cvat.users()}
    seen = []
    for task in list(cvat.tasks(name=f"{dataset}-")):
        frames = [frame.name for frame in cvat.frames(task.id)] if task.size else []
        drawn = cvat.task_annotations(task.id)
        boxes = Counter(frames[shape.frame] for shape in drawn.shapes)
        people = {job.id: names.get(job.assignee or 0) for job in task.jobs}
        seen.append(Task(task.id, task.name, tuple(frames), people, boxes, len(drawn.tags)))
    return [task for task in seen if task.name.startswith(f"{dataset}-")]


def _files(s3: Any, spec: DatasetSpec) -> list[File]:
    return [_file(s3, spec.export_bucket, key) for key in listed(s3, spec.export_bucket, spec.export.prefix)]


def _file(s3: Any, bucket: str, key: str) -> File:
    document = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    keys = {image["id"]: image["file_name"] for image in document["images"]}
    boxes = Counter(keys[annotation["image_id"]] for annotation in document["annotations"])
    return File(key, tuple(keys.values()), boxes)

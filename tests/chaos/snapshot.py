"""The state of a labelyard after a run, read from the bucket, ledger, CVAT and exports themselves."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from sqlalchemy import select

from labelyard.config import DatasetSpec
from labelyard.cvat import Cvat
from labelyard.domain.annotations import Annotations
from labelyard.domain.objects import base_name
from labelyard.domain.preannotation import BESIDE_NAME
from labelyard.domain.quality import file_names
from labelyard.domain.review import Phase
from labelyard.domain.tasks import FrameUse
from labelyard.ledger import (
    Ledger,
    Transaction,
    exports,
    history,
    jobs,
    outbox,
    preannotations,
    quality,
    reviews,
    tables,
    tasks,
)
from tests.chaos.annotators import Annotators
from tests.chaos.boxes import is_prediction
from tests.chaos.fault_plan import Quality
from tests.chaos.invariants import (
    Batch,
    ExportedFile,
    ExportFacts,
    Frame,
    Object,
    Predictions,
    QualityJob,
    Snapshot,
    Task,
)
from tests.chaos.scenario import Scenario


def list_objects(s3: Any, bucket: str, prefix: str) -> dict[str, str]:
    """Return key -> ETag of every object below a prefix."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {found["Key"]: found["ETag"].strip('"') for page in pages for found in page.get("Contents", ())}


def list_images(s3: Any, bucket: str, prefix: str) -> dict[str, str]:
    """Return key -> ETag of every object below a prefix that is no file with predictions."""
    found = list_objects(s3, bucket, prefix)
    return {key: etag for key, etag in found.items() if base_name(key) != BESIDE_NAME}


def is_retired(ledger: Ledger, dataset: str) -> bool:
    """Return whether a dataset accepts no new objects."""
    with ledger.read_only() as tx:
        return tx.get_one(tables.Dataset, dataset).retired_at is not None


def undelivered_messages(sqs: Any, queue_url: str) -> int:
    """Return how many messages of a queue are not acknowledged."""
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    response = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=list(names))
    return sum(int(response["Attributes"][name]) for name in names)


def take_snapshot(scenario: Scenario, unusable: frozenset[str], annotators: Annotators) -> Snapshot:
    """Read everything that the invariants compare. `unusable` are the keys of files that are no images."""
    ledger, cvat, s3, spec = scenario.ledger, scenario.cvat, scenario.s3, scenario.spec
    source, plan = spec.sources[0], scenario.plan
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
            batches.append(Batch(
                row.id, row.state, task_id, assignees, row.error, unaccepted, _predictions(tx, row.id),
                {job.server_id: job.assignee for job in quality.of_batch(tx, row.id)},
                (report := quality.report_of(tx, row.id)) is not None and report.made_for == report.work_updated,
                tuple((one.job, one.verdict.value) for one in reviews.verdicts(tx, row.id)),
            ))  # fmt: skip
            batch_exports += [
                ExportFacts(row.id, export.key, export.current, export.format)
                for export in (*exports.of_batch(tx, row.id), *exports.unfinished(tx, row.id))
            ]
        unpublished_events = outbox.waiting(tx)[0]
    return Snapshot(
        bucket=list_images(s3, source.bucket, source.prefix), unusable=unusable, objects=objects, batches=batches,
        exports=batch_exports, tasks=_tasks(cvat, spec.name, annotators), files=_exported_files(s3, spec),
        unpublished_events=unpublished_events, retired=is_retired(ledger, spec.name),
        predicted=None if plan.predictions is None else frozenset(map(scenario.key, plan.predicted_keys())),
        quality=plan.quality or Quality(),
    )  # fmt: skip


def _tasks(cvat: Cvat, dataset: str, annotators: Annotators) -> list[Task]:
    usernames = {user.id: user.username for user in cvat.users()}
    found = []
    for task in list(cvat.tasks(name=f"{dataset}-")):
        shown = cvat.frames(task.id) if task.size else []
        annotations = cvat.task_annotations(task.id) if task.size else Annotations()  # 2.x refuses to read it
        predictions = Counter(shape.frame for shape in annotations.shapes if is_prediction(shape))
        frames = [Frame(one.name, _USES[one.use], predictions[number]) for number, one in enumerate(shown)]
        on_data = (frames[shape.frame] for shape in annotations.shapes if frames[shape.frame].use == "data")
        found.append(Task(
            task.id, task.name, tuple(file_names(shown)),
            {job.id: usernames.get(job.assignee or 0) for job in task.jobs},
            Counter(frame.name for frame in on_data), len(annotations.tags), tuple(frames),
            tuple(QualityJob(job.id, usernames.get(job.assignee or 0), job.parent) for job in task.quality_jobs),
            tuple(frames[number].name for of_task, number in annotators.drawn_again if of_task == task.id),
            {job.id: frames[annotators.completed_faulty[job.id]].name for job in task.jobs
             if job.id in annotators.completed_faulty},
            tuple(issue for job in task.jobs for issue in cvat.issues(job.id)) if cvat.quirks.issues else (),
        ))  # fmt: skip
    return [task for task in found if task.name.startswith(f"{dataset}-")]


_USES = {FrameUse.DATA: "data", FrameUse.HONEYPOT: "honeypot", FrameUse.GROUND_TRUTH: "truth"}


def _predictions(tx: Transaction, batch: str) -> Predictions | None:
    row = preannotations.of_batch(tx, batch)
    return row and Predictions(row.state.value, row.predicted, row.reason)


def _exported_files(s3: Any, spec: DatasetSpec) -> list[ExportedFile]:
    keys = list_objects(s3, spec.export_bucket, spec.export.prefix)
    return [_exported_file(s3, spec.export_bucket, key) for key in keys]


def _exported_file(s3: Any, bucket: str, key: str) -> ExportedFile:
    if not key.endswith(".json"):
        return ExportedFile(key, ())
    document = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    names = {image["id"]: image["file_name"] for image in document["images"]}
    boxes = Counter(names[annotation["image_id"]] for annotation in document["annotations"])
    return ExportedFile(key, tuple(names.values()), boxes, document["info"])

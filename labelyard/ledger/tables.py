"""The tables of the ledger. All times are UTC and come from the database's clock."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.orm import Mapped, mapped_column

from labelyard.domain.objects import StoredObject
from labelyard.domain.states import BatchState, TaskState
from labelyard.domain.tasks import JobStatus
from labelyard.ledger.declarative import Table, partial_index


class LedgerIdentity(Table):
    """One row: the id of this ledger. Every task name hashes it, so that two ledgers never share a task."""

    __tablename__ = "ledger"

    id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    oldest_compatible: Mapped[str | None]
    """The oldest schema whose labelyard can work with this one (`ledger.migration`)."""
    upgraded_by: Mapped[str | None]
    """The version of the labelyard that last upgraded the schema."""


class Dataset(Table):
    """A dataset: its current version, and what continues from batch to batch."""

    __tablename__ = "dataset"

    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    last_batch_number: Mapped[int] = mapped_column(default=0)
    jobs_assigned: Mapped[int] = mapped_column(default=0)
    """How many jobs the assignment policy has assigned in all batches."""
    paused_at: Mapped[datetime | None]
    """A paused dataset registers objects and closes batches, but publishes no events and starts no runs."""
    pause_reason: Mapped[str | None]
    retired_at: Mapped[datetime | None]
    """A retired dataset accepts no new objects; its existing batches continue. Applying its file reactivates it."""


class DatasetVersion(Table):
    """An immutable version of a dataset file."""

    __tablename__ = "dataset_version"

    dataset: Mapped[str] = mapped_column(ForeignKey("dataset.name"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    document: Mapped[dict[str, Any]]
    sha256: Mapped[str]
    applied_at: Mapped[datetime]


class Category(Table):
    """A label that a dataset has or had, and its category id in the dataset's COCO files; the id never changes."""

    __tablename__ = "category"

    dataset: Mapped[str] = mapped_column(ForeignKey("dataset.name"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int]

    __table_args__ = (Unique("dataset", "number", name="uq_category_dataset_number"),)


class Batch(Table):
    """A batch: the objects that become one CVAT task."""

    __tablename__ = "batch"

    id: Mapped[str] = mapped_column(primary_key=True)
    dataset: Mapped[str] = mapped_column(ForeignKey("dataset.name"))
    version: Mapped[int]
    """The version of the dataset file that counts for it; fixed when the batch closes."""
    number: Mapped[int]
    object_group: Mapped[str] = mapped_column(default="")
    """What its objects have in common (`domain.batching.group_of`); empty without `group_by`."""
    state: Mapped[BatchState]
    resume_state: Mapped[BatchState | None]
    """The state that a failed batch has again when it is retried."""
    objects: Mapped[int] = mapped_column(default=0)
    bytes: Mapped[int] = mapped_column(default=0)
    opened_at: Mapped[datetime]
    last_registered_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    close_reason: Mapped[str | None]
    cvat: Mapped[str | None]
    """The name of its CVAT in the settings; fixed when the batch closes."""
    task_name: Mapped[str | None]
    """The name of the task of the first attempt; fixed when the batch closes."""
    leased_by: Mapped[str | None]
    """The holder of the lease: the run that works on the batch."""
    leased_until: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    """No run may start before; set after a failure that a retry may cure, and while CVAT makes frames."""
    attempts: Mapped[int] = mapped_column(default=0)
    """Failures in a row."""
    tasks_before_retry: Mapped[int] = mapped_column(default=0)
    """How many tasks it had when a person last retried it; they do not count as attempts of now."""
    event_count: Mapped[int] = mapped_column(default=0)
    """How many events of the batch were put into the outbox; the number of the last one."""
    last_event_at: Mapped[datetime | None]
    """When its last event was put into the outbox, or Prefect last had a queued run for it."""
    events_in_vain: Mapped[int] = mapped_column(default=0)
    """How many events in a row were published again, and no run acted on them."""
    error: Mapped[str | None]
    next_step: Mapped[str | None]
    warning: Mapped[str | None]
    changed_at: Mapped[datetime]
    backfill: Mapped[bool] = mapped_column(default=False)
    """Its objects were in the bucket already: its first run waits while others wait for a run."""

    __table_args__ = (
        Index("ix_batch_state", "state"),
        Index("ix_batch_dataset_number", "dataset", "number", unique=True),
        partial_index("uq_batch_one_open", "dataset", "object_group", "backfill", where="state = 'open'"),
    )

    def is_leased(self, now: datetime) -> bool:
        """Return whether it has an unexpired lease."""
        return self.leased_until is not None and self.leased_until > now


class Object(Table):
    """One content of one file in a bucket."""

    __tablename__ = "object"

    id: Mapped[int] = mapped_column(primary_key=True)
    dataset: Mapped[str] = mapped_column(ForeignKey("dataset.name"))
    bucket: Mapped[str]
    key: Mapped[str]
    etag: Mapped[str]
    version_id: Mapped[str | None]
    size: Mapped[int | None]
    registered_at: Mapped[datetime]
    registered_via: Mapped[str]
    """What reported the object: `sqs`, `nats`, `webhook`, `sweep`, `backfill`, …

    For a person who reads the ledger; labelyard does not use it.
    """
    batch_id: Mapped[str | None] = mapped_column(ForeignKey("batch.id"))
    """None for a marker, and for a new content that `overwrites` keeps out of every batch."""
    upload_name: Mapped[str | None]
    """Its file name in CVAT; None until the upload starts."""
    width: Mapped[int | None]
    height: Mapped[int | None]
    exif_orientation: Mapped[int | None]
    sha256: Mapped[str | None]
    quarantine_reason: Mapped[str | None]
    """Why it is quarantined; None while it counts as part of its batch."""
    refused_at: Mapped[datetime | None]
    """When the store last refused to let it be read; None once it lets it. It is quarantined meanwhile."""
    deleted_at: Mapped[datetime | None]
    """When this content was found to be deleted or overwritten in the store."""

    __table_args__ = (
        Unique("dataset", "bucket", "key", "etag", name="uq_object_identity"),
        Index("ix_object_batch_id", "batch_id"),
        Index("ix_object_bucket_key", "bucket", "key"),
        Index("ix_object_registered_at", "registered_at", "dataset", "batch_id"),
        partial_index("ix_object_refused_at", "dataset", "refused_at", where="refused_at IS NOT NULL", unique=False),
    )

    @property
    def stored(self) -> StoredObject:
        """The object as storage identifies it."""
        return StoredObject(self.bucket, self.key, self.etag, self.size, self.version_id)


class Task(Table):
    """A CVAT task of a batch, one row for each attempt; at most one of a batch is not abandoned."""

    __tablename__ = "task"

    id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[str] = mapped_column(ForeignKey("batch.id"))
    attempt: Mapped[int]
    name: Mapped[str]
    state: Mapped[TaskState]
    cvat: Mapped[str]
    server_id: Mapped[int | None]
    """Its id in CVAT."""
    url: Mapped[str | None]
    files: Mapped[int | None]
    """How many files the upload has. The task is verified when its size is the same."""
    request_id: Mapped[str | None]
    upload_begun_at: Mapped[datetime | None]
    waiting_since: Mapped[datetime | None]
    """When the server was first asked what it has made of the upload."""
    progress: Mapped[str | None]
    """What it last answered."""
    progress_at: Mapped[datetime | None]
    """Since when it answers this."""
    abandon_reason: Mapped[str | None]
    """For a person who reads the ledger; labelyard does not use it."""

    __table_args__ = (
        Unique("batch_id", "attempt", name="uq_task_batch_id_attempt"),
        partial_index("uq_task_one_live", "batch_id", where="state != 'abandoned'"),
    )


class Job(Table):
    """A job of a batch's task: the assignee that labelyard chose, and the state that the server last returned."""

    __tablename__ = "job"

    id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[str] = mapped_column(ForeignKey("batch.id"))
    server_id: Mapped[int]
    start_frame: Mapped[int]
    stop_frame: Mapped[int]
    status: Mapped[JobStatus]
    status_since: Mapped[datetime]
    chosen_assignee: Mapped[str | None]
    """The user name that labelyard chose; committed before it is sent."""
    choice_reason: Mapped[str | None]
    assignee: Mapped[str | None]
    """The user name that the server last returned."""
    manual: Mapped[bool] = mapped_column(default=False)
    """A person assigned it in CVAT; labelyard does not change that."""
    assigned_at: Mapped[datetime | None]
    """When it got its assignee; None in rows of an older labelyard."""
    returned: Mapped[int] = mapped_column(default=0)
    """How often it was sent back to annotation: rejected by a reviewer, or reopened."""
    waits_since: Mapped[datetime | None]
    """Since when nobody may get it (`ledger.assignments`); `choice_reason` says why."""
    skills: Mapped[str | None]
    """The names of the skills that it needs, with blanks between; None before that was looked up."""
    begun_at: Mapped[datetime | None]
    """When it was first seen that somebody works on it; None before, and where nobody looked (CVAT 1.x)."""
    left_by: Mapped[str | None]
    """Who had it before and gets it no more: they did not touch it for `reassign_after`, or `labelyard reassign`."""

    __table_args__ = (Unique("batch_id", "server_id", name="uq_job_batch_id_server_id"),)


class Export(Table):
    """A dataset file, recorded before it is uploaded; of each batch and format one generation is current."""

    __tablename__ = "export"

    id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[str] = mapped_column(ForeignKey("batch.id"))
    format: Mapped[str]
    """A name in `domain.formats`."""
    generation: Mapped[int]
    bucket: Mapped[str]
    key: Mapped[str]
    sha256: Mapped[str]
    other_files: Mapped[dict[str, Any]]
    """The SHA-256 of each further file of the dataset, by its key."""
    source: Mapped[str]
    """Where the annotations come from, in words."""
    images: Mapped[int]
    annotations: Mapped[int]
    account: Mapped[dict[str, Any] | None]
    """What became of everything that was drawn (`Account.document`); None for a file that CVAT wrote."""
    task_updated: Mapped[str]
    """The task's updated_date when it was exported; the file is out of date once the task has a later one."""
    tries: Mapped[int]
    exported_at: Mapped[datetime | None]
    """When the file was complete and the batch exported; None before, and for ever if the batch changed meanwhile."""
    current: Mapped[bool]

    __table_args__ = (
        partial_index(
            "uq_export_batch_id_format_generation", "batch_id", "format", "generation", where="exported_at IS NOT NULL"
        ),
        partial_index("uq_export_current", "batch_id", "format", where="current"),
    )


class History(Table):
    """What happened and why. Rows are added, never changed; `labelyard why` prints them."""

    __tablename__ = "history"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    dataset: Mapped[str | None]
    batch_id: Mapped[str | None]
    object_id: Mapped[int | None]
    what: Mapped[str]
    reason: Mapped[str]

    __table_args__ = (Index("ix_history_batch_id", "batch_id"), Index("ix_history_object_id", "object_id"))


class OutboxEvent(Table):
    """An event in the outbox. It is published once Prefect has confirmed it."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(primary_key=True)
    event: Mapped[str]
    batch_id: Mapped[str] = mapped_column(ForeignKey("batch.id"))
    attempt: Mapped[int]
    written_at: Mapped[datetime]
    published_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_outbox_published_at", "published_at"),)


class DeadLetter(Table):
    """A queue message, or a record in one, that could not be parsed or registered."""

    __tablename__ = "dead_letter"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    source: Mapped[str]
    reason: Mapped[str]
    body: Mapped[bytes]
    replayed_at: Mapped[datetime | None]
    discarded_at: Mapped[datetime | None]
    """When a person discarded it: nothing is lost with it."""

"""The ledger's tables. All times are UTC and come from the database's own clock."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Enum,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    text,
)
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from labelyard.domain.objects import StoredObject
from labelyard.domain.states import BatchState, TaskState
from labelyard.domain.tasks import JobStatus


class UtcTime(TypeDecorator[datetime]):
    """A time with its zone; SQLite keeps none, so it is stored as UTC and given back as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """UTC, without a zone where the database keeps none."""
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Always with a zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class SafeText(TypeDecorator[str]):
    """A string; PostgreSQL takes no NUL in a text, and a key may hold one."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """The string, NULs made visible."""
        return None if value is None else value.replace("\x00", "\\0")


def _words(enum: type[StrEnum]) -> Enum:
    # Plain text in the database: a new state needs no migration, and a person who looks can read it.
    return Enum(enum, native_enum=False, length=16, values_callable=lambda kind: [member.value for member in kind])


class Table(DeclarativeBase):
    """The base of every table of the ledger."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcTime(),
        str: SafeText(),
        dict[str, Any]: JSON(),
        BatchState: _words(BatchState),
        TaskState: _words(TaskState),
        JobStatus: _words(JobStatus),
        int: BigInteger().with_variant(Integer, "sqlite"),
        bytes: LargeBinary(),
    }


class LedgerIdentity(Table):
    """One row: who this ledger is. Its id stands in the hash of every task name, so two ledgers never mix."""

    __tablename__ = "ledger"

    id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]


class Dataset(Table):
    """A dataset, its current version, and what goes on from batch to batch."""

    __tablename__ = "dataset"

    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    batches: Mapped[int] = mapped_column(default=0)
    """How many batches were opened: the last one's number."""
    turn: Mapped[int] = mapped_column(default=0)
    """How many jobs the round robin has handed out."""
    paused_at: Mapped[datetime | None]
    """Objects still land and batches still close while a dataset is paused; no run of it is announced or begins."""
    pause_reason: Mapped[str | None]
    retired_at: Mapped[datetime | None]
    """Nothing lands in a retired dataset; what landed before goes on. Applying its file again takes it back."""


class DatasetVersion(Table):
    """An immutable version of a dataset file."""

    __tablename__ = "dataset_version"

    dataset: Mapped[str] = mapped_column(ForeignKey("dataset.name"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    document: Mapped[dict[str, Any]]
    sha256: Mapped[str]
    applied_at: Mapped[datetime]


class Category(Table):
    """A label that a dataset ever had, and its id in the dataset's COCO files, where it stays."""

    __tablename__ = "category"

    dataset: Mapped[str] = mapped_column(ForeignKey("dataset.name"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int]

    __table_args__ = (Unique("dataset", "number", name="uq_category_dataset_number"),)


class Batch(Table):
    """The objects that become one task."""

    __tablename__ = "batch"

    id: Mapped[str] = mapped_column(primary_key=True)
    dataset: Mapped[str] = mapped_column(ForeignKey("dataset.name"))
    version: Mapped[int]
    number: Mapped[int]
    state: Mapped[BatchState]
    resume_state: Mapped[BatchState | None]
    """Where a failed batch goes on when it is retried."""
    objects: Mapped[int] = mapped_column(default=0)
    bytes: Mapped[int] = mapped_column(default=0)
    opened_at: Mapped[datetime]
    last_registered_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    close_reason: Mapped[str | None]
    cvat: Mapped[str | None]
    """Which CVAT it goes to; fixed when the batch closes."""
    task_name: Mapped[str | None]
    """The name of the task of the first attempt; fixed when the batch closes."""
    leased_by: Mapped[str | None]
    leased_until: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    """Failures in a row."""
    publish_attempts: Mapped[int] = mapped_column(default=0)
    outbox_at: Mapped[datetime | None]
    error: Mapped[str | None]
    next_step: Mapped[str | None]
    warning: Mapped[str | None]
    changed_at: Mapped[datetime]

    __table_args__ = (
        Index("ix_batch_state", "state"),
        Index("ix_batch_dataset_number", "dataset", "number", unique=True),
    )


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
    via: Mapped[str]
    batch_id: Mapped[str | None] = mapped_column(ForeignKey("batch.id"))
    """None for a marker."""
    upload_name: Mapped[str | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    exif_orientation: Mapped[int | None]
    sha256: Mapped[str | None]
    quarantine_reason: Mapped[str | None]
    """Why it was set aside; None while it is part of its batch."""
    deleted_at: Mapped[datetime | None]
    """When the store told that this content is no longer under its key."""

    __table_args__ = (
        Unique("dataset", "bucket", "key", "etag", name="uq_object_identity"),
        Index("ix_object_batch_id", "batch_id"),
        Index("ix_object_bucket_key", "bucket", "key"),
    )

    @property
    def stored(self) -> StoredObject:
        """Where to read it."""
        return StoredObject(self.bucket, self.key, self.etag, self.size, self.version_id)


class Task(Table):
    """A task that was made, or is about to be, for a batch; at most one of a batch is not abandoned."""

    __tablename__ = "task"

    id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[str] = mapped_column(ForeignKey("batch.id"))
    attempt: Mapped[int]
    name: Mapped[str]
    state: Mapped[TaskState]
    cvat: Mapped[str]
    server_id: Mapped[int | None]
    url: Mapped[str | None]
    files: Mapped[int | None]
    """How many files the upload holds; the proof compares the task's size with it."""
    request_id: Mapped[str | None]
    upload_begun_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    """Why it was abandoned."""

    __table_args__ = (Unique("batch_id", "attempt", name="uq_task_batch_id_attempt"),)


class Job(Table):
    """A job of a task, who shall label it, and what the server last showed."""

    __tablename__ = "job"

    id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[str] = mapped_column(ForeignKey("batch.id"))
    server_id: Mapped[int]
    start_frame: Mapped[int]
    stop_frame: Mapped[int]
    status: Mapped[JobStatus]
    status_since: Mapped[datetime]
    chosen: Mapped[str | None]
    """The user name that labelyard chose; committed before it is sent."""
    reason: Mapped[str | None]
    assignee: Mapped[str | None]
    """Who has it, as the server last showed."""
    manual: Mapped[bool] = mapped_column(default=False)
    """A person gave it to somebody else; labelyard leaves it so."""

    __table_args__ = (Unique("batch_id", "server_id", name="uq_job_batch_id_server_id"),)


class Export(Table):
    """A dataset file that was written to the bucket; of each batch and format one generation is current."""

    __tablename__ = "export"

    id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[str] = mapped_column(ForeignKey("batch.id"))
    format: Mapped[str]
    """A name in `formats.FORMATS`."""
    generation: Mapped[int]
    bucket: Mapped[str]
    key: Mapped[str]
    sha256: Mapped[str]
    source: Mapped[str]
    """`export` (CVAT's own file, equal to its annotations) or `annotations` (written from the annotations API)."""
    images: Mapped[int]
    annotations: Mapped[int]
    task_updated: Mapped[str]
    """The task's updated_date when it was exported; the file is out of date once the task has a later one."""
    tries: Mapped[int]
    exported_at: Mapped[datetime]
    current: Mapped[bool]

    __table_args__ = (
        Unique("batch_id", "format", "generation", name="uq_export_batch_id_format_generation"),
        Index("uq_export_current", "batch_id", "format", unique=True,
              sqlite_where=text("current"), postgresql_where=text("current")),
    )  # fmt: skip


class History(Table):
    """What happened and why; rows are only ever added. Answers `labelyard why`."""

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
    """The outbox: an event that Prefect has to hear of; sent once Prefect has said yes."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(primary_key=True)
    event: Mapped[str]
    batch_id: Mapped[str] = mapped_column(ForeignKey("batch.id"))
    attempt: Mapped[int]
    written_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    error: Mapped[str | None]

    __table_args__ = (Index("ix_outbox_sent_at", "sent_at"),)


class DeadLetter(Table):
    """A message, or a record of one, that could not be read."""

    __tablename__ = "dead_letter"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    source: Mapped[str]
    reason: Mapped[str]
    body: Mapped[bytes]
    replayed_at: Mapped[datetime | None]
    discarded_at: Mapped[datetime | None]
    """When a person said that nothing is lost with it."""


class Breaker(Table):
    """A server that fails again and again is left alone for a while: work waits in the ledger, not in failing runs."""

    __tablename__ = "breaker"

    server: Mapped[str] = mapped_column("cvat", primary_key=True)
    """A CVAT of the settings, or `breakers.STORE`."""
    failures: Mapped[int]
    """In a row; any success takes the row away."""
    since: Mapped[datetime]
    open_until: Mapped[datetime | None]
    """No run may begin before; then one may try."""
    error: Mapped[str]

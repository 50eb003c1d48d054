"""The tables of quality control on CVAT 2.x."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.orm import Mapped, mapped_column

from labelyard.domain.tasks import JobKind, JobStatus
from labelyard.ledger.declarative import Table


class QualityJob(Table):
    """A ground-truth job or a replica of a batch's task. Neither counts as a job of the task."""

    __tablename__ = "quality_job"

    id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[str] = mapped_column(ForeignKey("batch.id"))
    server_id: Mapped[int]
    kind: Mapped[JobKind]
    parent_id: Mapped[int | None]
    """Of a replica: the id of its job in CVAT."""
    start_frame: Mapped[int]
    stop_frame: Mapped[int]
    status: Mapped[JobStatus]
    accepted: Mapped[bool]
    """Whether it is completed at the stage acceptance."""
    chosen_assignee: Mapped[str | None]
    """The user name that was chosen; committed before it is sent."""
    manual: Mapped[bool] = mapped_column(default=False)
    """Whether a person named the chosen one to labelyard; no plan moves it then."""
    assignee: Mapped[str | None]
    """The user name that the server last returned."""
    replaced: Mapped[str | None]
    """Who has it until the server shows the chosen one; None if nobody is being replaced."""
    merged_at: Mapped[datetime | None]
    """Of a replica: when it was merged into its job. It is never merged again."""

    __table_args__ = (Unique("batch_id", "server_id", name="uq_quality_job_batch_id_server_id"),)


class QualityReport(Table):
    """The quality report on a batch's task, and the time for which it was made; one row for each ground-truth job."""

    __tablename__ = "quality_report"

    batch_id: Mapped[str] = mapped_column(ForeignKey("batch.id"), primary_key=True)
    work_updated: Mapped[str]
    """When the task's jobs or its ground truth last changed, as CVAT says it."""
    made_for: Mapped[str | None]
    """The `work_updated` of the last report, or of the last failure to make one."""
    server_id: Mapped[int | None]
    """The report's id in CVAT."""
    figures: Mapped[dict[str, Any] | None]
    """`task`: a `domain.quality.Quality`; `jobs`: one for each job, by its id."""
    error: Mapped[str | None]
    """Why CVAT could not make the last one."""

"""The table of pre-annotations: what became of a model's predictions for a task."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from labelyard.domain.preannotation import PreannotationState
from labelyard.ledger.declarative import Table


class Preannotation(Table):
    """The predictions for one task of a batch. They are committed before they are sent."""

    __tablename__ = "preannotation"

    task_id: Mapped[int] = mapped_column(ForeignKey("task.id"), primary_key=True, autoincrement=False)
    """The row of the task; a task that is created again gets predictions of its own."""
    batch_id: Mapped[str] = mapped_column(ForeignKey("batch.id"))
    state: Mapped[PreannotationState]
    source: Mapped[str]
    """`from` of the dataset file."""
    begun_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    """When a request with them was last sent to CVAT."""
    finished_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    """Why there are none, or not all of them, in the task."""
    warning: Mapped[str | None]
    """What of the predictions does not fit, and is left out."""
    predicted: Mapped[int] = mapped_column(default=0)
    """The shapes that are sent; once imported, those that CVAT has."""
    shapes: Mapped[bytes | None]
    """These shapes, packed (`pipeline.preannotate_task`); with CVAT's ids once it has them."""
    corrections: Mapped[dict[str, Any] | None]
    """What people made of them, at the last export (`annotations.corrections`)."""

    __table_args__ = (Index("ix_preannotation_batch_id", "batch_id"),)

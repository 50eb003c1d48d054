"""The table of running processes: watchers and workers, on whatever host."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from labelyard.ledger.declarative import Table


class RunningProcess(Table):
    """A watcher or worker that has shown its life lately. It deletes its row when it ends, unless it is killed."""

    __tablename__ = "running_process"

    name: Mapped[str] = mapped_column(primary_key=True)
    """HOST:PID."""
    kind: Mapped[str]
    """watcher or worker."""
    version: Mapped[str]
    """Its labelyard's."""
    prefect: Mapped[str | None]
    """Its Prefect's; None for a watcher, which needs none."""
    clock_seconds: Mapped[float]
    """By how much its clock is ahead of the database's."""
    since: Mapped[datetime]
    seen_at: Mapped[datetime]

"""The progress of the work at one moment, read from the ledger and, if asked, from CVAT."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select

from labelyard.cvat import Cvat
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus
from labelyard.errors import CvatError
from labelyard.ledger import Ledger
from labelyard.ledger.database import Transaction
from labelyard.ledger.overview import BatchSummary, JobSummary, overview
from labelyard.ledger.tables import History

_SECONDS_BETWEEN_CVAT_READS = 1.0


@dataclass(frozen=True)
class HistoryEvent:
    """An entry of the ledger's history about a batch or a dataset."""

    at: datetime
    about: str
    what: str
    reason: str


@dataclass(frozen=True)
class Snapshot:
    """The batches, oldest first; images labelled and assigned for each person; new entries of the history.

    `states` counts all batches by state, also those that are not in `batches`.
    """

    batches: Sequence[BatchSummary]
    people: Mapping[str, tuple[int, int]]
    events: Sequence[HistoryEvent]
    states: Mapping[str, int] = field(default_factory=dict)

    def objects(self, *states: BatchState) -> int:
        """Return the number of objects in batches, or in batches of these states."""
        return sum(batch.objects for batch in self.batches if not states or batch.state in states)


class Observer:
    """Takes snapshots of the newest `batches` batches, and of every older one with an error.

    With a CVAT, the labelled images of unfinished jobs are counted too; it is asked less often than the ledger. Events
    are those since the ledger was created, or with `only_new` since the first snapshot.
    """

    def __init__(self, ledger: Ledger, cvat: Cvat | None = None, *, batches: int = 200, only_new: bool = False) -> None:
        self._ledger, self._cvat, self._batches = ledger, cvat, batches
        self._last_event: int | None = None if only_new else 0
        self._labelled: dict[int, int] = {}
        self._next_cvat_read = 0.0

    def snapshot(self) -> Snapshot:
        """Return the current progress. Raises LedgerError."""
        with self._ledger.read_only() as tx:
            seen = overview(tx, limit=self._batches)
            events = self._new_events(tx)
        batches = list(reversed(seen.batches))
        self._count_labelled([job for batch in batches for job in batch.jobs])
        return Snapshot(batches, self._people(batches), events, seen.states)

    def _new_events(self, tx: Transaction) -> list[HistoryEvent]:
        if self._last_event is None:
            self._last_event = tx.scalar(select(func.max(History.id))) or 0
        rows = tx.scalars(
            select(History).where(History.id > self._last_event, History.object_id.is_(None)).order_by(History.id)
        ).all()
        self._last_event = max([self._last_event, *(row.id for row in rows)])
        return [HistoryEvent(row.at, row.batch_id or row.dataset or "", row.what, row.reason) for row in rows]

    def _people(self, batches: Sequence[BatchSummary]) -> Mapping[str, tuple[int, int]]:
        people: dict[str, tuple[int, int]] = {}
        for job in (job for batch in batches for job in batch.jobs):
            if job.assignee is not None:
                done, given = people.get(job.assignee, (0, 0))
                people[job.assignee] = (done + self._labelled.get(job.id, 0), given + _images(job))
        return dict(sorted(people.items()))

    def _count_labelled(self, jobs: Sequence[JobSummary]) -> None:
        """Count the labelled images of every unfinished job. A CVAT that does not answer changes nothing."""
        self._labelled |= {job.id: _images(job) for job in jobs if job.status is JobStatus.COMPLETED}
        if self._cvat is None or time.monotonic() < self._next_cvat_read:
            return
        for job in jobs:
            if self._labelled.get(job.id, 0) < _images(job):
                try:
                    self._labelled[job.id] = len({shape.frame for shape in self._cvat.annotations(job.id).shapes})
                except CvatError:
                    break
        self._next_cvat_read = time.monotonic() + _SECONDS_BETWEEN_CVAT_READS


def _images(job: JobSummary) -> int:
    first, last = job.frames
    return last - first + 1

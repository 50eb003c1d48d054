"""The progress of a demo at one moment, read from the ledger and CVAT."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from labelyard.cvat import Cvat
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus
from labelyard.errors import CvatError
from labelyard.ledger import Ledger
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
    """The batches, oldest first; images labelled and assigned for each person; new entries of the history."""

    batches: Sequence[BatchSummary]
    people: Mapping[str, tuple[int, int]]
    events: Sequence[HistoryEvent]

    def objects(self, *states: BatchState) -> int:
        """Return the number of objects in batches, or in batches of these states."""
        return sum(batch.objects for batch in self.batches if not states or batch.state in states)


class Observer:
    """Takes snapshots. CVAT is asked less often than the ledger."""

    def __init__(self, ledger: Ledger, cvat: Cvat) -> None:
        self._ledger, self._cvat = ledger, cvat
        self._last_event = 0
        self._labelled: dict[int, int] = {}
        self._next_cvat_read = 0.0

    def snapshot(self) -> Snapshot:
        """Return the current progress. Raises LedgerError."""
        with self._ledger.read_only() as tx:
            batches = list(reversed(overview(tx).batches))
            rows = tx.scalars(
                select(History).where(History.id > self._last_event, History.object_id.is_(None)).order_by(History.id)
            ).all()
        self._last_event = max([self._last_event, *(row.id for row in rows)])
        self._count_labelled([job for batch in batches for job in batch.jobs])
        events = [HistoryEvent(row.at, row.batch_id or row.dataset or "", row.what, row.reason) for row in rows]
        return Snapshot(batches, self._people(batches), events)

    def _people(self, batches: Sequence[BatchSummary]) -> Mapping[str, tuple[int, int]]:
        people: dict[str, tuple[int, int]] = {}
        for job in (job for batch in batches for job in batch.jobs):
            if job.assignee is not None:
                done, given = people.get(job.assignee, (0, 0))
                people[job.assignee] = (done + self._labelled.get(job.id, 0), given + _images(job))
        return dict(sorted(people.items()))

    def _count_labelled(self, jobs: Sequence[JobSummary]) -> None:
        """Count the labelled images of every unfinished job. A CVAT that does not answer changes nothing."""
        if time.monotonic() < self._next_cvat_read:
            return
        for job in jobs:
            if job.status is JobStatus.COMPLETED:
                self._labelled[job.id] = _images(job)
            elif self._labelled.get(job.id, 0) < _images(job):
                try:
                    self._labelled[job.id] = len({shape.frame for shape in self._cvat.annotations(job.id).shapes})
                except CvatError:
                    break
        self._next_cvat_read = time.monotonic() + _SECONDS_BETWEEN_CVAT_READS


def _images(job: JobSummary) -> int:
    first, last = job.frames
    return last - first + 1

"""What can be seen of a demo at one moment, in the ledger and at the CVAT."""

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

_SECONDS_BETWEEN_LOOKS_AT_CVAT = 1.0


@dataclass(frozen=True)
class Happened:
    """Something that the ledger's history tells of a batch or a dataset."""

    at: datetime
    about: str
    what: str
    reason: str


@dataclass(frozen=True)
class Scene:
    """The batches, oldest first; how many images each person has labelled, of how many; what is new in the history."""

    batches: Sequence[BatchSummary]
    people: Mapping[str, tuple[int, int]]
    news: Sequence[Happened]

    def objects(self, *states: BatchState) -> int:
        """How many objects are in batches, or in batches of these states."""
        return sum(batch.objects for batch in self.batches if not states or batch.state in states)


class Observer:
    """Looks again and again; the CVAT is asked less often than the ledger."""

    def __init__(self, ledger: Ledger, cvat: Cvat) -> None:
        self._ledger, self._cvat = ledger, cvat
        self._told = 0
        self._labelled: dict[int, int] = {}
        self._look_at_cvat_at = 0.0

    def look(self) -> Scene:
        """What is to be seen now. Raises LedgerError."""
        with self._ledger.read_only() as tx:
            batches = list(reversed(overview(tx).batches))
            rows = tx.scalars(
                select(History).where(History.id > self._told, History.object_id.is_(None)).order_by(History.id)
            ).all()
        self._told = max([self._told, *(row.id for row in rows)])
        self._look_at_cvat([job for batch in batches for job in batch.jobs])
        news = [Happened(row.at, row.batch_id or row.dataset or "", row.what, row.reason) for row in rows]
        return Scene(batches, self._people(batches), news)

    def _people(self, batches: Sequence[BatchSummary]) -> Mapping[str, tuple[int, int]]:
        people: dict[str, tuple[int, int]] = {}
        for job in (job for batch in batches for job in batch.jobs):
            if job.assignee is not None:
                done, given = people.get(job.assignee, (0, 0))
                people[job.assignee] = (done + self._labelled.get(job.id, 0), given + _images(job))
        return dict(sorted(people.items()))

    def _look_at_cvat(self, jobs: Sequence[JobSummary]) -> None:
        """Count the labelled images of every job that is not full yet; a CVAT that does not answer changes nothing."""
        if time.monotonic() < self._look_at_cvat_at:
            return
        for job in jobs:
            if job.status is JobStatus.COMPLETED:
                self._labelled[job.id] = _images(job)
            elif self._labelled.get(job.id, 0) < _images(job):
                try:
                    self._labelled[job.id] = len({shape.frame for shape in self._cvat.annotations(job.id).shapes})
                except CvatError:
                    break
        self._look_at_cvat_at = time.monotonic() + _SECONDS_BETWEEN_LOOKS_AT_CVAT


def _images(job: JobSummary) -> int:
    first, last = job.frames
    return last - first + 1

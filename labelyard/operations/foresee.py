"""Forecasts: when a batch, the backlog of a dataset or all will be labelled, by what the ledger knows of people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from functools import partial
from typing import TYPE_CHECKING

from labelyard.domain.futures import FURTHEST, Range, Worker, simulate
from labelyard.domain.learned_work import LEAST_JOBS
from labelyard.domain.throughput import Day
from labelyard.domain.work_history import OpenJob, WorkHistory
from labelyard.ledger import absences, datasets, work_history, workload
from labelyard.ledger.database import Transaction
from labelyard.ledger.people_tables import Absence
from labelyard.ledger.tables import Batch
from labelyard.ledger.workload import JobRecord
from labelyard.operations.moments import day, moment

if TYPE_CHECKING:  # `labelyard status` does not read dataset files
    from labelyard.config import DatasetSpec


@dataclass(frozen=True, slots=True)
class Forecast:
    """When what is to be labelled is labelled; reviews and exports are not foreseen."""

    images: int
    """How many are to be labelled now."""
    done: Range | None
    """If nothing else arrives. None while too little is known."""
    done_with_arrivals: Range | None
    """When nothing is left, if images arrive as in the last two weeks."""
    arrive_per_day: float
    """Images, in the last two weeks."""


@dataclass(frozen=True)
class _Subject:
    """What is forecast."""

    specs: Mapping[str, DatasetSpec]
    batch: Batch | None = None
    """None: all batches of the datasets."""

    def includes(self, record: JobRecord) -> bool:
        if self.batch is not None:
            return record.batch == self.batch.id
        return record.dataset in self.specs

    def is_before(self, dataset: str, number: int) -> bool:
        """Return whether what nobody has of a batch is part of it, or is assigned before it."""
        return dataset in self.specs and (self.batch is None or number <= self.batch.number)

    def counts(self, number: int) -> bool:
        """Return whether what nobody has of a batch is part of it."""
        return self.batch is None or number == self.batch.number

    @property
    def waits(self) -> bool:
        """Whether its last jobs wait for who completes them first; those of a batch do not, if others follow."""
        return self.batch is None and all(one.assignment.policy == "forecast" for one in self.specs.values())


def forecast(
    tx: Transaction, specs: Sequence[DatasetSpec], records: Sequence[JobRecord], days: Sequence[Day], zone: tzinfo
) -> Forecast | None:
    """Return the forecast of datasets; None if nothing is to be labelled.

    `records` are the jobs of all datasets (`workload.jobs`), `days` the arrivals of the datasets, today last.
    """
    subject = _Subject({one.name: one for one in specs})
    whole = [day.arrived for day in days[:-1]]
    return _foresee(tx, subject, work_history.of_records(tx, records), records, zone, whole)


def forecast_of_batch(tx: Transaction, batch: Batch, zone: tzinfo) -> Forecast | None:
    """Return the forecast of a batch; None if nothing of it is to be labelled."""
    history, records = work_history.read(tx)
    return _foresee(tx, _Subject({batch.dataset: datasets.spec(tx, batch.dataset)}, batch), history, records, zone, ())


def _foresee(
    tx: Transaction,
    subject: _Subject,
    history: WorkHistory,
    records: Sequence[JobRecord],
    zone: tzinfo,
    arrived: Sequence[int],
) -> Forecast | None:
    open_jobs = [one for one in records if not one.is_done and not one.in_review]
    free = _free(tx, subject, open_jobs)
    mine = [one for one in open_jobs if one.assignee and subject.includes(one)]
    images = sum(one.images for one in mine) + sum(
        number for (_, batch), number in free.items() if subject.counts(batch)
    )
    if not images:
        return None
    per_day = sum(arrived) / len(arrived) if arrived else 0.0
    means = history.learned.means
    known = [means[name] for name in subject.specs if name in means]
    if not known:
        return Forecast(images, None, None, per_day)
    usual = sum(known) / len(known)
    workers = list(_workers(tx, subject, history, open_jobs, work_history.coming_back(history, records), usual, zone))
    # Of several datasets an image counts as long as it takes: images of the usual length are what is shared.
    shared = sum(number * means.get(name, usual) / usual for (name, _), number in free.items())
    sizes = [one.images for one in records if one.dataset in subject.specs]
    of_job = sum(sizes) / len(sizes) if sizes else 0.0
    counted = sum(
        number * means.get(name, usual) / usual for (name, batch), number in free.items() if subject.counts(batch)
    )
    foreseen = partial(
        simulate, workers, shared, history.now, zone, of_job=of_job, counted=counted, waits=subject.waits
    )
    grows = foreseen(arriving=arrived) if any(arrived) else None
    return Forecast(images, foreseen(), grows, per_day)


def _free(tx: Transaction, subject: _Subject, open_jobs: Sequence[JobRecord]) -> Mapping[tuple[str, int], int]:
    """Return the images that nobody has and that are done before the end, by dataset and number of the batch."""
    found: dict[tuple[str, int], int] = defaultdict(int)
    only = subject.batch.dataset if subject.batch is not None else None
    for (name, number), images in workload.without_jobs(tx, only).items():
        if subject.is_before(name, number):
            found[name, number] += images
    for one in open_jobs:
        if not one.assignee and subject.is_before(one.dataset, one.batch_number):
            found[one.dataset, one.batch_number] += one.images
    return found


def _workers(
    tx: Transaction,
    subject: _Subject,
    history: WorkHistory,
    open_jobs: Sequence[JobRecord],
    coming_back: Mapping[str, Mapping[str, float]],
    usual: float,
    zone: tzinfo,
) -> Iterator[Worker]:
    away = absences.current(tx)
    held: dict[str, list[JobRecord]] = defaultdict(list)
    for one in open_jobs:
        if one.assignee:
            held[one.assignee].append(one)
    holders = {name for name, jobs in held.items() if any(map(subject.includes, jobs))}
    names = {name for spec in subject.specs.values() for name in spec.annotators}
    for name in sorted(names | holders):
        jobs = sorted(held[name], key=lambda one: one.assigned_at or one.since)
        back = coming_back.get(name, {})
        yield _worker(name, subject, history, jobs, back, away.get(name), usual, zone)


def _worker(
    name: str,
    subject: _Subject,
    history: WorkHistory,
    jobs: Sequence[JobRecord],
    coming_back: Mapping[str, float],
    absence: Absence | None,
    usual: float,
    zone: tzinfo,
) -> Worker:
    """Return a person with the jobs that they do first: people work in the order in which they got their jobs."""
    last = max((at for at, one in enumerate(jobs) if subject.includes(one)), default=-1)
    mine = [OpenJob(one.images, one.dataset, one.returned > 0) for one in jobs[: last + 1] or jobs]
    spec = next((one for one in subject.specs.values() if name in one.annotators), None)
    hours = spec.assignment.rules().of(name).hours if spec is not None else None
    learned = history.learned
    known = [(learned.pace(name, of), learned.means[of]) for of in _known(learned.means, subject.specs)]
    paces = [(pace, mean) for pace, mean in known if pace is not None]
    factor = sum(pace.minutes / mean for pace, mean in paces) / len(paces)
    otherwise = next(iter(_known(learned.means, subject.specs)))
    return Worker(
        name,
        usual * factor,
        max(pace.error for pace, _ in paces),
        history.minutes_left(name, mine, hours, otherwise) + learned.minutes_of(name, coming_back, otherwise),
        len(mine),
        last >= 0,
        hours,
        absence.until if absence else None,
        absence is not None,
        history.days(name, hours, zone),
    )


def _known(means: Mapping[str, float], names: Collection[str]) -> Sequence[str]:
    return [name for name in sorted(names) if name in means]


def forecast_words(found: Forecast, zone: tzinfo) -> str:
    """Return a forecast in words."""
    if found.done is None:
        return (
            f"none yet, it needs {LEAST_JOBS} completed jobs with known times, and a whole day on which people had work"
        )
    words = f"{found.images:,} images are labelled {_range(found.done, zone)}, if nothing else arrives"
    if found.done_with_arrivals is None:
        return words
    grows = "the backlog grows" if found.done_with_arrivals.median is None else "nothing is left"
    when = "" if found.done_with_arrivals.median is None else f" {_range(found.done_with_arrivals, zone)}"
    return f"{words}; with {found.arrive_per_day:,.0f} more a day {grows}{when}"


def _range(found: Range, zone: tzinfo) -> str:
    if found.median is None or found.early is None:
        return f"in more than {FURTHEST} days"
    first, last = day(found.early, zone), day(found.late, zone) if found.late else ""
    if first == last:
        return f"on {first} about {moment(found.median, zone)[-5:]}"
    end = f" and {last}" if last else ""
    return f"about {moment(found.median, zone)} (four times of five {'between' if end else 'after'} {first}{end})"

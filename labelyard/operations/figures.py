"""The figures of an installation or of one dataset: the same on its page, in `labelyard status` and in JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any

from labelyard.domain.attention import causes, stopped_batches
from labelyard.domain.causes import Cause
from labelyard.domain.deadlines import LateBatch, Stage
from labelyard.domain.headline import verdict
from labelyard.domain.throughput import (
    DAYS_MEASURED,
    Day,
    days_with_backlog,
    images_per_hour,
    measured_times,
    midnights,
    monday,
)
from labelyard.ledger import Ledger, datasets, finished, workload
from labelyard.ledger.database import Transaction
from labelyard.ledger.finished import Finished, FinishedBatch, LastRelease
from labelyard.ledger.review_progress import ReviewProgress, reviews_in_progress
from labelyard.ledger.situation import read_situation
from labelyard.ledger.workload import Arrived, Backlog, JobRecord, NewestBatch, Verdicts
from labelyard.operations.foresee import Forecast, forecast
from labelyard.operations.server_figures import ServerFigures, servers

NOBODY = ""
"""The name under which jobs without an assignee are counted."""
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Arriving:
    """What arrived in the last hour, and what is not exported yet."""

    objects_hour: int
    batches_hour: int
    backlog: Backlog


@dataclass(frozen=True)
class Period:
    """What has happened since a time: today, or this week."""

    since: datetime
    arrived: int
    """Files, quarantined ones included."""
    quarantined: int
    """Those of them that are quarantined now."""
    opened: int
    """Batches."""
    labelled: int
    """Images of the jobs that people completed."""
    verdicts: Sequence[Verdicts]
    """What reviewers said, by annotator."""
    exported: Finished
    """The batches that were exported for the first time, and still are."""
    releases: Sequence[LastRelease]

    @property
    def rejected(self) -> int:
        """How many jobs reviewers rejected."""
        return sum(one.rejected for one in self.verdicts)


@dataclass(frozen=True)
class DatasetFigures:
    """The files of a dataset that arrived, and its images that were exported, or are not exported yet."""

    name: str
    arrived_today: int
    arrived_week: int
    exported_today: int
    exported_week: int
    waiting: int


@dataclass(frozen=True)
class PersonFigures:
    """What a person has and does; days are those of the zone, and a week begins on Monday."""

    name: str
    """The user name in CVAT, or NOBODY."""
    open_jobs: int
    open_images: int
    oldest: datetime | None
    """Since when the person has the oldest unfinished job."""
    images_today: int
    images_week: int
    images_per_hour: float | None
    """Of the jobs completed in two weeks (`images_per_hour`)."""
    returned: int
    """How often these jobs were sent back: rejected by a reviewer, or reopened."""
    to_review: int = 0
    """How many of the open jobs the person reviews, and does not label."""


@dataclass(frozen=True)
class ReviewFigures:
    """The jobs in review, since when the oldest, the verdicts of two weeks by annotator, and each batch in review."""

    waiting: int = 0
    oldest: datetime | None = None
    verdicts: Sequence[Verdicts] = ()
    batches: Mapping[str, ReviewProgress] = field(default_factory=dict)


@dataclass(frozen=True)
class Figures:
    """How things stand; times are UTC, days those of `zone`, images are counted as they are registered and exported."""

    at: datetime
    dataset: str | None
    """The dataset that is measured; None for all."""
    verdict: str
    causes: Sequence[Cause]
    """What needs a person; what asks to act comes first."""
    late: Sequence[LateBatch]
    """Late batches that need no person yet."""
    today: Period
    week: Period
    datasets: Sequence[DatasetFigures]
    """Those that have anything this week, or anything that is not exported yet; most of that first."""
    arriving: Arriving
    people: Sequence[PersonFigures]
    finished: Finished
    releases: Sequence[LastRelease]
    servers: Sequence[ServerFigures]
    forecast: Forecast | None
    """None if nothing is to be labelled."""
    days: Sequence[Day]
    """Today and the two weeks before, oldest first."""
    zone: tzinfo = UTC
    """The time zone of days, and of times in words."""
    changes_at: datetime | None = None
    """When the passing of time alone will change a figure, at midnight at the latest."""
    task_urls: Mapping[str, str] = field(default_factory=dict)
    """The addresses in CVAT of the batches that are named."""
    reviews: ReviewFigures = ReviewFigures()
    newest: Sequence[NewestBatch] = ()
    """The newest batches, the newest first."""

    def document(self) -> dict[str, Any]:
        """Return them as JSON values; each cause has also its words, and whether it asks to act and has an alert."""
        plain = asdict(self) | {"causes": [cause.document() for cause in self.causes]}
        return plain | {"zone": str(self.zone)}


def read_figures(ledger: Ledger, dataset: str | None = None, zone: tzinfo = UTC) -> Figures:
    """Return the figures of one dataset or of all. Raises NotFound for a dataset that was never applied."""
    with ledger.read_only() as tx:
        return figures(tx, dataset, zone)


def figures(tx: Transaction, dataset: str | None = None, zone: tzinfo = UTC) -> Figures:
    """Return the figures of one dataset or of all, from the ledger; days are those of `zone`. Raises NotFound."""
    specs = [datasets.spec(tx, dataset)] if dataset else list(datasets.current(tx, retired=True))
    cvats = sorted({spec.cvat for spec in specs})
    seen = read_situation(tx, dataset)
    now, found, down = seen.at, causes(seen), seen.outages
    stopped = stopped_batches(found)
    waiting = workload.backlog(tx, dataset)
    edges = midnights(now, zone, DAYS_MEASURED)
    done = finished.finished_batches(tx, dataset)
    days = _days(tx, edges, now.astimezone(zone).date(), dataset, done, waiting.objects)
    measured_since = now - DAYS_MEASURED * _DAY
    everywhere = workload.jobs(tx, measured_since, None)
    jobs = [one for one in everywhere if dataset in (None, one.dataset)]
    today, week = edges[-2], monday(now, zone)
    arrived_today, arrived_week = (workload.arrived(tx, since, dataset) for since in (today, week))
    return Figures(
        at=now,
        dataset=dataset,
        verdict=verdict(found, seen.late, at_work=waiting.batches, down=[one.label for one in down]),
        causes=found,
        late=[one for one in seen.late if one.id not in stopped],
        today=_period(tx, today, dataset, arrived_today, jobs, done),
        week=_period(tx, week, dataset, arrived_week, jobs, done),
        datasets=list(_datasets(arrived_today, arrived_week, done, today, week, waiting)),
        arriving=_arriving(tx, now, dataset, waiting),
        people=list(_people(jobs, today, week)),
        finished=finished.total(done),
        releases=finished.last_releases(tx, dataset),
        servers=list(servers(tx, cvats, down, seen.batches, today, everything=dataset is None)),
        forecast=forecast(tx, specs, everywhere, days, zone),
        days=days,
        zone=zone,
        changes_at=min(filter(None, [seen.changes_at, edges[-1]])),
        task_urls={batch.id: batch.task_url for batch in seen.batches if batch.task_url},
        reviews=_reviews(
            jobs, workload.verdicts(tx, measured_since, dataset), reviews_in_progress(tx, dataset=dataset)
        ),
        newest=workload.newest(tx, dataset),
    )


def _arriving(tx: Transaction, now: datetime, dataset: str | None, waiting: Backlog) -> Arriving:
    edges = (now - _HOUR, now + _DAY)
    [objects], [batches] = workload.arrivals(tx, edges, dataset), workload.openings(tx, edges, dataset)
    return Arriving(objects, batches, waiting)


def _period(
    tx: Transaction,
    since: datetime,
    dataset: str | None,
    arrived: Mapping[str, Arrived],
    jobs: Sequence[JobRecord],
    done: Sequence[FinishedBatch],
) -> Period:
    """Return what has happened since then; the jobs are those of two weeks, `done` all exported batches."""
    [opened] = workload.openings(tx, (since, tx.now + _DAY), dataset)
    return Period(
        since=since,
        arrived=sum(one.objects for one in arrived.values()),
        quarantined=sum(one.quarantined for one in arrived.values()),
        opened=opened,
        labelled=sum(one.images for one in jobs if one.is_done and one.since >= since),
        verdicts=workload.verdicts(tx, since, dataset),
        exported=finished.total(one for one in done if one.since >= since),
        releases=finished.releases_since(tx, since, dataset),
    )


def _datasets(
    arrived_today: Mapping[str, Arrived],
    arrived_week: Mapping[str, Arrived],
    done: Sequence[FinishedBatch],
    today: datetime,
    week: datetime,
    waiting: Backlog,
) -> Iterator[DatasetFigures]:
    """Yield the figures of each dataset that has any, who has most to do first."""
    exported_today, exported_week = Counter[str](), Counter[str]()
    for one in done:
        exported_today[one.dataset] += one.images if one.since >= today else 0
        exported_week[one.dataset] += one.images if one.since >= week else 0
    found = {*arrived_week, *+exported_week, *waiting.datasets}
    yield from (
        DatasetFigures(
            name,
            arrived_today[name].objects if name in arrived_today else 0,
            arrived_week[name].objects if name in arrived_week else 0,
            exported_today[name],
            exported_week[name],
            waiting.datasets.get(name, 0),
        )
        for name in sorted(found, key=lambda name: (-waiting.datasets.get(name, 0), name))
    )


def _days(
    tx: Transaction,
    edges: Sequence[datetime],
    today: date,
    dataset: str | None,
    done: Sequence[FinishedBatch],
    backlog: int,
) -> Sequence[Day]:
    exported = [sum(one.images for one in done if low <= one.since < high) for low, high in pairwise(edges)]
    return days_with_backlog(today - DAYS_MEASURED * _DAY, workload.arrivals(tx, edges, dataset), exported, backlog)


def _reviews(
    records: Iterable[JobRecord], verdicts: Sequence[Verdicts], batches: Mapping[str, ReviewProgress]
) -> ReviewFigures:
    waiting = [one.since for one in records if one.in_review and not one.is_done]
    return ReviewFigures(len(waiting), min(waiting, default=None), verdicts, batches)


def _people(records: Iterable[JobRecord], today: datetime, week: datetime) -> Iterator[PersonFigures]:
    """Yield the figures of each person, who has most to do first; jobs without an assignee last."""
    by_person: dict[str, list[JobRecord]] = {}
    for record in records:
        by_person.setdefault(record.assignee or NOBODY, []).append(record)
    found = [_person(name, of_person, today, week) for name, of_person in by_person.items()]
    shown = [one for one in found if one.name or one.open_jobs or one.images_week]
    yield from sorted(shown, key=lambda one: (not one.name, -one.open_images, one.name))


def _person(name: str, records: Sequence[JobRecord], today: datetime, week: datetime) -> PersonFigures:
    """Return the figures of a person; `today` and `week` are when they began."""
    waiting, done = [one for one in records if not one.is_done], [one for one in records if one.is_done]
    return PersonFigures(
        name=name,
        open_jobs=len(waiting),
        open_images=sum(one.images for one in waiting),
        oldest=min((one.assigned_at or one.since for one in waiting), default=None),
        images_today=sum(one.images for one in done if one.since >= today),
        images_week=sum(one.images for one in done if one.since >= week),
        images_per_hour=images_per_hour(measured_times(workload.done_jobs(records))),
        returned=sum(one.returned for one in records),
        to_review=sum(one.in_review for one in waiting),
    )


def late_groups(late: Sequence[LateBatch]) -> Sequence[Sequence[LateBatch]]:
    """Return the late batches of a dataset that wait for the same and the same people together, most overdue first."""
    groups: dict[tuple[str, Stage, tuple[str, ...]], list[LateBatch]] = {}
    for one in late:
        groups.setdefault((one.dataset, one.stage, one.people), []).append(one)
    return list(groups.values())

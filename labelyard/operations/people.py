"""The figures of people: by person and dataset, what they have, what they did, and what reviews said about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from labelyard.domain.learned_work import Learned
from labelyard.domain.throughput import DAYS_MEASURED, images_per_hour, measured_times
from labelyard.ledger import Ledger, absences, datasets, messages, work_history, workload
from labelyard.ledger.people import ReviewedWork, annotations_of_whole_batches, reviewed_work
from labelyard.ledger.workload import JobRecord


@dataclass(frozen=True)
class PersonInDataset:
    """A person's work in a dataset: open work as it is now, all else since a time."""

    person: str
    """The user name in CVAT."""
    dataset: str
    open_jobs: int
    """Unfinished jobs that the person labels."""
    open_images: int
    to_review: int
    """Jobs that the person reviews."""
    done_jobs: int
    images: int
    """The images of the jobs done."""
    hours: float
    """The time of the jobs done whose time is known (docs/people.md)."""
    images_per_hour: float | None
    returned: int
    """How often these jobs were sent back: by a reviewer, by the check, or reopened."""
    reviewed: int
    """Jobs of whose first review the result is known."""
    accepted_at_once: int
    mean_rounds: float | None
    """In which round a job was accepted on the average; None if none was."""
    annotations: Mapping[str, int]
    """By label, of the exported batches that the person labelled alone: of others the ledger does not know whose."""
    is_away: bool = False
    minutes_an_image: float | None = None
    """What `policy: forecast` and the forecasts have learned of the last two weeks; None while too little is known."""


@dataclass(frozen=True)
class RefusedMessages:
    """A person whose channel did not accept the last message about their work."""

    person: str
    error: str
    failures: int
    """How often in a row."""
    next_try: datetime | None
    """The earliest time of the next one."""


@dataclass(frozen=True)
class People:
    """The figures of all people who have work, or did some since then."""

    since: datetime
    people: Sequence[PersonInDataset]
    not_reached: Sequence[RefusedMessages] = ()
    """Of all datasets."""


def read_people(ledger: Ledger, dataset: str | None = None, since: datetime | None = None) -> People:
    """Return the figures of people, by default of two weeks. Raises NotFound for a dataset that was never applied.

    Jobs and rates are counted as for the operations page (`ledger.workload`).
    """
    with ledger.read_only() as tx:
        if dataset is not None:
            datasets.spec(tx, dataset)
        begin = since or tx.now - timedelta(days=DAYS_MEASURED)
        records = [one for one in workload.jobs(tx, begin, dataset) if one.assignee]
        reviewed = reviewed_work(tx, begin, dataset)
        drawn = annotations_of_whole_batches(tx, begin, dataset)
        away, learned = absences.current(tx), work_history.read(tx)[0].learned
        not_reached = [
            RefusedMessages(row.person, row.error, row.failures, row.not_before)
            for row in messages.channels(tx).values()
            if row.error and row.absent_since is None
        ]
    by_person: dict[str, list[JobRecord]] = defaultdict(list)
    for record in records:
        by_person[record.assignee or ""].append(record)
    known = {*((one.assignee or "", one.dataset) for one in records), *reviewed, *drawn} - {("", "")}
    found: list[PersonInDataset] = []
    for person in sorted({name for name, _ in known if name}):
        names = sorted(dataset for name, dataset in known if name == person)
        found += _in_datasets(person, names, by_person[person], reviewed, drawn, learned, is_away=person in away)
    return People(begin, found, not_reached)


def _in_datasets(
    person: str,
    names: Iterable[str],
    records: Sequence[JobRecord],
    reviewed: Mapping[tuple[str, str], ReviewedWork],
    drawn: Mapping[tuple[str, str], Mapping[str, int]],
    learned: Learned,
    *,
    is_away: bool,
) -> Iterator[PersonInDataset]:
    """Yield a person's figures in each dataset; the time of a job depends on the one before, of whatever dataset."""
    measured = measured_times(workload.done_jobs(records))
    for name in names:
        mine = [one for one in records if one.dataset == name]
        waiting, done = [one for one in mine if not one.is_done], [one for one in mine if one.is_done]
        labelled = [one for one in waiting if not one.in_review]
        times = [(job, length) for job, length in measured if job.dataset == name]
        said = reviewed.get((person, name), ReviewedWork())
        yield PersonInDataset(
            person=person,
            dataset=name,
            open_jobs=len(labelled),
            open_images=sum(one.images for one in labelled),
            to_review=len(waiting) - len(labelled),
            done_jobs=len(done),
            images=sum(one.images for one in done),
            hours=sum((length for _, length in times), timedelta()) / timedelta(hours=1),
            images_per_hour=images_per_hour(times),
            returned=sum(one.returned for one in mine),
            reviewed=said.first_rounds,
            accepted_at_once=said.accepted_at_once,
            mean_rounds=sum(said.rounds) / len(said.rounds) if said.rounds else None,
            annotations=dict(drawn.get((person, name), {})),
            is_away=is_away,
            minutes_an_image=pace.minutes if (pace := learned.pace(person, name)) else None,
        )

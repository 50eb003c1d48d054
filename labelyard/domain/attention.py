"""What needs a person: each cause once, however many batches or objects it has, with the next command.

A cause either asks a person to act (work has stopped, and only a person continues it) or only to look. What heals by
itself is no cause: a failure that is tried again, or a server that was unavailable for a short time. The pages,
`labelyard status`, `labelyard alerts` and the messages all name these causes. `domain.alerts` decides when a message
about a cause is sent.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TypeVar

from labelyard.domain.causes import Cause, Kind, counted, some
from labelyard.domain.deadlines import BatchAtWork, Deadlines, LateBatch, late_batches, next_due, stage_words
from labelyard.domain.quarantine import what_ends_it
from labelyard.domain.reassignment import HOW_TO_DECIDE
from labelyard.domain.states import WITHOUT_A_RUN, BatchState

TRIED_IN_VAIN = 5
"""After so many failures in a row a batch needs a person, though it is tried again."""
AWAY_LONG = timedelta(minutes=15)
"""After this time an unavailable server needs a person."""
QUEUE_LONG = timedelta(hours=1)
"""After this time a queue of notifications that never became shorter needs a person."""
EVENTS_LONG = timedelta(minutes=15)
"""After this time many events that wait for Prefect's services need a person."""
_LONG = {Kind.QUEUE: QUEUE_LONG, Kind.EVENTS: EVENTS_LONG}
"""How long a problem that often ends by itself lasts before it needs a person."""

T = TypeVar("T")
K = TypeVar("K")
_NUMBERS = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class Outage:
    """A server that is unavailable: its name in the ledger, since when, its last error, the next command."""

    server: str
    since: datetime
    error: str
    next_step: str = "labelyard doctor"
    label: str = ""
    """Its name for people, if it is another one."""
    every_batch: bool = False
    """Whether every batch needs it; a CVAT is needed by its own batches."""
    starts_runs: bool = False
    """Whether it starts the runs: without it there is no housekeeping either."""


@dataclass(frozen=True, slots=True)
class QuarantinedObject:
    """An object kept out of its batch: its s3:// address, its dataset and batch (or ""), why, and since when."""

    url: str
    dataset: str
    batch: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class ExpectedObjects:
    """A dataset that expects new objects at least `every` so often, and when the last one was registered."""

    dataset: str
    every: timedelta
    last: datetime


@dataclass(frozen=True, slots=True)
class OpenProblem:
    """A failure that concerns no single batch, as the ledger keeps it."""

    kind: Kind
    name: str
    dataset: str | None
    what: str
    next_step: str
    since: datetime


@dataclass(frozen=True)
class Situation:
    """Everything that may need a person, at a time: in one dataset, or in all of them."""

    at: datetime
    batches: Sequence[BatchAtWork] = ()
    deadlines: Mapping[str, Deadlines] = field(default_factory=dict)
    """By dataset."""
    outages: Sequence[Outage] = ()
    quarantined: Sequence[QuarantinedObject] = ()
    dead_letters: int = 0
    dead_letters_since: datetime | None = None
    paused: Mapping[str, tuple[str, datetime]] = field(default_factory=dict)
    """The reason and the time by dataset."""
    expected: Sequence[ExpectedObjects] = ()
    problems: Sequence[OpenProblem] = ()

    @cached_property
    def late(self) -> Sequence[LateBatch]:
        """The batches that are late, the one that is most overdue first."""
        return late_batches(self._with_deadline(), self.deadlines, self.at)

    @property
    def changes_at(self) -> datetime | None:
        """When the passing of time alone will change what is a cause or late; None: it will not."""
        limits = [
            *(one.since + AWAY_LONG for one in self.outages),
            *(one.since + _LONG[one.kind] for one in self.problems if one.kind in _LONG),
            *(one.last + one.every for one in self.expected),
        ]
        due = next_due(self._with_deadline(), self.deadlines, self.at)
        return min([*filter(None, [due]), *(limit for limit in limits if limit >= self.at)], default=None)

    def _with_deadline(self) -> Iterator[BatchAtWork]:
        """Yield the batches that can be late. In a paused dataset no run starts, but people go on."""
        yield from (one for one in self.batches if one.state is BatchState.ASSIGNED or one.dataset not in self.paused)


def causes(seen: Situation) -> list[Cause]:
    """Return what needs a person, one cause for all batches or objects of a dataset that have it.

    What asks to act comes first, in the order of `Kind`; then what concerns most batches, then the oldest.
    """
    stopped = [*_of_batches(seen), *_of_nobody(seen), *_of_reviews(seen)]
    found = [
        *stopped,
        *_of_servers(seen),
        *(_of_problem(one) for one in seen.problems if seen.at - one.since >= _LONG.get(one.kind, timedelta(0))),
        *_of_messages(seen),
        *(_of_silence(one) for one in seen.expected if seen.at - one.last > one.every),
        *_of_late(seen, stopped_batches(stopped)),
        *_of_objects(seen),
        *(_of_pause(name, why, since) for name, (why, since) in sorted(seen.paused.items())),
    ]
    order = list(Kind)
    return sorted(found, key=lambda cause: (order.index(cause.kind), -len(cause.batches), cause.since, cause.key))


def stopped_batches(found: Sequence[Cause]) -> set[str]:
    """Return the batches that need a person. They are not named as late, too."""
    return {batch for cause in found if cause.to_act for batch in cause.batches}


def _key(kind: Kind, dataset: str | None, words: str = "") -> str:
    return hashlib.sha256("\0".join((kind, dataset or "", words)).encode()).hexdigest()[:16]


def _of_batches(seen: Situation) -> Iterator[Cause]:
    overdue = {late.id for late in seen.late}
    away = {outage.server for outage in seen.outages}
    all_wait = any(outage.every_batch for outage in seen.outages)

    def kind(batch: BatchAtWork) -> Kind | None:
        if batch.state is BatchState.FAILED:
            return Kind.FAILED
        if batch.error and batch.state in WITHOUT_A_RUN:
            return Kind.UNREADABLE
        in_vain = batch.error and (batch.attempts >= TRIED_IN_VAIN or batch.id in overdue)
        # A batch that waits for a server is no cause of its own: the server is one.
        return Kind.RETRIED if in_vain and not all_wait and batch.cvat not in away else None

    def error(batch: BatchAtWork) -> str:
        return batch.error or "failed"

    def warning(batch: BatchAtWork) -> str:
        return batch.warning or ""

    for stopped in (Kind.FAILED, Kind.UNREADABLE, Kind.RETRIED):
        yield from _grouped(stopped, (batch for batch in seen.batches if kind(batch) is stopped), error)
    warned = (batch for batch in seen.batches if batch.warning and batch.state is not BatchState.FAILED)
    yield from _grouped(Kind.WARNING, warned, warning)


def _grouped(kind: Kind, batches: Iterable[BatchAtWork], said: Callable[[BatchAtWork], str]) -> Iterator[Cause]:
    """Yield a cause for the batches of a dataset that say the same, but for numbers and their own names."""

    def words(batch: BatchAtWork) -> tuple[str, str]:
        return batch.dataset, _NUMBERS.sub("#", said(batch).replace(batch.id, ""))

    for (dataset, alike), group in _groups(batches, words).items():
        first = group[0]
        yield Cause(
            key=_key(kind, dataset, alike),
            kind=kind,
            dataset=dataset,
            reason=said(first),
            next_step=first.next_step or f"labelyard {'retry' if kind is Kind.FAILED else 'why'} {first.id}",
            since=min(batch.error_since or batch.stage_since for batch in group),
            batches=tuple(batch.id for batch in group),
        )


def _of_late(seen: Situation, stopped: set[str]) -> Iterator[Cause]:
    late = (batch for batch in seen.late if batch.id not in stopped)
    for (dataset, stage), group in _groups(late, lambda batch: (batch.dataset, batch.stage)).items():
        people = sorted({person for batch in group for person in batch.people if person})
        yield Cause(
            key=_key(Kind.LATE, dataset, stage),
            kind=Kind.LATE,
            dataset=dataset,
            reason=stage_words(stage) + (f", with {some(people)}" if people else ""),
            next_step=f"labelyard why {group[0].id}",
            since=min(batch.due for batch in group),
            batches=tuple(batch.id for batch in group),
        )


def _of_servers(seen: Situation) -> Iterator[Cause]:
    no_housekeeping = any(problem.kind is Kind.HOUSEKEEPING for problem in seen.problems)
    for outage in seen.outages:
        if seen.at - outage.since >= AWAY_LONG and not (no_housekeeping and outage.starts_runs):
            reason = f"{outage.label or outage.server} is unavailable, and its work waits: {outage.error}"
            yield Cause(
                _key(Kind.SERVER, None, outage.server), Kind.SERVER, None, reason, outage.next_step, outage.since
            )


def _of_problem(one: OpenProblem) -> Cause:
    return Cause(_key(one.kind, one.dataset, one.name), one.kind, one.dataset, one.what, one.next_step, one.since)


def _of_messages(seen: Situation) -> Iterator[Cause]:
    if seen.dead_letters:
        messages = counted(seen.dead_letters, "message", "messages")
        yield Cause(
            key=_key(Kind.DEAD_LETTERS, None),
            kind=Kind.DEAD_LETTERS,
            dataset=None,
            reason=f"{messages} could not be parsed or registered, and may be about new files",
            next_step="labelyard dead-letters",
            since=seen.dead_letters_since or seen.at,
            objects=seen.dead_letters,
        )


def _of_silence(one: ExpectedObjects) -> Cause:
    said = f"nothing has arrived since {one.last:%Y-%m-%d %H:%M} UTC, and new files are expected every "
    return Cause(
        key=_key(Kind.NOTHING_ARRIVED, one.dataset),
        kind=Kind.NOTHING_ARRIVED,
        dataset=one.dataset,
        reason=said + _duration(one.every),
        next_step="labelyard doctor",
        since=one.last + one.every,
    )


def _of_nobody(seen: Situation) -> Iterator[Cause]:
    assigned = (batch for batch in seen.batches if batch.state is BatchState.ASSIGNED and batch.jobs_of_nobody)
    for dataset, members in _groups(assigned, lambda batch: batch.dataset).items():
        jobs = [job for batch in members for job in batch.jobs_of_nobody]
        yield Cause(
            key=_key(Kind.NOBODY, dataset),
            kind=Kind.NOBODY,
            dataset=dataset,
            reason=f"{len(jobs)} unfinished {'job has' if len(jobs) == 1 else 'jobs have'} no assignee",
            next_step="assign them in CVAT",
            since=min(job.since for job in jobs),
            batches=tuple(batch.id for batch in members),
            objects=len(jobs),
        )


def _of_reviews(seen: Situation) -> Iterator[Cause]:
    undecided = [
        (batch, job) for batch in seen.batches if batch.state is BatchState.ASSIGNED for job in batch.undecided_jobs
    ]
    for (dataset, alike), group in _groups(
        undecided, lambda one: (one[0].dataset, _NUMBERS.sub("#", one[1].undecided))
    ).items():
        batch, job = group[0]
        yield Cause(
            key=_key(Kind.REVIEW, dataset, alike),
            kind=Kind.REVIEW,
            dataset=dataset,
            reason=f"{counted(len(group), 'job', 'jobs')}, such as job {job.id} of {batch.id}: {job.undecided}",
            next_step=HOW_TO_DECIDE,
            since=min(one.undecided_since or one.since for _, one in group),
            batches=tuple(dict.fromkeys(one.id for one, _ in group)),
            objects=len(group),
        )


def _of_objects(seen: Situation) -> Iterator[Cause]:
    def words(one: QuarantinedObject) -> tuple[str, str]:
        return one.dataset, _NUMBERS.sub("#", one.reason.replace(one.url, ""))

    for (dataset, alike), group in _groups(seen.quarantined, words).items():
        yield Cause(
            key=_key(Kind.QUARANTINED, dataset, alike),
            kind=Kind.QUARANTINED,
            dataset=dataset,
            reason=group[0].reason,
            next_step=what_ends_it(group[0].reason, group[0].url),
            since=min(one.since for one in group),
            batches=tuple(dict.fromkeys(one.batch for one in group if one.batch)),
            objects=len(group),
            examples=tuple(one.url for one in group[:3]),
        )


def _of_pause(dataset: str, why: str, since: datetime) -> Cause:
    reason = f"no run starts{': ' + why if why else ''}"
    return Cause(_key(Kind.PAUSED, dataset), Kind.PAUSED, dataset, reason, f"labelyard resume {dataset}", since)


def _groups(members: Iterable[T], by: Callable[[T], K]) -> Mapping[K, Sequence[T]]:
    groups: dict[K, list[T]] = {}
    for member in members:
        groups.setdefault(by(member), []).append(member)
    return groups


def _duration(span: timedelta) -> str:
    if span >= timedelta(days=2):
        return f"{span.days} days"
    hours = span / timedelta(hours=1)
    return f"{hours:.0f} hours" if hours >= 2 else f"{span / timedelta(minutes=1):.0f} minutes"

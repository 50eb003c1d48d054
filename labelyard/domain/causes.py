"""What needs a person, or somebody should know: each cause once, however many batches, objects or messages it has.

What heals by itself is no cause: a failure that is tried again, or a server that is away for a short time. `causes` is
a pure function of what the ledger holds. `domain.alerts` decides when somebody gets a message about a cause.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from labelyard.domain.deadlines import LateBatch, Stage

TRIED_IN_VAIN = 5
"""After so many failures in a row a batch needs a person, though it is tried again."""
AWAY_LONG = timedelta(minutes=15)
"""After this time an unavailable server needs a person."""
QUEUE_LONG = timedelta(hours=1)
"""After this time a queue of notifications that never became shorter needs a person."""

T = TypeVar("T")
_NUMBERS = re.compile(r"[0-9]+")
_NAMES_SHOWN = 3
_STAGES = {
    Stage.UPLOAD: "not uploaded to CVAT",
    Stage.ASSIGN: "without assigned jobs",
    Stage.LABEL: "not labelled",
    Stage.EXPORT: "completed and not exported",
}


class Kind(StrEnum):
    """What kind of cause it is."""

    NEEDS_A_PERSON = "needs a person"
    """Batches that only a person continues, or that fail again and again."""
    LATE = "late"
    """Batches that have passed a deadline of their dataset."""
    SERVER = "server away"
    """A CVAT or object storage that does not answer for longer than AWAY_LONG."""
    SOURCE = "source"
    """A source that cannot be listed."""
    DEAD_LETTERS = "dead letters"
    """Messages that could not be parsed or registered."""
    NOTHING_ARRIVED = "nothing arrived"
    """A dataset that expects new objects, and got none."""
    QUEUE = "queue growing"
    """A queue of notifications that has not become shorter for QUEUE_LONG."""
    AUTOMATION = "automation failed"
    """An automation of Prefect that could not start a run."""
    HOUSEKEEPING = "no housekeeping"
    """labelyard's own housekeeping, which gives no sign of life."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that a person has to do or to know; times are UTC."""

    key: str
    """The same as long as the cause lasts, whatever numbers its words have."""
    dataset: str | None
    """None if it concerns more than one dataset."""
    kind: Kind
    since: datetime
    what: str
    """One or two sentences, without the next command."""
    next_command: str


@dataclass(frozen=True, slots=True)
class StoppedBatch:
    """A batch that has an error: the error, the next command, since when, and how often in a row it failed."""

    id: str
    dataset: str
    error: str
    next_step: str
    since: datetime
    attempts: int
    is_retried: bool
    """Whether it is tried again by itself."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A server that does not answer: its name for people, since when, and its last error."""

    server: str
    since: datetime
    error: str


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
    """Everything that may need a person, at a time."""

    at: datetime
    stopped: Sequence[StoppedBatch] = ()
    late: Sequence[LateBatch] = ()
    outages: Sequence[Outage] = ()
    expected: Sequence[ExpectedObjects] = ()
    problems: Sequence[OpenProblem] = ()
    dead_letters: int = 0
    dead_letters_since: datetime | None = None


def causes(seen: Situation) -> list[Cause]:
    """Return what needs a person, in the order of `Kind`, the oldest of each kind first."""
    found = [
        *_stopped(seen.stopped),
        *_late(seen.late),
        *(_outage(one) for one in seen.outages if seen.at - one.since >= AWAY_LONG),
        *_dead_letters(seen),
        *(_nothing_arrived(one, seen.at) for one in seen.expected if seen.at - one.last > one.every),
        *(_problem(one) for one in seen.problems if _is_due(one, seen.at)),
    ]
    order = list(Kind)
    return sorted(found, key=lambda cause: (order.index(cause.kind), cause.since, cause.key))


def cause_key(kind: Kind, dataset: str | None, words: str) -> str:
    """Return the key of a cause: a hash of its kind, its dataset and its words without numbers."""
    said = "\0".join((kind, dataset or "", _NUMBERS.sub("#", words)))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _stopped(batches: Iterable[StoppedBatch]) -> Iterator[Cause]:
    need_you = [batch for batch in batches if not batch.is_retried or batch.attempts >= TRIED_IN_VAIN]
    for group in _grouped(
        need_you, lambda batch: (batch.dataset, _NUMBERS.sub("#", batch.error.replace(batch.id, "")))
    ):
        first = group[0]
        again = "; tried again by itself" if first.is_retried else ""
        ids = [batch.id for batch in group]
        yield Cause(
            key=cause_key(Kind.NEEDS_A_PERSON, first.dataset, first.error.replace(first.id, "")),
            dataset=first.dataset,
            kind=Kind.NEEDS_A_PERSON,
            since=min(batch.since for batch in group),
            what=f"{_count(len(ids), 'batch needs', 'batches need')} you ({_some(ids)}): {first.error}{again}",
            next_command=first.next_step,
        )


def _without_numbers(batch: StoppedBatch) -> str:
    return _NUMBERS.sub("#", batch.error.replace(batch.id, ""))


def _late(batches: Iterable[LateBatch]) -> Iterator[Cause]:
    for group in _grouped(batches, lambda batch: (batch.dataset, batch.stage.value)):
        first = group[0]
        people = sorted({person for batch in group for person in batch.people if person})
        who = f"; with {_some(people)}" if people else ""
        ids = [batch.id for batch in group]
        yield Cause(
            key=cause_key(Kind.LATE, first.dataset, first.stage.value),
            dataset=first.dataset,
            kind=Kind.LATE,
            since=min(batch.due for batch in group),
            what=f"{_count(len(ids), 'batch is', 'batches are')} late, {_STAGES[first.stage]} ({_some(ids)}{who})",
            next_command=f"labelyard why {first.id}",
        )


def _outage(one: Outage) -> Cause:
    what = f"{one.server} does not answer, and its work waits: {one.error}"
    return Cause(cause_key(Kind.SERVER, None, one.server), None, Kind.SERVER, one.since, what, "labelyard doctor")


def _dead_letters(seen: Situation) -> Iterator[Cause]:
    if seen.dead_letters:
        count = _count(seen.dead_letters, "message", "messages")
        yield Cause(
            key=cause_key(Kind.DEAD_LETTERS, None, ""),
            dataset=None,
            kind=Kind.DEAD_LETTERS,
            since=seen.dead_letters_since or seen.at,
            what=f"{count} could not be parsed or registered, and may be about new files",
            next_command="labelyard dead-letters",
        )


def _nothing_arrived(one: ExpectedObjects, now: datetime) -> Cause:
    quiet, every = _duration(now - one.last), _duration(one.every)
    return Cause(
        key=cause_key(Kind.NOTHING_ARRIVED, one.dataset, ""),
        dataset=one.dataset,
        kind=Kind.NOTHING_ARRIVED,
        since=one.last + one.every,
        what=f"nothing has arrived for {quiet}, and new objects are expected every {every}",
        next_command="labelyard doctor",
    )


def _problem(one: OpenProblem) -> Cause:
    return Cause(cause_key(one.kind, one.dataset, one.name), one.dataset, one.kind, one.since, one.what, one.next_step)


def _is_due(problem: OpenProblem, now: datetime) -> bool:
    return problem.kind is not Kind.QUEUE or now - problem.since >= QUEUE_LONG


def _grouped(members: Iterable[T], by: Callable[[T], tuple[str, ...]]) -> Iterator[Sequence[T]]:
    groups: dict[tuple[str, ...], list[T]] = {}
    for member in members:
        groups.setdefault(by(member), []).append(member)
    yield from groups.values()


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more


def _duration(span: timedelta) -> str:
    if span >= timedelta(days=2):
        return f"{span.days} days"
    hours = span / timedelta(hours=1)
    return f"{hours:.0f} hours" if hours >= 2 else f"{span / timedelta(minutes=1):.0f} minutes"

"""What needs a person: each cause once, however many batches or objects it has, with the next command.

A cause either asks a person to act (work has stopped, and only a person continues it) or only to look. What heals by
itself is no cause: a failure that is tried again, or a server that was unavailable for a short time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from labelyard.domain.deadlines import BatchAtWork, LateBatch, Stage
from labelyard.domain.states import BatchState

TRIED_IN_VAIN = 5
"""After so many failures in a row a batch needs a person, though it is tried again."""
AWAY_LONG = timedelta(minutes=15)
"""After this time an unavailable server needs a person."""

_NUMBERS = re.compile(r"[0-9]+")


class Kind(StrEnum):
    """What kind of cause it is; those that ask a person to act come first."""

    FAILED = "failed"
    """Batches that only `labelyard retry` continues."""
    RETRIED = "tried again in vain"
    """Batches that fail again and again, or are late and fail."""
    SERVER = "server unavailable"
    """A CVAT, object storage, the queue or Prefect, for longer than AWAY_LONG."""
    DEAD_LETTERS = "dead letters"
    """Messages that could not be parsed or registered."""
    NOBODY = "jobs of nobody"
    """Unfinished jobs without an assignee."""
    QUARANTINED = "quarantined"
    """Objects kept out of their batch."""
    PAUSED = "paused"
    """Datasets that a person has paused."""
    WARNING = "warning"
    """Warnings of batches."""


_TO_ACT = frozenset({Kind.FAILED, Kind.RETRIED, Kind.SERVER, Kind.DEAD_LETTERS, Kind.NOBODY})


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that a person has to do or to know."""

    kind: Kind
    reason: str
    """Why, in the words of the first batch or object."""
    next_step: str
    """The next command; empty where there is nothing to do."""
    since: datetime
    datasets: tuple[str, ...] = ()
    batches: tuple[str, ...] = ()
    objects: int = 0
    """How many objects, messages or jobs it concerns; 0 where it concerns batches as a whole."""
    examples: tuple[str, ...] = ()
    """Some addresses of its objects, or names of its jobs."""

    @property
    def to_act(self) -> bool:
        """Whether a person must act; otherwise it is only to know."""
        return self.kind in _TO_ACT

    @property
    def key(self) -> str:
        """An id that stays the same while the cause lasts, whatever numbers its reason has."""
        said = _NUMBERS.sub("#", self.reason)
        return hashlib.sha256("\0".join((self.kind, said, *self.datasets)).encode()).hexdigest()[:16]


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


@dataclass(frozen=True, slots=True)
class QuarantinedObject:
    """An object kept out of its batch: its s3:// address, its dataset and batch (or ""), why, and since when."""

    url: str
    dataset: str
    batch: str
    reason: str
    since: datetime


@dataclass(frozen=True)
class Situation:
    """Everything that may need a person, at a time."""

    at: datetime
    batches: Sequence[BatchAtWork] = ()
    late: Sequence[LateBatch] = ()
    outages: Sequence[Outage] = ()
    quarantined: Sequence[QuarantinedObject] = ()
    dead_letters: int = 0
    dead_letters_since: datetime | None = None
    paused: Mapping[str, tuple[str, datetime]] = field(default_factory=dict)
    """The reason and the time by dataset."""


def causes(seen: Situation) -> list[Cause]:
    """Return what needs a person, one cause for all batches or objects that have it; what asks to act comes first."""
    found = [
        *_of_batches(seen),
        *(_of_server(outage) for outage in seen.outages if seen.at - outage.since > AWAY_LONG),
        *_of_messages(seen),
        *_of_nobody(seen),
        *_of_objects(seen),
        *(_of_pause(name, why, since) for name, (why, since) in sorted(seen.paused.items())),
    ]
    order = list(Kind)
    return sorted(found, key=lambda cause: (order.index(cause.kind), -len(cause.batches), cause.since))


def verdict(found: Sequence[Cause], late: Sequence[LateBatch], *, at_work: int, down: Sequence[str] = ()) -> str:
    """Return how things stand, in one sentence. `at_work` is how many batches are not exported; `down` names servers.

    "2 batches need you, 3 late", "all running, 3 late", "CVAT default unavailable", "nothing to do".
    """
    stopped = {batch for cause in found if cause.to_act for batch in cause.batches}
    other = sum(cause.to_act and not cause.batches and cause.kind is not Kind.SERVER for cause in found)
    parts = []
    if stopped:
        parts.append("1 batch needs you" if len(stopped) == 1 else f"{len(stopped)} batches need you")
    if other:
        parts.append("1 thing needs you" if other == 1 else f"{other} things need you")
    if down:
        is_long = any(cause.kind is Kind.SERVER for cause in found)
        parts.append(f"{' and '.join(down)} unavailable" if is_long else f"waiting for {' and '.join(down)}")
    if not parts:
        parts.append("all running" if at_work else "nothing to do")
    if overdue := sum(late_one.id not in stopped for late_one in late):
        parts.append(f"{overdue} late")
    return ", ".join(parts)


def _of_batches(seen: Situation) -> Iterator[Cause]:
    overdue = {late.id for late in seen.late}
    away = {outage.server for outage in seen.outages}
    all_wait = any(outage.every_batch for outage in seen.outages)

    def is_vain(batch: BatchAtWork) -> bool:
        if batch.state is BatchState.FAILED or all_wait or batch.cvat in away:
            return False
        return bool(batch.error) and (batch.attempts >= TRIED_IN_VAIN or batch.id in overdue)

    failed = [batch for batch in seen.batches if batch.state is BatchState.FAILED]
    waiting = [batch for batch in seen.batches if is_vain(batch)]
    warned = [batch for batch in seen.batches if batch.warning and batch.state is not BatchState.FAILED]
    for kind, members, said in (
        (Kind.FAILED, failed, lambda batch: batch.error or "failed"),
        (Kind.RETRIED, waiting, lambda batch: batch.error or ""),
        (Kind.WARNING, warned, lambda batch: batch.warning or ""),
    ):
        yield from (_of_group(kind, group, said) for group in _grouped(members, said))


def _of_group(kind: Kind, group: Sequence[BatchAtWork], said: Callable[[BatchAtWork], str]) -> Cause:
    first = group[0]
    next_step = first.next_step or ("labelyard why " + first.id if kind is Kind.WARNING else "")
    if kind is Kind.FAILED and not first.next_step:
        next_step = f"labelyard retry {first.id}"
    return Cause(
        kind=kind,
        reason=said(first),
        next_step=next_step,
        since=min(batch.stage_since for batch in group),
        datasets=_distinct(batch.dataset for batch in group),
        batches=tuple(batch.id for batch in group),
    )


def _grouped(batches: Iterable[BatchAtWork], said: Callable[[BatchAtWork], str]) -> Iterator[Sequence[BatchAtWork]]:
    """Yield the batches that say the same, but for numbers and their own names."""
    groups: dict[str, list[BatchAtWork]] = {}
    for batch in batches:
        groups.setdefault(_NUMBERS.sub("#", said(batch).replace(batch.id, "")), []).append(batch)
    yield from groups.values()


def _of_server(outage: Outage) -> Cause:
    return Cause(
        kind=Kind.SERVER,
        reason=f"{outage.label or outage.server} is unavailable: {outage.error}",
        next_step=outage.next_step,
        since=outage.since,
    )


def _of_messages(seen: Situation) -> Iterator[Cause]:
    if seen.dead_letters:
        messages = "message" if seen.dead_letters == 1 else "messages"
        yield Cause(
            kind=Kind.DEAD_LETTERS,
            reason=f"{seen.dead_letters} {messages} could not be parsed or registered",
            next_step="labelyard dead-letters",
            since=seen.dead_letters_since or seen.at,
            objects=seen.dead_letters,
        )


def _of_nobody(seen: Situation) -> Iterator[Cause]:
    by_dataset: dict[str, list[BatchAtWork]] = {}
    for batch in seen.batches:
        if batch.state is BatchState.ASSIGNED and any(not job.assignee and not job.is_done for job in batch.jobs):
            by_dataset.setdefault(batch.dataset, []).append(batch)
    for dataset, members in by_dataset.items():
        jobs = [job for batch in members for job in batch.jobs if not job.assignee and not job.is_done]
        yield Cause(
            kind=Kind.NOBODY,
            reason=f"{len(jobs)} unfinished {'job has' if len(jobs) == 1 else 'jobs have'} no assignee",
            next_step="assign them in CVAT",
            since=min(job.since for job in jobs),
            datasets=(dataset,),
            batches=tuple(batch.id for batch in members),
            objects=len(jobs),
        )


def _of_objects(seen: Situation) -> Iterator[Cause]:
    groups: dict[str, list[QuarantinedObject]] = {}
    for one in seen.quarantined:
        groups.setdefault(_NUMBERS.sub("#", one.reason.replace(one.url, "")), []).append(one)
    for group in groups.values():
        yield Cause(
            kind=Kind.QUARANTINED,
            reason=group[0].reason,
            next_step=f"labelyard why {group[0].url}",
            since=min(one.since for one in group),
            datasets=_distinct(one.dataset for one in group),
            batches=_distinct(one.batch for one in group if one.batch),
            objects=len(group),
            examples=tuple(one.url for one in group[:3]),
        )


def _of_pause(dataset: str, why: str, since: datetime) -> Cause:
    return Cause(
        kind=Kind.PAUSED,
        reason=f"{dataset} is paused{': ' + why if why else ''}",
        next_step=f"labelyard resume {dataset}",
        since=since,
        datasets=(dataset,),
    )


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def stage_words(stage: Stage) -> str:
    """Return what a late batch waits for, in words."""
    return {
        Stage.UPLOAD: "not uploaded to CVAT yet",
        Stage.ASSIGN: "jobs not assigned yet",
        Stage.LABEL: "not labelled yet",
        Stage.EXPORT: "completed, not exported yet",
    }[stage]

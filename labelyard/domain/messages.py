"""Messages to people: what somebody has to be told about their work, when, and in which words.

What a person has to do is compared with what they were told, job by job. So work that comes and goes before anybody
was told of it needs no message, and a restart repeats none.

        new work ──▶ told ──▶ forgotten once it is done
                      └─▶ taken: somebody else has it ──▶ told ──▶ forgotten
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from labelyard.domain.alerts import Message, harmless
from labelyard.domain.causes import counted
from labelyard.domain.working_hours import WorkingHours

REFUSED_OFTEN = 3
"""After so many failures in a row of a person's channel the lead gets an alert."""
NOBODY = ""
"""Who has a job that nobody has."""
_LISTED = 8
"""How many jobs of a kind a message names with their links."""


class WorkKind(StrEnum):
    """What somebody has to do about a job."""

    LABEL = "label"
    REPAIR = "repair"
    """It came back: a reviewer or the check sent it back, or a person reopened it."""
    REVIEW = "review"
    TRUTH = "ground truth"


@dataclass(frozen=True, slots=True)
class OpenJob:
    """An unfinished job, who has it, and what there is to do about it."""

    batch: str
    dataset: str
    job: int
    """CVAT's id."""
    person: str
    """Who has it, or NOBODY."""
    kind: WorkKind
    turn: int = 0
    """How often it came back, or the round of its review: each is told of."""
    url: str = ""
    reason: str = ""
    """Why this person has it and not the one before; empty for other work."""
    is_settled: bool = True
    """Whether nothing about it is just being sent to the server, and its task can be read."""


@dataclass(frozen=True, slots=True)
class News:
    """What a person has been told about a job, or has to be told."""

    kind: WorkKind
    turn: int
    since: datetime
    """Since when there is something to tell, or was."""
    notified: bool = False
    """Whether the person knows that they have this to do."""
    times_notified: int = 0
    """How many messages have named the job."""
    taken_by: str | None = None
    """Who has it now; None while it is the person's own."""

    @property
    def is_due(self) -> bool:
        """Whether there is something to tell."""
        return self.taken_by is not None or not self.notified


def next_news(known: News | None, own: OpenJob | None, now_with: OpenJob | None, now: datetime) -> News | None:
    """Return what there is to tell a person about a job, None if nothing, now or later.

    `own` is the job if the person has it, `now_with` the unfinished job whoever has it.
    """
    if now_with is not None and not now_with.is_settled:
        return known
    if own is None:
        return _taken(known, now_with, now)
    if known is not None and (known.kind, known.turn) == (own.kind, own.turn):
        return replace(known, taken_by=None)
    return News(own.kind, own.turn, now, times_notified=known.times_notified if known is not None else 0)


def _taken(known: News | None, now_with: OpenJob | None, now: datetime) -> News | None:
    if known is None or now_with is None or not known.times_notified:
        return None
    if (known.kind is WorkKind.REVIEW) != (now_with.kind is WorkKind.REVIEW):
        return None  # the person has completed it: its review has begun, or is over
    since = now if known.taken_by is None else known.since
    return replace(known, taken_by=now_with.person, since=since)


def after_message(sent: News, current: News) -> News | None:
    """Return what is left to tell after a message that said `sent`; None: forget the job.

    What changed while the message was sent, the next one says.
    """
    if sent.taken_by is not None:
        return None if current.taken_by is not None else replace(current, notified=False)
    is_same = (sent.kind, sent.turn) == (current.kind, current.turn)
    return replace(current, notified=current.notified or is_same, times_notified=current.times_notified + 1)


def is_time(news: Sequence[News], now: datetime, bundle: timedelta) -> bool:
    """Return whether something has been to tell for so long that all of it is told now, in one message."""
    return any(one.is_due and now - one.since >= bundle for one in news)


def works_now(hours: Sequence[WorkingHours], now: datetime, *, is_quiet: bool) -> bool:
    """Return whether a person can get a message: in the hours of any dataset; without any, outside the quiet hours."""
    return any(one.include(now) for one in hours) if hours else not is_quiet


_TITLES = {
    WorkKind.REPAIR: "back to be corrected",
    WorkKind.LABEL: "to label",
    WorkKind.REVIEW: "to review",
    WorkKind.TRUTH: "of ground truth",
}


def compose(own: Sequence[OpenJob], taken: Sequence[OpenJob]) -> Message:
    """Return one message about the work that somebody got, and about what went to somebody else."""
    by_kind = {kind: [job for job in own if job.kind is kind] for kind in _TITLES}
    parts = [f"{counted(len(jobs), 'job', 'jobs')} {_TITLES[kind]}" for kind, jobs in by_kind.items() if jobs]
    if taken:
        parts.append(f"{counted(len(taken), 'job', 'jobs')} not with you any more")
    lines: list[str] = []
    for kind, jobs in by_kind.items():
        lines += _lines(f"{_TITLES[kind]}:", jobs)
    lines += _lines("not with you any more, please leave:", taken, with_person=True)
    return Message(harmless(f"labelyard: {', '.join(parts)}"), harmless("\n".join(lines)))


def _lines(title: str, jobs: Sequence[OpenJob], *, with_person: bool = False) -> Sequence[str]:
    if not jobs:
        return []
    lines = [title]
    for job in jobs[:_LISTED]:
        now_with = f", now with {job.person or 'nobody'}" if with_person else ""
        why = f" ({job.reason})" if job.reason else ""
        lines.append(f"- job {job.job} of {job.batch}{now_with}{why}{f': {job.url}' if job.url else ''}")
    if len(jobs) > _LISTED:
        lines.append(f"- and {counted(len(jobs) - _LISTED, 'other job', 'other jobs')}")
    return lines

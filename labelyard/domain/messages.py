"""Messages to people: what somebody has to be told about their work, when, and in which words.

What a person has to do is compared with what they were told, job by job. So work that comes and goes before anybody
was told of it needs no message, and a restart repeats none.

        new work ──▶ told ──▶ forgotten once it is done
                      └─▶ taken: somebody else has it ──▶ told ──▶ forgotten
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from textwrap import shorten
from typing import TypeAlias

from labelyard.domain.alerts import Message, harmless
from labelyard.domain.causes import counted
from labelyard.domain.working_hours import WorkingHours

REFUSED_OFTEN = 3
"""After so many failures in a row of a person's channel the lead gets an alert."""
NOBODY = ""
"""Who has a job that nobody has."""
_LISTED = 8
"""How many jobs of a kind a message names with their links, at most."""
_LONGEST = 1000
"""How many characters all jobs that a message names may have."""
_LONGEST_NUMBERS = 300
"""How many characters the numbers of the other jobs of a kind may have."""

JobKey: TypeAlias = tuple[str, int]
"""A batch, and CVAT's id of a job."""


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
    job: int
    """CVAT's id."""
    person: str
    """Who has it, or NOBODY."""
    kind: WorkKind
    turn: int = 0
    """How often it came back, or the round of its review: people are told of each."""
    task_url: str = ""
    left_by: str = ""
    """Who had it before and gets it no more; empty if nobody."""
    reason: str = ""
    """Why they have it no more, beginning with their name, or why nobody has it; empty if there is nothing to say."""
    is_settled: bool = True
    """Whether nothing about it is just being sent to the server, and its task can be read."""

    @property
    def key(self) -> JobKey:
        """What no other job has."""
        return self.batch, self.job

    @property
    def url(self) -> str:
        """Its page in CVAT, empty if it is not known."""
        return f"{self.task_url}/jobs/{self.job}" if self.task_url else ""


@dataclass(frozen=True, slots=True)
class Notice:
    """What a person has been told about a job, or has to be told."""

    kind: WorkKind
    turn: int
    since: datetime
    """Since when there is something to tell, or was."""
    notified: bool = False
    """Whether the person knows that they have this to do."""
    named: bool = False
    """Whether a message has ever named the job."""
    taken_by: str | None = None
    """Who has it now; None while it is the person's own."""

    @property
    def is_due(self) -> bool:
        """Whether there is something to tell."""
        return self.taken_by is not None or not self.notified


@dataclass(frozen=True, slots=True)
class Decision:
    """What a look finds about a person."""

    changes: Mapping[JobKey, Notice | None] = field(default_factory=dict)
    """The notices that differ from the stored ones; None: forget it."""
    due: Mapping[JobKey, Notice] = field(default_factory=dict)
    """What a message can say now; all of it, once `is_time`."""
    is_time: bool = False
    """Whether some of it has been due for so long that the message is sent."""
    is_done: bool = True
    """Whether there is nothing to tell, nor will there be of a job that is not settled."""


def decide(
    person: str,
    known: Mapping[JobKey, Notice],
    own: Sequence[OpenJob],
    jobs: Mapping[JobKey, OpenJob],
    now: datetime,
    bundle: timedelta,
) -> Decision:
    """Compare what a person has to do with what they were told.

    `own` are the unfinished jobs that they have, `jobs` those of everybody. A job that is not settled keeps its notice,
    and no message names it: who has it next is not known.
    """
    changes: dict[JobKey, Notice | None] = {}
    due: dict[JobKey, Notice] = {}
    is_done = True
    for key in dict.fromkeys((*known, *(job.key for job in own))):
        before, job = known.get(key), jobs.get(key)
        after = next_notice(before, job if job is not None and job.person == person else None, job, now)
        if after != before:
            changes[key] = after
        if after is not None and after.is_due and job is not None:
            is_done = False
            if job.is_settled:
                due[key] = after
    return Decision(changes, due, any(now - one.since >= bundle for one in due.values()), is_done)


def next_notice(known: Notice | None, own: OpenJob | None, now_with: OpenJob | None, now: datetime) -> Notice | None:
    """Return what there is to tell a person about a job, None if nothing, now or later.

    `own` is the job if the person has it, `now_with` the unfinished job whoever has it.
    """
    if now_with is not None and not now_with.is_settled:
        return known
    if own is None:
        return _taken(known, now_with, now)
    if known is not None and (known.kind, known.turn) == (own.kind, own.turn):
        return replace(known, taken_by=None)
    return Notice(own.kind, own.turn, now, named=known is not None and known.named)


def _taken(known: Notice | None, now_with: OpenJob | None, now: datetime) -> Notice | None:
    if known is None or now_with is None or not known.named:
        return None
    if (known.kind is WorkKind.REVIEW) != (now_with.kind is WorkKind.REVIEW):
        return None  # the person has completed it: its review has begun, or is over
    since = now if known.taken_by is None else known.since
    return replace(known, taken_by=now_with.person, since=since)


def after_message(sent: Notice) -> Notice | None:
    """Return what is left to tell after a message that said `sent`; None: forget the job."""
    return None if sent.taken_by is not None else replace(sent, notified=True, named=True)


def works_now(hours: Sequence[WorkingHours], now: datetime, *, is_quiet: bool) -> bool:
    """Return whether a person can get a message: in the hours of any dataset; without any, outside the quiet hours."""
    return any(one.include(now) for one in hours) if hours else not is_quiet


_TITLES = {
    WorkKind.REPAIR: ("job back to be corrected", "jobs back to be corrected"),
    WorkKind.LABEL: ("job to label", "jobs to label"),
    WorkKind.REVIEW: ("job to review", "jobs to review"),
    WorkKind.TRUTH: ("ground-truth job", "ground-truth jobs"),
}
_TAKEN = ("job not with you any more", "jobs not with you any more")


def compose(person: str, jobs: Sequence[OpenJob]) -> Message:
    """Return one message about the jobs that a person got, and about those that they do not have any more.

    Those come first: somebody may be working on them. Of many jobs the first are named; lines are never cut.
    """
    taken = [job for job in jobs if job.person != person]
    own = {kind: [job for job in jobs if job.person == person and job.kind is kind] for kind in _TITLES}
    parts = [(_TAKEN, taken), *((_TITLES[kind], found) for kind, found in own.items())]
    titles = [counted(len(found), *words) for words, found in parts if found]
    lines: list[str] = []
    room = _LONGEST
    for (_, many), found in parts:
        if not found:
            continue
        lines.append(f"{many}, please leave them:" if found is taken else f"{many}:")
        shown = 0
        for line in (_line(person, job) for job in found[:_LISTED]):
            if len(line) > room:
                break
            lines.append(line)
            room, shown = room - len(line), shown + 1
        if rest := found[shown:]:
            lines.append(_rest(rest, shown))
    return Message(f"labelyard: {', '.join(titles)}", "\n".join(lines), asks_to_act=False)


def _line(person: str, job: OpenJob) -> str:
    if job.person == person:
        now_with = ""
        why = f"{job.left_by} had it before" if job.left_by and not job.reason else job.reason
    else:
        now_with = f", now with {job.person or 'nobody'}"
        why = f"you{job.reason.removeprefix(person)}" if job.reason.startswith(f"{person} ") else job.reason
    return harmless(
        f"- job {job.job} of {job.batch}{now_with}{f' ({why})' if why else ''}{f': {job.url}' if job.url else ''}",
        keep="",
    )


def _rest(jobs: Sequence[OpenJob], shown: int) -> str:
    tasks = list(dict.fromkeys(job.task_url for job in jobs if job.task_url))
    where = f": {tasks[0]}" if tasks else ""
    more = f" and {counted(len(tasks) - 1, 'other task', 'other tasks')}" if len(tasks) > 1 else ""
    words = ("other job", "other jobs") if shown else ("job", "jobs")
    numbers = shorten(", ".join(str(job.job) for job in jobs), _LONGEST_NUMBERS, placeholder=" …")
    return harmless(f"- {'and ' if shown else ''}{counted(len(jobs), *words)} ({numbers}){where}{more}", keep="")

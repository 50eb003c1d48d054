"""When a batch closes: `decide` answers for every event, and the ledger and the pipeline carry the answer out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from pydantic import ByteSize

from labelyard.domain.objects import StoredObject


class GroupBy(StrEnum):
    """What the objects of a batch have in common, beside their dataset."""

    FOLDER = "folder"


UNGROUPED = ""
"""The group of a dataset's one open batch without `group_by`."""


class BatchingRules(Protocol):
    """The fields of the dataset file's section `batch` that decide when a batch closes."""

    @property
    def max_objects(self) -> int: ...  # noqa: D102
    @property
    def max_bytes(self) -> ByteSize: ...  # noqa: D102
    @property
    def quiet(self) -> timedelta | None: ...  # noqa: D102
    @property
    def max_age(self) -> timedelta | None: ...  # noqa: D102
    @property
    def group_by(self) -> GroupBy | None: ...  # noqa: D102


@dataclass(frozen=True)
class BatchContents:
    """How much is in an open batch, and since when."""

    objects: int
    bytes: int
    opened_at: datetime
    last_registered_at: datetime


@dataclass(frozen=True)
class ObjectArrives:
    """An object of `size` bytes is registered at `now` and joins the batch."""

    size: int
    now: datetime


@dataclass(frozen=True)
class MarkerArrives:
    """The dataset's marker object is registered; `url` is its address."""

    url: str


@dataclass(frozen=True)
class TimePasses:
    """Nothing happens; it is `now`."""

    now: datetime


@dataclass(frozen=True)
class PersonCloses:
    """A person runs `labelyard close`."""


@dataclass(frozen=True)
class DatasetIsIngested:
    """ingest-dataset runs, by the dataset's schedule or because a person starts it."""


BatchEvent = ObjectArrives | MarkerArrives | TimePasses | PersonCloses | DatasetIsIngested


@dataclass(frozen=True)
class Decision:
    """Why the batch closes before or after the event; None where it stays open.

    With `close_before`, the arriving object joins a new batch, and `close_after` is about that one.
    """

    close_before: str | None = None
    close_after: str | None = None


def decide(rules: BatchingRules, contents: BatchContents, event: BatchEvent) -> Decision:
    """Decide whether an event closes the open batch. An empty batch never closes."""
    match event:
        case ObjectArrives():
            return _on_object(rules, contents, event)
        case _ if not contents.objects:
            return Decision()
        case MarkerArrives(url):
            return Decision(close_after=f"the marker {url} arrived")
        case TimePasses(now):
            return Decision(close_after=_full(rules, contents) or _overdue(rules, contents, now))
        case PersonCloses():
            return Decision(close_after="closed by a person")
        case DatasetIsIngested():
            return Decision(close_after="closed by a run of ingest-dataset")


def group_of(rules: BatchingRules, obj: StoredObject) -> str:
    """Return the group of the open batch that an object joins: with `group_by: folder` its folder's address."""
    return obj.folder if rules.group_by is GroupBy.FOLDER else UNGROUPED


def groups_of_marker(open_groups: Iterable[str], marker: StoredObject) -> Iterator[str]:
    """Return the groups whose open batches a marker closes: its folder, those below it, and the ungrouped one."""
    return (group for group in open_groups if group == UNGROUPED or group.startswith(marker.folder))


def closes_at(rules: BatchingRules, contents: BatchContents) -> datetime | None:
    """Return when the batch closes if no more objects arrive; None if time alone never closes it."""
    times = [
        since + after
        for since, after in ((contents.last_registered_at, rules.quiet), (contents.opened_at, rules.max_age))
        if after is not None
    ]
    return min(times, default=None)


def _on_object(rules: BatchingRules, contents: BatchContents, event: ObjectArrives) -> Decision:
    before = None
    # A single object always fits, however large it is.
    if contents.objects and contents.bytes + event.size > rules.max_bytes:
        before = f"the next object would exceed {rules.max_bytes.human_readable()}"
        contents = BatchContents(0, 0, event.now, event.now)
    joined = BatchContents(contents.objects + 1, contents.bytes + event.size, contents.opened_at, event.now)
    return Decision(before, _full(rules, joined) or _overdue(rules, joined, event.now))


def _full(rules: BatchingRules, contents: BatchContents) -> str | None:
    if contents.objects >= rules.max_objects:
        return f"it holds {contents.objects} objects"
    if contents.bytes >= rules.max_bytes:
        return f"it holds {rules.max_bytes.human_readable()}"
    return None


def _overdue(rules: BatchingRules, contents: BatchContents, now: datetime) -> str | None:
    if rules.quiet is not None and now >= contents.last_registered_at + rules.quiet:
        return f"no object arrived for {_in_words(rules.quiet)}"
    if rules.max_age is not None and now >= contents.opened_at + rules.max_age:
        return f"its first object arrived {_in_words(rules.max_age)} ago"
    return None


def _in_words(length: timedelta) -> str:
    seconds = length.total_seconds()
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"

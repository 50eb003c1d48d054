"""What is wrong with a labelyard at rest: bucket, ledger, server and exports side by side. Pure.

Nothing is wrong when each object is in exactly one task and one current export, no task is an orphan, each job has a
person, nobody's boxes are lost, each refusal has a reason, and each object's history explains where it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

AT_REST = frozenset({"exported", "quarantined"})
_STORY = ("registered", "closed", "created", "uploaded", "ready", "assigned", "completed", "exported")


@dataclass(frozen=True)
class Object:
    """A row of the ledger: one content of one key. `story` is what `why` tells, in order."""

    key: str
    etag: str
    batch: str | None
    name: str | None
    quarantine_reason: str | None
    story: tuple[str, ...]


@dataclass(frozen=True)
class Batch:
    """A batch, with its current task (0: none) and its jobs as the ledger knows them (job -> person)."""

    id: str
    state: str
    task: int = 0
    jobs: Mapping[int, str | None] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True)
class Export:
    """A row of the ledger about a file in the bucket."""

    batch: str
    key: str
    current: bool


@dataclass(frozen=True)
class Task:
    """A task of the server: names of its frames, job -> person, boxes by frame's name, tags left in it."""

    id: int
    name: str
    frames: tuple[str, ...] = ()
    jobs: Mapping[int, str | None] = field(default_factory=dict)
    boxes: Mapping[str, int] = field(default_factory=dict)
    tags: int = 0


@dataclass(frozen=True)
class File:
    """An exported file in the bucket: the keys of its images, and boxes by key."""

    key: str
    images: tuple[str, ...]
    boxes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """A labelyard at rest.

    `bucket` is what lies below the sources now, key -> ETag; `unusable` are the keys of files that are no images.
    """

    bucket: Mapping[str, str]
    unusable: frozenset[str]
    objects: Sequence[Object]
    batches: Sequence[Batch]
    exports: Sequence[Export]
    tasks: Sequence[Task]
    files: Sequence[File]
    unsent: int = 0


def differences(seen: Seen) -> list[str]:
    """Everything that is not as it has to be, in words; empty when the run is clean."""
    return [
        *_landed(seen),
        *_rested(seen),
        *_orphans(seen),
        *(line for batch in seen.batches for line in _batch(seen, batch)),
        *(line for one in seen.objects for line in _explained(seen, one)),
        *_strays(seen),
    ]


def _landed(seen: Seen) -> Iterator[str]:
    rows = Counter((one.key, one.etag) for one in seen.objects)
    for key, etag in seen.bucket.items():
        if rows[key, etag] != 1:
            yield f"{key} ({etag[:6]}) is {rows[key, etag]} times in the ledger"


def _rested(seen: Seen) -> Iterator[str]:
    for batch in seen.batches:
        if batch.state not in AT_REST:
            yield f"{batch.id} is {batch.state}, not at rest" + (f": {batch.error}" if batch.error else "")
        elif batch.error:
            yield f"{batch.id} is {batch.state} and still shows a failure: {batch.error}"
    if seen.unsent:
        yield f"{seen.unsent} announcements were never sent"


def _orphans(seen: Seen) -> Iterator[str]:
    ours = {batch.task for batch in seen.batches}
    for task in seen.tasks:
        if task.id not in ours:
            yield f"task {task.id} ({task.name!r}, {len(task.frames)} frames) is an orphan"


def _batch(seen: Seen, batch: Batch) -> Iterator[str]:
    members = [one for one in seen.objects if one.batch == batch.id]
    counting = [one for one in members if one.quarantine_reason is None]
    if not counting:
        return
    task = next((task for task in seen.tasks if task.id == batch.task), None)
    if task is None:
        yield f"{batch.id}: its task {batch.task} is not on the server"
        return
    sent = Counter(one.name for one in members if one.name is not None)
    if Counter(task.frames) != sent or any(one.name is None for one in counting):
        yield f"{batch.id}: task {task.id} shows {_short(task.frames)} instead of {_short(sent.elements())}"
    yield from _jobs(batch, task)
    yield from _export(seen, batch, task, counting)


def _jobs(batch: Batch, task: Task) -> Iterator[str]:
    if not task.jobs:
        yield f"{batch.id}: task {task.id} has no jobs"
    for job, person in task.jobs.items():
        if person is None:
            yield f"{batch.id}: job {job} has no person"
    if dict(batch.jobs) != dict(task.jobs):
        yield f"{batch.id}: the ledger has the jobs {dict(batch.jobs)}, the server {dict(task.jobs)}"
    if task.tags:
        yield f"{batch.id}: task {task.id} holds {task.tags} tags that nobody set"


def _export(seen: Seen, batch: Batch, task: Task, counting: Sequence[Object]) -> Iterator[str]:
    current = [export for export in seen.exports if export.batch == batch.id and export.current]
    if len(current) != 1:
        yield f"{batch.id} has {len(current)} current exports"
        return
    file = next((file for file in seen.files if file.key == current[0].key), None)
    if file is None:
        yield f"{batch.id}: the export {current[0].key} is not in the bucket"
        return
    keys = Counter(one.key for one in counting)
    if Counter(file.images) != keys:
        yield f"{batch.id}: {file.key} holds {_short(file.images)} instead of {_short(keys.elements())}"
    for one in counting:
        drawn, exported = task.boxes.get(one.name or "", 0), file.boxes.get(one.key, 0)
        if drawn != exported:
            yield f"{batch.id}: {one.key} has {drawn} boxes on the server and {exported} in its export"


def _explained(seen: Seen, one: Object) -> Iterator[str]:
    if one.quarantine_reason is not None:
        if not one.quarantine_reason:
            yield f"{one.key} was set aside without a reason"
        if one.key not in seen.unusable and seen.bucket.get(one.key) == one.etag:
            yield f"{one.key} is fine and in the bucket, and was set aside: {one.quarantine_reason}"
        if "quarantined" not in one.story:
            yield f"why {one.key} does not tell that it was set aside"
    elif one.batch is not None and (untold := [word for word in _STORY if word not in one.story]):
        yield f"why {one.key} does not tell of {', '.join(untold)}"


def _strays(seen: Seen) -> Iterator[str]:
    known = {export.key for export in seen.exports}
    for file in seen.files:
        if file.key not in known:
            yield f"{file.key} lies in the bucket and the ledger does not know it"


def _short(names: object) -> str:
    return f"[{', '.join(sorted(map(str, names)))}]"  # type: ignore[call-overload]

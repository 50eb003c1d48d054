"""Quality control on CVAT 2.x: ground truth, honeypots, replicas, and CVAT's quality reports."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labelyard.domain.tasks import Frame, FrameUse, GroundTruth, Job, JobKind, JobStatus, Task


def part_of(portion: int | str, total: int) -> int:
    """Return how many of `total` a portion is, at least 1: a number, or a percentage such as "5%", rounded."""
    if isinstance(portion, str):
        portion = round(float(portion.removesuffix("%")) * total / 100)
    return max(1, portion)


def choose_ground_truth(
    batch: str, names: Sequence[str], frames: int | str, honeypots: int | str | None, segment_size: int
) -> GroundTruth | None:
    """Choose the frames of a task that get ground truth; the same names always give the same choice.

    `honeypots` is how many of a job's frames are copies of them. None where the files are too few: a task whose only
    frame is in the pool has nothing to label.
    """
    count = min(part_of(frames, len(names)), len(names) if honeypots is None else len(names) - 1)
    if count < 1:
        return None
    by_hash = sorted(names, key=lambda name: hashlib.sha256(f"{batch}\0{name}".encode()).digest())
    chosen = tuple(sorted(by_hash[:count]))
    if honeypots is None:
        return GroundTruth(chosen)
    left = len(names) - count
    per_job = part_of(honeypots, min(segment_size, left) if segment_size else left)
    seed = int.from_bytes(hashlib.sha256(batch.encode()).digest()[:4], "big") // 2
    return GroundTruth(chosen, min(per_job, count), seed)


def file_names(frames: Iterable[Frame]) -> list[str]:
    """Return the names of the files that frames were made of: a honeypot is the copy of another frame."""
    return [frame.name for frame in frames if frame.use is not FrameUse.HONEYPOT]


def has_replicas(task: Task) -> bool:
    """Return whether people label the task's replicas, and nobody its jobs."""
    return any(job.kind is JobKind.REPLICA for job in task.quality_jobs)


def finished_parents(task: Task) -> list[Job]:
    """Return the jobs whose replicas are all completed."""
    by_parent: dict[int | None, list[Job]] = {}
    for job in task.quality_jobs:
        if job.kind is JobKind.REPLICA:
            by_parent.setdefault(job.parent, []).append(job)
    done = {parent for parent, jobs in by_parent.items() if all(job.status is JobStatus.COMPLETED for job in jobs)}
    return [job for job in task.jobs if job.id in done]


def spread(replicas: Sequence[Job], annotators: Sequence[str], first: int) -> dict[int, str]:
    """Return the annotator of each replica, by its id: all of one job go to different people, if there are enough."""
    ordered = sorted(replicas, key=lambda job: (job.start_frame, job.parent or 0, job.id))
    return {job.id: annotators[turn % len(annotators)] for turn, job in enumerate(ordered, first)}


def other_annotator(
    parent: int | None, others: Iterable[tuple[int | None, str | None]], candidates: Sequence[str]
) -> str | None:
    """Return who labels a replica of the job `parent` in place of somebody else: who has the fewest replicas.

    `others` has the job and the annotator of each other replica of the task. Nobody gets two replicas of a job; None if
    every candidate has one.
    """
    held = list(others)
    taken = {person for job, person in held if job == parent}
    counts = Counter(person for _, person in held)
    able = [one for one in candidates if one not in taken]
    return min(able, key=lambda one: (counts[one], candidates.index(one)), default=None)


@dataclass(frozen=True, slots=True)
class Quality:
    """How well the annotations of a job, or of a task, agree with the ground truth; shares are from 0 to 1."""

    frames: int
    """Frames that were compared."""
    accuracy: float
    precision: float
    recall: float
    conflicts: int

    @classmethod
    def of(cls, figures: Mapping[str, Any]) -> Quality:
        """Return what the ledger stores."""
        return cls(**{name: figures[name] for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class QualityReport:
    """A quality report of CVAT on a task: in all, and by the id of each job of which frames were compared."""

    id: int
    task: Quality
    jobs: Mapping[int, Quality]

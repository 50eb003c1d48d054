"""The honeypots of a new task: which validation frames go into the pool, and the order of all frames.

The rules and the random numbers are those of CVAT, so that a seed gives the frames that it gives there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cvat_sandbox.state.validation import NO_COUNT, Selection, UnsuitableFrames

TOO_FEW = "Cannot create task: too few non-honeypot frames left after selecting validation frames"


class LeastUsed:
    """Chooses those frames next that were chosen least, in a random order, and none twice at once."""

    def __init__(self, frames: Iterable[int], random: np.random.Generator) -> None:
        order = list(frames)
        random.shuffle(order)
        self._queue = order

    def take(self, count: int) -> list[int]:
        """Return the next frames; at most as many as there are."""
        taken, self._queue = self._queue[:count], self._queue[count:] + self._queue[:count]
        return taken


@dataclass(frozen=True)
class Plan:
    """The frames of a new task with honeypots."""

    order: list[int]
    """The original number of each new frame: those of the jobs, then the pool."""
    segments: list[range]
    """The new frames of each job."""
    pool: range
    """The new numbers of the validation frames."""
    honeypots: dict[int, int]
    """The validation frame of each honeypot, in new numbers."""
    per_job: int
    """How many honeypots each job has."""

    def reordered(self, numbers: Sequence[int]) -> Plan:
        """Return the plan with other original numbers: `numbers[n]` for n."""
        return replace(self, order=[numbers[number] for number in self.order])


def plan(names: Sequence[str], selection: Selection, segment_size: int) -> Plan:
    """Return the frames of a task. names: those of its images, sorted. Raises UnsuitableFrames."""
    random = selection.random
    pool = sorted(_pool(names, selection, random))
    if len(pool) >= len(names):
        raise UnsuitableFrames(TOO_FEW)
    per_job = min(len(pool), _per_job(selection, len(pool), segment_size))
    others = [number for number in range(len(names)) if number not in set(pool)]
    random.shuffle(others)
    chooser, arrange = LeastUsed(pool, random), selection.random
    order: list[int] = []
    segments, copies = [], dict[int, int]()
    for part in _parts(others, segment_size or len(names)):
        chosen = chooser.take(per_job)
        members = part + chosen
        arrange.shuffle(members)
        copies |= {len(order) + index: number for index, number in enumerate(members) if number in chosen}
        segments.append(range(len(order), len(order) + len(members)))
        order += members
    frames = {number: len(order) + index for index, number in enumerate(pool)}
    honeypots = {copy: frames[number] for copy, number in copies.items()}
    return Plan(order + pool, segments, range(len(order), len(order) + len(pool)), honeypots, per_job)


def _parts(numbers: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


def _pool(names: Sequence[str], selection: Selection, random: np.random.Generator) -> list[int]:
    if selection.frame_selection_method == "manual":
        return numbers_of(selection.frames, names)
    text = "The number of validation frames requested ({}) must be less than the number of task frames"
    count = selection.uniform(len(names), f"{text} ({len(names)})")
    if selection.frame_count and count == len(names):
        raise UnsuitableFrames(f"{text} ({len(names)})".format(count))
    return [int(number) for number in random.choice(range(len(names)), size=count, shuffle=False, replace=False)]


def numbers_of(wanted: Sequence[str], names: Sequence[str]) -> list[int]:
    """Return the numbers of files by name. Raises UnsuitableFrames for unknown names."""
    known = {name: number for number, name in enumerate(names)}
    unknown = sorted(name for name in wanted if name not in known)
    if unknown:
        raise UnsuitableFrames(f"Unknown validation frames requested: {', '.join(unknown)}")
    return [known[name] for name in wanted]


def _per_job(selection: Selection, pool_size: int, segment_size: int) -> int:
    if selection.frames_per_job_count:
        if selection.frame_count and pool_size < selection.frames_per_job_count:
            raise UnsuitableFrames(
                f"The requested number of validation frames per job ({selection.frames_per_job_count}) "
                f"is greater than the validation pool size ({pool_size})"
            )
        return selection.frames_per_job_count
    if not selection.frames_per_job_share:
        raise UnsuitableFrames(NO_COUNT)
    return max(1, int(selection.frames_per_job_share * segment_size))

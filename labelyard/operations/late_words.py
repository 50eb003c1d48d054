"""Late batches in words, for the pages and `labelyard status`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, tzinfo

from labelyard.domain.deadlines import LateBatch, stage_words
from labelyard.operations.moments import moment

_LONG = timedelta(days=2)


def due(late: LateBatch, at: datetime, zone: tzinfo) -> str:
    """Return when a late batch was due, and how many days before `at` if that is long."""
    over = at - late.due
    return f"due {moment(late.due, zone)}" + (f" ({over.days} days ago)" if over >= _LONG else "")


def waits_for(group: Sequence[LateBatch], named: Callable[[str], str]) -> str:
    """Return what alike late batches wait for: "jobs not completed yet, with ben: 20 images in 2 open jobs".

    `named` writes a person's name.
    """
    first = group[0]
    people = ", ".join(named(name) if name else "nobody" for name in first.people)
    return f"{stage_words(first.stage)}, with {people}: {open_work(group)}" if people else stage_words(first.stage)


def open_work(group: Sequence[LateBatch]) -> str:
    """Return how much late batches still have to be labelled: "20 images in 2 open jobs"."""
    images, jobs = sum(one.images for one in group), sum(len(one.jobs) for one in group)
    return f"{images:,} {'image' if images == 1 else 'images'} in {jobs:,} open {'job' if jobs == 1 else 'jobs'}"

"""Who annotated, how much and how fast: from the passport of a release, where it has one."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from labelyard.errors import InputError
from labelyard.releases.ids import IdArray
from labelyard.releases.manifest import PASSPORT
from labelyard.releases.report.reading import Positions, narrow

PAUSE = 600.0
"""Seconds between two annotations of a person after which the person had a pause."""
_SHORTEST_WORK = 60.0


class _Line(Struct):
    """A line of the passport; one without `annotation` is about an image or a batch."""

    annotation: int | None = None
    annotator: int | str | None = None
    job: int | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Annotator:
    """A person: annotations and jobs; the seconds of work, without pauses, and how many annotations they gave.

    `seconds` is None where times are missing or say nothing, such as one time for all annotations of a job.
    """

    name: str
    annotations: int
    jobs: int
    seconds: float | None
    timed: int

    @property
    def per_hour(self) -> float | None:
        """Annotations in an hour of work."""
        return None if self.seconds is None else self.timed * 3600 / self.seconds


@dataclass(frozen=True, slots=True)
class People:
    """The annotators, those with most annotations first, and the job of each annotation by its id."""

    annotators: Sequence[Annotator]
    ids: IdArray
    jobs: Positions


def read_people(folder: Path) -> People | None:
    """Return who annotated a release; None if it has no passport, or one that names nobody.

    Raises InputError for a line that is none of a passport.
    """
    path = folder / PASSPORT
    if not path.is_file():
        return None
    names: dict[str, int] = {}
    ids, people, jobs, times = array("q"), array("i"), array("q"), array("d")
    for line in _lines(path):
        if line.annotation is None:
            continue
        ids.append(line.annotation)
        name = "nobody" if line.annotator is None else str(line.annotator)
        people.append(names.setdefault(name, len(names)))
        jobs.append(-1 if line.job is None else line.job)
        times.append(float("nan") if line.at is None else _timestamp(line.at))
    if not ids or names.keys() == {"nobody"}:
        return None
    of_jobs = narrow(np.frombuffer(jobs, np.int64))
    del jobs
    of_people = np.frombuffer(people, np.intc)
    found = list(_annotators(list(names), of_people, of_jobs, np.frombuffer(times, np.float64)))
    found.sort(key=lambda one: (-one.annotations, one.name))
    return People(found, np.frombuffer(ids, np.int64), of_jobs)


def _annotators(names: Sequence[str], people: Positions, jobs: Positions, times: Any) -> Iterator[Annotator]:
    order = np.lexsort((times, people))
    counts = np.bincount(people, minlength=len(names))
    ends = np.cumsum(counts)
    for number, name in enumerate(names):
        rows = order[ends[number] - counts[number] : ends[number]]
        own_jobs = np.unique(jobs[rows])
        gaps = np.diff(times[rows][~np.isnan(times[rows])])
        work = gaps[gaps <= PAUSE]
        seconds = float(work.sum())
        yield Annotator(
            name, len(rows), int((own_jobs >= 0).sum()), seconds if seconds >= _SHORTEST_WORK else None, len(work)
        )


def _lines(path: Path) -> Iterator[_Line]:
    decode = msgspec.json.Decoder(_Line).decode
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield decode(line)
            except ValueError as error:
                raise InputError(f"line {number} is no line of a passport: {error}", where=str(path)) from error


def _timestamp(time: datetime) -> float:
    """Return seconds; a time without a zone is taken for UTC, whatever zone this machine has."""
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()

"""Learning from completed jobs how long work takes: each person's minutes for an image in a dataset.

What is known of a person is mixed with the mean of the dataset, and counts the more, the more jobs there are. Newer
jobs count more than older ones, because people change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import sqrt

from labelyard.domain.throughput import DoneJob, measured_times

LEAST_JOBS = 5
"""With fewer timed jobs in a dataset nothing is known of it."""
_HALF_LIFE = timedelta(days=5)
"""A job that was completed so long ago counts half."""
_MEAN_COUNTS = 2.0
"""The mean counts like so many jobs of a person."""
_REVIEWS_COUNT = 4.0
"""The share that is accepted of everybody's jobs counts like so many reviews of a person."""
JOB_VARIATION = 0.4
"""How far the times of similar jobs of a person are apart, as a share of their mean; for the error of a pace."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a person needs in a dataset."""

    minutes: float
    """For an image. The time of work that came back from reviews is in it: it lies between two completed jobs."""
    jobs: int
    """How many timed jobs of the person in the dataset it is learned from; 0: it is the mean of others."""
    accepted: float = 1.0
    """The share of jobs that is accepted in the first review."""
    error: float = 0.0
    """The standard error of `minutes`, as a share of them."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Of how many jobs the first review ended, and how many were accepted in it."""

    jobs: int = 0
    accepted: int = 0


@dataclass
class _Sum:
    """Timed jobs that are summed with their weights; `expected` are minutes by the means of the datasets."""

    jobs: int = 0
    weight: float = 0.0
    images: float = 0.0
    minutes: float = 0.0
    expected: float = 0.0

    def factor(self, before: float, unit: float) -> float:
        """Return minutes by expected minutes; `before` is what it is without any job, of `unit` minutes each."""
        return (self.minutes + _MEAN_COUNTS * unit * before) / (self.expected + _MEAN_COUNTS * unit)


@dataclass(frozen=True)
class Learned:
    """What completed jobs say of datasets and people."""

    means: Mapping[str, float]
    """The minutes for an image by dataset, of those where enough is known."""
    _of_person: Mapping[str, _Sum] = field(default_factory=dict)
    _of_both: Mapping[tuple[str, str], _Sum] = field(default_factory=dict)
    _reviews: Mapping[tuple[str, str], Reviewed] = field(default_factory=dict)
    _units: Mapping[str, float] = field(default_factory=dict)
    """The minutes of a mean job by dataset; "" stands for all."""
    _paces: dict[tuple[str, str], Pace | None] = field(default_factory=dict)
    """Those that were asked for."""

    def pace(self, person: str, dataset: str) -> Pace | None:
        """Return how long a person needs in a dataset; None while too little is known of the dataset."""
        if (person, dataset) not in self._paces:
            self._paces[person, dataset] = self._pace(person, dataset)
        return self._paces[person, dataset]

    def _pace(self, person: str, dataset: str) -> Pace | None:
        if dataset not in self.means:
            return None
        in_all, here = self._of_person.get(person, _Sum()), self._of_both.get((person, dataset), _Sum())
        factor = here.factor(in_all.factor(1.0, self._units[""]), self._units[dataset])
        accepted = self._accepted(person, dataset)
        error = JOB_VARIATION / sqrt(in_all.weight + _MEAN_COUNTS)
        return Pace(self.means[dataset] * factor, here.jobs, accepted, error)

    def minutes_of(self, person: str, images: Mapping[str, float], otherwise: str) -> float:
        """Return how long a person needs for images by dataset; unknown datasets count like the one `otherwise`."""
        found = 0.0
        for dataset, number in images.items():
            pace = self.pace(person, dataset) or self.pace(person, otherwise)
            found += number * pace.minutes if pace else 0.0
        return found

    def _accepted(self, person: str, dataset: str) -> float:
        of_it = [one for (_, name), one in self._reviews.items() if name == dataset]
        reviewed = sum(one.jobs for one in of_it)
        if not reviewed:
            return 1.0
        of_all = sum(one.accepted for one in of_it) / reviewed
        own = self._reviews.get((person, dataset), Reviewed())
        return (own.accepted + _REVIEWS_COUNT * of_all) / (own.jobs + _REVIEWS_COUNT)


def learn(done: Mapping[str, Sequence[DoneJob]], reviews: Mapping[tuple[str, str], Reviewed], now: datetime) -> Learned:
    """Return what the completed jobs of each person say, and the first reviews by person and dataset."""
    timed = [
        (person, job, length / timedelta(minutes=1), 0.5 ** (max(timedelta(), now - job.done_at) / _HALF_LIFE))
        for person, jobs in done.items()
        for job, length in measured_times(jobs)
    ]
    datasets: dict[str, _Sum] = defaultdict(_Sum)
    for _, job, minutes, weight in timed:
        _add(datasets[job.dataset], job, minutes, weight, 0.0)
    means = {
        name: one.minutes / one.images for name, one in datasets.items() if one.jobs >= LEAST_JOBS and one.minutes > 0
    }
    people: dict[str, _Sum] = defaultdict(_Sum)
    both: dict[tuple[str, str], _Sum] = defaultdict(_Sum)
    for person, job, minutes, weight in timed:
        if job.dataset in means:
            for one in (people[person], both[person, job.dataset]):
                _add(one, job, minutes, weight, means[job.dataset])
    units = {name: datasets[name].minutes / datasets[name].weight for name in means}
    return Learned(means, people, both, reviews, units | {"": _mean(datasets[name] for name in means)})


def _add(to: _Sum, job: DoneJob, minutes: float, weight: float, mean: float) -> None:
    to.jobs += 1
    to.weight += weight
    to.images += weight * job.images
    to.minutes += weight * minutes
    to.expected += weight * job.images * mean


def _mean(sums: Iterable[_Sum]) -> float:
    found = list(sums)
    weight = sum(one.weight for one in found)
    return sum(one.minutes for one in found) / weight if weight else 0.0

"""People of a simulated team: their hours and absences, how fast and how careful they are, and how that drifts."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from labelyard.domain.working_hours import WorkingHours, parse_hours

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
"""A Monday."""
WEEKS = 8
DAYS = 7 * (WEEKS + 12)
"""Lots may end later than the eight weeks."""
REWORK = 0.5
"""The part of its first time that a rejected job takes again."""
_HOURS = (
    "mon-fri 09:00-17:00",
    "mon-fri 08:00-16:00",
    "mon-fri 10:00-18:00",
    "mon-thu 08:00-16:00",
    "tue-sat 12:00-18:00",
)
_PEOPLE = 6


@dataclass
class Person:
    """Somebody; times are minutes since BEGIN."""

    name: str
    hours: WorkingHours
    minutes: list[float]
    """For an image, in each week."""
    care: list[float]
    """Which share of their jobs is accepted at once, in each week."""
    shares: list[float]
    """Which share of their hours they work, on each day."""
    away: tuple[int, int] | None
    """The first day on which they are away, and the day on which they are back."""
    spans: list[tuple[float, float, int]] = field(default_factory=list)
    """Their hours without absences, with the day."""

    def __post_init__(self) -> None:
        for low, high in self.hours.spans(BEGIN.date(), DAYS):
            day = (low - BEGIN).days
            if self.away is None or not self.away[0] <= day < self.away[1]:
                self.spans.append(((low - BEGIN) / timedelta(minutes=1), (high - BEGIN) / timedelta(minutes=1), day))

    def work(self, begin: float) -> Iterator[tuple[float, float, float]]:
        """Yield when they work from then on, each time with the share of it that is work."""
        for low, high, day in self.spans:
            if high > begin:
                yield max(low, begin), high, self.shares[day]

    def end(self, begin: float, minutes: float) -> float:
        """Return when they have worked for so many minutes."""
        for low, high, share in self.work(begin):
            if minutes <= (high - low) * share:
                return low + minutes / share
            minutes -= (high - low) * share
        raise ValueError("the simulated weeks are too few")

    def week(self, at: float) -> int:
        """Return the number of a week, for what drifts."""
        return min(len(self.minutes) - 1, int(at // (7 * 1440)))

    def image(self, at: float) -> float:
        """Return their minutes of work for an image, with what comes back, on the average."""
        week = self.week(at)
        return self.minutes[week] * (1 + REWORK * (1 - self.care[week]))


def make_team(rng: random.Random, spread: float) -> list[Person]:
    """Return a team whose speeds differ by the factor `spread` in the first week."""
    found = []
    for number in range(_PEOPLE):
        base = spread ** (number / (_PEOPLE - 1) - 0.5)
        care = rng.uniform(0.75, 0.98)
        away_at = rng.randrange(7, 7 * WEEKS)
        typical = rng.uniform(0.7, 0.95)
        found.append(
            Person(
                name=f"p{number}",
                hours=WorkingHours((parse_hours(rng.choice(_HOURS)),), UTC),
                minutes=[base * math.exp(step) for step in _walk(rng, 0.1)],
                care=[min(0.99, max(0.5, care + step)) for step in _walk(rng, 0.03)],
                shares=[min(1.0, max(0.3, rng.gauss(typical, 0.12))) for _ in range(DAYS)],
                away=(away_at, away_at + rng.randint(1, 5)) if rng.random() < 0.5 else None,
            )
        )
    return found


def _walk(rng: random.Random, step: float) -> Sequence[float]:
    found = [0.0]
    for _ in range(DAYS // 7):
        found.append(found[-1] + rng.gauss(0, step))
    return found


def lower_bound(team: Sequence[Person], begin: float, images: float) -> float:
    """Return when so many images could be done at the earliest.

    It knows everything that will happen, splits images into any parts, and lets everybody work on them all of the
    time that they work; no policy can do that. `images` are those of mean difficulty, at each person's true speed.
    """
    steps = sorted({at for one in team for low, high, _ in one.work(begin) for at in (low, high)})
    done = 0.0
    for low, high in zip([begin, *steps], steps, strict=False):
        rate = sum(_share(one, low) / one.image(low) for one in team)
        if rate and done + rate * (high - low) >= images:
            return low + (images - done) / rate
        done += rate * (high - low)
    raise ValueError("the simulated weeks are too few")


def _share(one: Person, at: float) -> float:
    return next((share for low, high, share in one.work(at) if low <= at < high), 0.0)

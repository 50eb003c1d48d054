"""When a batch closes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from pydantic import ByteSize


class ClosingRules(Protocol):
    """The section `batch` of a dataset file, as far as it decides when a batch closes."""

    @property
    def max_objects(self) -> int: ...  # noqa: D102
    @property
    def max_bytes(self) -> ByteSize: ...  # noqa: D102
    @property
    def quiet(self) -> timedelta | None: ...  # noqa: D102
    @property
    def max_age(self) -> timedelta | None: ...  # noqa: D102


@dataclass(frozen=True)
class Filling:
    """What is in an open batch, and since when."""

    objects: int
    bytes: int
    opened_at: datetime
    last_registered_at: datetime


def must_close_before(rules: ClosingRules, filling: Filling, size: int) -> str | None:
    """Why an object of `size` bytes does not fit any more; None when it does. A single one always fits."""
    if filling.objects and filling.bytes + size > rules.max_bytes:
        return f"the next object would take it beyond {rules.max_bytes.human_readable()}"
    return None


def due(rules: ClosingRules, filling: Filling, now: datetime) -> str | None:
    """Why the batch closes now; None while it stays open."""
    if not filling.objects:
        return None
    if filling.objects >= rules.max_objects:
        return f"it holds {filling.objects} objects"
    if filling.bytes >= rules.max_bytes:
        return f"it holds {rules.max_bytes.human_readable()}"
    if rules.quiet is not None and now >= filling.last_registered_at + rules.quiet:
        return f"nothing more came for {_words(rules.quiet.total_seconds())}"
    if rules.max_age is not None and now >= filling.opened_at + rules.max_age:
        return f"its first object came {_words(rules.max_age.total_seconds())} ago"
    return None


def next_look(rules: ClosingRules, filling: Filling) -> datetime | None:
    """When the batch closes if nothing more arrives; None if only a marker or more objects close it."""
    times = [
        since + after
        for since, after in ((filling.last_registered_at, rules.quiet), (filling.opened_at, rules.max_age))
        if after is not None
    ]
    return min(times, default=None)


def _words(seconds: float) -> str:
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"

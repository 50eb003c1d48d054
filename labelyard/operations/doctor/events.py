"""Prefect's servers handle their events in time, if they keep them in Redis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from labelyard.operations.doctor.check import Check, CheckResult, Installation, ok, warning
from labelyard.operations.event_lag import read_event_lag

_MANY = 1000
"""A busy process handles five to ten a second, so runs start minutes late."""


def checks(installation: Installation) -> Mapping[str, Check]:
    """Return the check of Redis, if the settings name one."""
    return {"Prefect's events": check_events} if installation.settings.prefect_redis_url else {}


def check_events(installation: Installation) -> Iterator[CheckResult]:
    """Ask Redis how many events wait."""
    waiting = read_event_lag(installation.settings)
    slowest = max(waiting, key=lambda group: waiting[group], default="")
    count = waiting.get(slowest, 0)
    if count > _MANY:
        what = f"{count:,} events wait in Redis for {slowest}: runs start late, and Prefect does not show it"
        yield warning("Prefect's events", what, "start one more `prefect server services start`")
    else:
        yield ok("Prefect's events", f"{count} wait in Redis")

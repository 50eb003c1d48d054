"""Prefect's servers handle their events in time, if they keep them in Redis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from labelyard.operations.doctor.check import Check, CheckResult, Installation, ok, warning
from labelyard.operations.event_lag import MANY, most_waiting


def checks(installation: Installation) -> Mapping[str, Check]:
    """Return the check of Redis, if the settings name one."""
    return {"Prefect's events": check_events} if installation.settings.prefect_redis_url else {}


def check_events(installation: Installation) -> Iterator[CheckResult]:
    """Ask Redis how many events wait."""
    count, slowest = most_waiting(installation.settings)
    if count > MANY:
        what = f"{count:,} events wait in Redis for {slowest}: runs start late, and Prefect does not show it"
        yield warning("Prefect's events", what, "start one more `prefect server services start`")
    else:
        yield ok("Prefect's events", f"{count} wait in Redis")

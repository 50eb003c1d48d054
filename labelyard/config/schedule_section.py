"""The section `schedule` of a dataset file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from labelyard.config.fields import DURATION, Problem, Section, format_duration, parse_duration
from labelyard.domain.schedules import Timing, Verb, normalized_cron

_SHORTEST = timedelta(minutes=1)
_CRON = r"\S+(\s+\S+){4}"


def _when(value: object) -> str:
    if isinstance(value, str) and not re.fullmatch(DURATION, value):
        return normalized_cron(value)
    length = parse_duration(value)
    if length < _SHORTEST or length % timedelta(seconds=1):
        raise ValueError("write an interval of whole seconds, and at least 1m")
    return format_duration(length)


def _timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        near = get_close_matches(value, available_timezones(), n=1)
        instead = near[0] if near else "one such as Europe/Berlin or UTC"
        raise ValueError(f"{value!r} is no time zone: write {instead}") from None
    return value


When = Annotated[
    str,
    BeforeValidator(_when),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "pattern": f"^({DURATION}|{_CRON})$"}, {"type": "number", "minimum": 60}],
            "examples": ["0 2 * * 1-5", "5m", "1d"],
        }
    ),
]
"""A cron expression (`0 2 * * 1-5`) or an interval (`5m`, `1d`)."""
Timezone = Annotated[str, AfterValidator(_timezone)]
"""The name of a time zone."""


class ScheduleSection(Section):
    """When things happen by themselves. Each is a schedule in Prefect's UI, which shows, pauses and starts it."""

    ingest: When | None = None
    """When to close the open batches and send them to CVAT, beside the rules of `batch`, or instead of `quiet` and
    `max_age` where these are null. The sources are listed first: what has arrived by then is in them. A cron expression
    (minute, hour, day of month, month, day of week) or an interval."""
    release: When | None = None
    """When to make a release, if anything has changed since the newest one."""
    sweep: When | None = None
    """When to list the sources for objects without a notification; null for as often as LABELYARD_DEPLOY__SWEEP_SECONDS
    says."""
    timezone: Timezone = "UTC"
    """The time zone whose clock counts for all of them, such as Europe/Berlin: 02:00 stays 02:00 when the clocks
    change."""

    def timings(self) -> dict[Verb, Timing]:
        """Return when each verb runs; verbs without a schedule are left out."""
        texts = {Verb.INGEST: self.ingest, Verb.RELEASE: self.release, Verb.SWEEP: self.sweep}
        return {verb: self._timing(text) for verb, text in texts.items() if text is not None}

    def problems(self) -> Iterator[Problem]:
        """Yield a time zone without anything that it could count for."""
        if not self.timings() and self.timezone != "UTC":
            yield ("timezone",), "counts for ingest, release and sweep: write one of them, or remove it"

    def _timing(self, text: str) -> Timing:
        if re.fullmatch(DURATION, text):
            return Timing(self.timezone, interval=parse_duration(text))
        return Timing(self.timezone, cron=text)

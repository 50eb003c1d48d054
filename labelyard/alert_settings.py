"""The settings of alerts (the channels, when they are quiet, when a message is repeated) and of messages to people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Annotated, Self, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from labelyard.described_model import DescribedModel

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*-\s*([01]?\d|2[0-3]):([0-5]\d)")


def _known_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("write the name of a time zone, such as Europe/Berlin") from error
    return value


TimeZoneName: TypeAlias = Annotated[str, AfterValidator(_known_zone)]
"""A setting that is the name of a time zone."""


class ChannelSettings(DescribedModel):
    """A channel that alerts are sent to, under any name. It has either an Apprise URL or a notification block."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretStr | None = None
    """An Apprise URL: mailto://…, slack://…, workflows://… (Teams), jsons://… (a webhook) and a hundred others."""
    block: str | None = Field(default=None, pattern=r"^[a-z0-9-]+/[a-z0-9-]+$")
    """A notification block of Prefect instead, as TYPE/NAME: slack-webhook/lead."""
    at_night: bool = False
    """Send to this channel in the quiet hours, too."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.url is None) == (self.block is None):
            raise ValueError("write either its URL or its BLOCK")
        return self


class AlertSettings(DescribedModel):
    """Alerts: messages about what needs a person. Set the same on every machine that has a worker or a watcher."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: dict[str, ChannelSettings] = Field(default_factory=dict)
    """The channels by name: LABELYARD_ALERTS__CHANNELS__LEAD__URL and so on."""
    quiet_hours: str | None = None
    """When no alerts are sent: 20:00-07:00, or with whole days: 20:00-07:00 sat sun."""
    timezone: TimeZoneName = "UTC"
    """The time zone of the quiet hours, such as Europe/Berlin."""
    remind_hours: float = Field(default=24, gt=0)
    """After how long a message is repeated while its cause lasts, in hours."""
    housekeeping_silence_seconds: float = Field(default=900, ge=60)
    """After how long without a sign of life of housekeeping an alert is sent, in seconds.

    Write at least three times LABELYARD_DEPLOY__HOUSEKEEPING_SECONDS.
    """

    @field_validator("quiet_hours")
    @classmethod
    def _hours(cls, value: str | None) -> str | None:
        if value is not None:
            parse_quiet_hours(value)
        return value or None

    def is_quiet(self, now: datetime) -> bool:
        """Return whether it is within the quiet hours."""
        hours = parse_quiet_hours(self.quiet_hours) if self.quiet_hours else None
        return hours is not None and hours.cover(now.astimezone(ZoneInfo(self.timezone)))


class PersonChannel(ChannelSettings):
    """Where a person gets messages about their work: an Apprise URL or a notification block."""

    person: str | None = Field(default=None, min_length=1)
    """The user name in CVAT, if it is not the channel's name in small letters."""


class MessageSettings(DescribedModel):
    """Messages to people about their work. Set the same on every machine that has a worker."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    people: dict[str, PersonChannel] = Field(default_factory=dict)
    """A channel for each person, by any name: LABELYARD_MESSAGES__PEOPLE__ADA__URL and so on."""
    bundle_minutes: float = Field(default=5, ge=0)
    """How long work is collected before a person gets one message about all of it, in minutes."""

    @model_validator(mode="after")
    def _one_channel_each(self) -> Self:
        names: dict[str, list[str]] = {}
        for name, channel in self.people.items():
            names.setdefault(channel.person or name, []).append(name)
        for person, found in names.items():
            if len(found) > 1:
                raise ValueError(f"{' and '.join(found)} are channels of the same person, {person}: leave one out")
        return self

    @property
    def by_person(self) -> Mapping[str, PersonChannel]:
        """The channels by user name in CVAT."""
        return {channel.person or name: channel for name, channel in self.people.items()}


@dataclass(frozen=True)
class QuietHours:
    """A time of every day, across midnight if its end is before its start, and whole days (Monday is 0)."""

    start: time | None
    end: time | None
    days: frozenset[int] = frozenset()

    def cover(self, local: datetime) -> bool:
        """Return whether a local time is within them. The start belongs to them, the end does not."""
        if local.weekday() in self.days:
            return True
        if self.start is None or self.end is None:
            return False
        at = local.time()
        if self.start <= self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end


def parse_quiet_hours(text: str) -> QuietHours:
    """Read `20:00-07:00`, days such as `sat sun`, or both. Raises ValueError that says what to write."""
    found = _HOURS.search(text)
    rest = _HOURS.sub(" ", text, count=1).replace(",", " ").lower().split()
    if (not found and not rest) or any(word not in _DAYS for word in rest):
        raise ValueError("write hours and days on which nothing is sent, such as 20:00-07:00 sat sun")
    days = frozenset(_DAYS.index(word) for word in rest)
    if not found:
        return QuietHours(None, None, days)
    start, end = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
    if start == end:
        raise ValueError("the quiet hours are empty: write two different times")
    return QuietHours(start, end, days)

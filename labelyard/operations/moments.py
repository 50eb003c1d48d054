"""Times as people read them, in the time zone of the installation (`LABELYARD_TIMEZONE`)."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo


def moment(at: datetime, zone: tzinfo) -> str:
    """Return a time without its zone: "Mon 30 Nov 08:15"."""
    local = at.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %H:%M}"


def moment_and_zone(at: datetime, zone: tzinfo) -> str:
    """Return a time with its zone, which tells the hour that comes twice in autumn: "Mon 30 Nov 08:15 CET"."""
    return f"{moment(at, zone)} {at.astimezone(zone):%Z}"


def day(at: datetime, zone: tzinfo) -> str:
    """Return the day of a time: "Mon 30 Nov"."""
    local = at.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b}"


def day_or_time(at: datetime, now: datetime, zone: tzinfo) -> str:
    """Return the time of a moment of today, else its day: "08:15", "29 Nov"."""
    local = at.astimezone(zone)
    return f"{local:%H:%M}" if local.date() == now.astimezone(zone).date() else f"{local.day} {local:%b}"


def rewritten_by(at: datetime, every: timedelta, zone: tzinfo) -> str:
    """Return how a reader sees that a page is old, which is written `every` so often at least and was written `at`."""
    latest = at + every + timedelta(minutes=1)  # times are shown without their seconds
    return f"If it is past {moment_and_zone(latest, zone)}, it is not updated any more"


def second_or_day(at: datetime, now: datetime, zone: tzinfo) -> str:
    """Return a moment to the second, with its day unless that is today: "08:15:02", "Sun 29 Nov 08:15:02"."""
    local = at.astimezone(zone)
    return f"{local:%H:%M:%S}" if local.date() == now.astimezone(zone).date() else f"{day(at, zone)} {local:%H:%M:%S}"


def time_of_day(at: datetime, zone: tzinfo) -> str:
    """Return a time of these hours: "08:15:02 CET"."""
    return f"{at.astimezone(zone):%H:%M:%S %Z}"

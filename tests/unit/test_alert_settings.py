"""Quiet hours and channels in the settings."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from labelyard.alert_settings import AlertSettings, ChannelSettings, MessageSettings, parse_quiet_hours

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "at", "quiet"),
    [
        ("20:00-07:00", "19:59", False), ("20:00-07:00", "20:00", True), ("20:00-07:00", "06:59", True),
        ("20:00-07:00", "07:00", False), ("01:00-05:00", "00:59", False), ("1:00 - 5:00", "01:00", True),
        ("mon", "12:00", True), ("20:00-07:00, Sat, Sun", "12:00", False),
    ],
)  # fmt: skip
def test_the_start_belongs_to_the_quiet_hours_and_the_end_does_not(hours: str, at: str, *, quiet: bool) -> None:
    now = datetime.combine(MONDAY, time.fromisoformat(at), UTC)
    assert AlertSettings(quiet_hours=hours).is_quiet(now) is quiet


def test_quiet_hours_follow_the_time_zone_and_its_summer_time() -> None:
    settings = AlertSettings(quiet_hours="20:00-07:00", timezone="Europe/Berlin")
    winter, summer = datetime(2026, 1, 5, 5, 30, tzinfo=UTC), datetime(2026, 7, 6, 5, 30, tzinfo=UTC)
    assert (settings.is_quiet(winter), settings.is_quiet(summer)) == (True, False)


@given(start=st.times(), end=st.times(), minutes=st.integers(0, 527040))
def test_hours_and_those_that_they_leave_out_cover_each_time_exactly_once(start: time, end: time, minutes: int) -> None:
    start, end = (one.replace(second=0, microsecond=0) for one in (start, end))
    if start == end:
        return
    at = MONDAY + timedelta(minutes=minutes)
    night, day = (parse_quiet_hours(f"{a:%H:%M}-{b:%H:%M}") for a, b in ((start, end), (end, start)))
    assert night.cover(at) is not day.cover(at)


@pytest.mark.parametrize("wrong", ["", "20-7", "20:00", "24:00-07:00", "20:00-07:00 holidays", "07:00-07:00"])
def test_wrong_quiet_hours_say_what_to_write(wrong: str) -> None:
    with pytest.raises(ValueError, match="write"):
        parse_quiet_hours(wrong)


def test_a_time_zone_that_does_not_exist_is_an_error() -> None:
    for wrong in ("Europe/Berlyn", "../etc/passwd", ""):
        with pytest.raises(ValidationError, match="write the name of a time zone"):
            AlertSettings(timezone=wrong)


@pytest.mark.parametrize("fields", [{}, {"url": "json://x", "block": "slack-webhook/lead"}, {"block": "lead"}])
def test_a_channel_has_either_a_url_or_a_block(fields: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ChannelSettings.model_validate(fields)


def test_the_address_of_a_channel_is_not_in_its_text() -> None:
    settings = AlertSettings.model_validate({"channels": {"lead": {"url": "mailto://user:S3CRET@example.com"}}})
    assert "S3CRET" not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_the_channel_of_a_person_is_that_of_a_user_of_cvat_and_the_only_one() -> None:
    one = {"url": "json://x"}
    found = MessageSettings.model_validate({"people": {"ada": one, "ben": {**one, "person": "Ben.Miller"}}})
    assert [*found.by_person] == ["ada", "Ben.Miller"]
    with pytest.raises(ValidationError, match="the same person"):
        MessageSettings.model_validate({"people": {"ada": one, "x": {**one, "person": "ada"}}})


def test_remind_hours_are_positive() -> None:
    with pytest.raises(ValidationError):
        AlertSettings(remind_hours=0)
    assert timedelta(hours=AlertSettings().remind_hours) == timedelta(days=1)

"""Times in the words of a page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from labelyard.operations.moments import rewritten_by, second_or_day

AT = datetime(2026, 11, 30, 23, 1, 29, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def test_a_page_says_when_it_would_be_too_old_with_the_day_because_a_tab_may_be_open_overnight() -> None:
    assert rewritten_by(AT, timedelta(minutes=15), UTC).startswith("If it is past Mon 30 Nov 23:17 UTC, ")
    assert rewritten_by(AT, timedelta(minutes=15), BERLIN).startswith("If it is past Tue 1 Dec 00:17 CET, ")


def test_a_moment_of_another_day_of_the_zone_has_its_day() -> None:
    before = AT - timedelta(minutes=5)
    assert second_or_day(before, AT, UTC) == "22:56:29"
    assert second_or_day(before, AT, BERLIN) == "Mon 30 Nov 23:56:29"

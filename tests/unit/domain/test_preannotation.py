"""When predictions may be written, and for how long they are waited for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from labelyard.domain.preannotation import JobContent, have_people_begun, is_endpoint, time_left

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("jobs", "begun"),
    [
        ([], False),
        ([JobContent(0), JobContent(0)], False),
        ([JobContent(0), JobContent(1)], True),
        ([JobContent(0), JobContent(0, untouched=False)], True),
    ],
)
def test_people_have_begun_where_something_is_not_ours_or_a_job_is_further(jobs: list[JobContent], begun: bool) -> None:
    assert have_people_begun(jobs) is begun


def test_the_time_counts_from_the_first_attempt() -> None:
    assert time_left(NOW, NOW + timedelta(seconds=30), timedelta(minutes=2)) == 90
    assert time_left(NOW, NOW + timedelta(minutes=3), timedelta(minutes=2)) < 0


def test_an_endpoint_is_an_http_address() -> None:
    assert [is_endpoint(one) for one in ("http://m/x", "https://m/x", "s3://m/x", "coco")] == [True, True, False, False]

"""The section `schedule` of a dataset file."""

from __future__ import annotations

from datetime import timedelta

import pytest

from labelyard.config import DatasetSpec
from labelyard.config.loading import parse_spec
from labelyard.domain.schedules import Timing, Verb
from labelyard.errors import SpecError

HEAD = """\
name: street
sources: [{bucket: street-raw, prefix: in/}]
task: {labels: [car]}
annotators: [ada]
export: {prefix: out/}
"""


def read(schedule: str, batch: str = "{}") -> DatasetSpec:
    return parse_spec(f"{HEAD}batch: {batch}\nschedule:\n  {schedule}\n".encode(), "street.yaml")


def test_cron_expressions_and_intervals_are_read_and_survive_the_ledger() -> None:
    spec = read('ingest: "0 2 * * 1-5"\n  release: "0  6 * * mon"\n  sweep: 300\n  timezone: Europe/Berlin')
    assert spec.schedule.timings() == {
        Verb.INGEST: Timing("Europe/Berlin", cron="0 2 * * 1-5"),
        Verb.RELEASE: Timing("Europe/Berlin", cron="0 6 * * mon"),
        Verb.SWEEP: Timing("Europe/Berlin", interval=timedelta(minutes=5)),
    }
    assert DatasetSpec.model_validate(spec.model_dump(mode="json")) == spec


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("ingest: 61 2 * * *", "street.yaml:8: schedule.ingest: minute: '61' is wrong"),
        ("sweep: 30s", "street.yaml:8: schedule.sweep: write an interval of whole seconds, and at least 1m"),
        ("sweep: 5m\n  timezone: Europe/Berln", "'Europe/Berln' is no time zone: write Europe/Berlin"),
        ("sweep: 5m\n  timezone: ../../etc/passwd", "is no time zone"),
        ("timezone: Europe/Berlin", "counts for ingest, release and sweep: write one of them, or remove it"),
    ],
)
def test_an_error_names_the_line_and_what_to_write(schedule: str, words: str) -> None:
    with pytest.raises(SpecError) as failed:
        read(schedule)
    assert words in failed.value.what


def test_a_schedule_may_replace_every_other_condition_that_closes_a_batch() -> None:
    never = "{quiet: null, max_age: null}"
    assert read("ingest: 1d", never).batch.quiet is None
    with pytest.raises(SpecError, match=r"batch\.quiet: a batch that is never full would never close"):
        read("release: 1d", never)

"""The same thing counted in two places is one number, whatever has happened, in any time zone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from labelyard.cli import labelyard
from labelyard.domain.futures import Range
from labelyard.domain.tasks import JobStatus
from labelyard.ledger import objects
from labelyard.ledger.release_tables import Release
from labelyard.ledger.tables import Object
from labelyard.operations.figure_words import forecast, lines, period_rows
from labelyard.operations.figures import Figures, read_figures
from labelyard.operations.foresee import Forecast
from labelyard.orchestration.operations_artifact import operations_markdown
from labelyard.orchestration.page_links import PageLinks
from tests.support.busy_ledger import DAY, HOUR, MONDAY, BusyLedger
from tests.support.examples import examples
from tests.support.fresh_ledger import create_ledger

ZONES = ("UTC", "Europe/Berlin", "Pacific/Auckland", "America/Los_Angeles")

steps = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 40)),
    st.tuples(st.just("batch"), st.integers(1, 6)),
    st.tuples(st.just("complete"), st.integers(1, 3)),
    st.tuples(st.just("export"), st.integers(1, 6)),
    st.tuples(st.just("fail"), st.just(0)),
    st.tuples(st.just("quarantine"), st.just(0)),
    st.tuples(st.just("release"), st.just(0)),
)


class RandomDays:
    """Random things that happen in a ledger; each step takes the oldest batch that it can concern."""

    def __init__(self, busy: BusyLedger) -> None:
        self.busy, self.sizes, self.open, self.done = busy, dict[str, int](), list[str](), list[str]()
        self.releases = 0

    def take(self, step: str, number: int) -> None:
        busy = self.busy
        if step == "wait":
            busy.now += number * HOUR
        elif step == "batch":
            name = busy.batch(number, 1)
            self.sizes[name] = number
            self.open.append(name)
        elif step == "complete" and self.open:
            name = self.open.pop(0)
            busy.read_jobs(name, self.sizes[name], (number,), JobStatus.COMPLETED)
            self.done.append(name)
        elif step == "export" and self.done:
            name = self.done.pop(0)
            busy.export(name, self.sizes[name], {"car": number, "person": 1})
        elif step == "fail" and self.open:
            busy.fail(self.open.pop(0), "label car is unknown")
        elif step == "quarantine" and self.open:
            with busy.ledger.transaction() as tx:
                row = tx.scalars(select(Object).where(Object.batch_id == self.open[0])).first()
                assert row is not None
                objects.quarantine(tx, row, "no image")
        elif step == "release":
            self.releases += 1
            with busy.ledger.transaction() as tx:
                tx.add(
                    Release(
                        dataset="street", number=self.releases, version=1, previous=None, bucket="b", prefix="r",
                        exports=[], images=1, annotations=1, begun_at=tx.now, published_at=tx.now,
                    )
                )  # fmt: skip


@settings(max_examples=examples(15), deadline=None)
@given(st.lists(steps, max_size=25), st.sampled_from(ZONES))
def test_the_same_number_is_the_same_in_every_section(happened: list[tuple[str, int]], zone: str) -> None:
    with TemporaryDirectory() as folder:
        busy = BusyLedger(create_ledger(Path(folder) / "ledger.db"))
        days = RandomDays(busy)
        for step, number in happened:
            days.take(step, number)
        seen = read_figures(busy.ledger, None, ZoneInfo(zone))
        of_dataset = read_figures(busy.ledger, "street", ZoneInfo(zone))
        busy.ledger.close()
    check(seen)
    assert (of_dataset.today, of_dataset.week, of_dataset.finished) == (seen.today, seen.week, seen.finished)


def check(seen: Figures) -> None:
    monday = seen.at.astimezone(seen.zone).date()
    monday -= timedelta(days=monday.weekday())
    week = [day for day in seen.days if day.date >= monday]
    assert seen.today.quarantined <= seen.today.arrived
    assert seen.today.arrived == seen.days[-1].arrived == sum(one.arrived_today for one in seen.datasets)
    assert seen.week.arrived == sum(day.arrived for day in week) == sum(one.arrived_week for one in seen.datasets)
    exported = seen.today.exported.images, seen.week.exported.images
    assert exported == (seen.days[-1].finished, sum(day.finished for day in week))
    assert exported == (
        sum(one.exported_today for one in seen.datasets),
        sum(one.exported_week for one in seen.datasets),
    )
    assert seen.today.labelled == sum(one.images_today for one in seen.people)
    assert seen.week.labelled == sum(one.images_week for one in seen.people)
    assert sum(one.waiting for one in seen.datasets) == seen.arriving.backlog.objects == seen.days[-1].backlog
    assert seen.today.exported.batches <= seen.week.exported.batches <= seen.finished.batches
    for label, drawn in seen.week.exported.annotations.items():
        assert seen.today.exported.annotations.get(label, 0) <= drawn <= seen.finished.annotations[label]
    page, text = operations_markdown(seen, PageLinks("http://ui")), "\n".join(lines(seen))
    for (what, today), (_, this_week) in zip(period_rows(seen.today), period_rows(seen.week), strict=True):
        assert f"| {what} | {today:,} | {this_week:,} |" in page
        assert not this_week or f"{this_week:,} {what[:3]}" in text


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[BusyLedger]:
    busy = BusyLedger(create_ledger(tmp_path / "ledger.db"))
    yield busy
    busy.ledger.close()


def test_today_ends_at_midnight_of_the_zone_and_the_page_is_drawn_then(busy: BusyLedger) -> None:
    zone = ZoneInfo("Europe/Berlin")
    busy.batch(20, 1)
    before = read_figures(busy.ledger, None, zone)
    assert before.changes_at is not None
    busy.now = before.changes_at - timedelta(seconds=1)
    assert read_figures(busy.ledger, None, zone).today.arrived == 20
    busy.now = before.changes_at
    after = read_figures(busy.ledger, None, zone)
    assert (after.today.arrived, f"{after.today.since.astimezone(zone):%H:%M}") == (0, "00:00")


@pytest.mark.parametrize(
    ("late", "arrivals", "words"),
    [
        (
            MONDAY + 3 * DAY,
            None,
            "400 images are labelled about Tue 1 Dec 08:00 (four times of five between Mon 30 Nov and Thu 3 Dec), if",
        ),
        (None, None, "(four times of five after Mon 30 Nov), if nothing else arrives"),
        (
            MONDAY + 3 * DAY,
            Range(MONDAY + 9 * DAY, MONDAY + 9 * DAY, MONDAY + 9 * DAY),
            "; with 40 more a day nothing is left on Wed 9 Dec about 08:00",
        ),
        (MONDAY + 3 * DAY, Range(None, MONDAY, None), "; with 40 more a day the backlog grows"),
    ],
)
def test_the_forecast_names_days(busy: BusyLedger, late: datetime | None, arrivals: Range | None, words: str) -> None:
    busy.now = MONDAY
    busy.batch(20, 1)
    found = Forecast(400, Range(MONDAY + DAY, MONDAY, late), arrivals, 40)
    assert words in forecast(replace(busy.figures(), forecast=found))


def test_status_of_a_dataset_counts_and_names_nothing_of_another_one(
    busy: BusyLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELYARD_LEDGER", busy.url)
    busy.batch(20, 1, 2)
    document = json.loads(CliRunner().invoke(labelyard, ["status", "--dataset", "street", "--json"]).output)
    people = {one["name"]: one["open_jobs"] for one in document["figures"]["people"] if one["open_jobs"]}
    assert document["open_jobs"] == people == {"anna": 1, "ben": 1}
    assert document["states"] == document["figures"]["arriving"]["backlog"]["states"] == {"assigned": 1}
    assert document["figures"]["arriving"]["backlog"]["datasets"] == {"street": 20}

"""The figures of an installation: counted from a ledger, the same on the page, in `labelyard status` and in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from labelyard.cli import labelyard
from labelyard.domain.causes import Kind
from labelyard.domain.deadlines import Stage
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus
from labelyard.errors import NotFound
from labelyard.ledger import batches, breakers, objects, outages, outbox, problems
from labelyard.ledger.history import record
from labelyard.ledger.situation import NOT_COLLECTED
from labelyard.ledger.tables import Object
from labelyard.ledger.workload import marker
from labelyard.operations.figure_words import lines
from labelyard.operations.figures import read_figures
from labelyard.orchestration.operations_artifact import operations_markdown
from labelyard.orchestration.page_links import PageLinks
from tests.support.busy_ledger import DAY, HOUR, MONDAY, BusyLedger


@pytest.fixture
def busy(ledger_url: str) -> Iterator[BusyLedger]:
    busy = BusyLedger(ledger_url)
    yield busy
    busy.ledger.close()


@pytest.fixture
def working(busy: BusyLedger) -> BusyLedger:
    """A ledger on a Monday morning: anna is fast, ben is late, one batch failed, and the CVAT is away."""
    for _ in range(4):
        done = busy.batch(30, 1)
        busy.now += HOUR
        busy.read_jobs(done, 30, (1,), JobStatus.COMPLETED)
        busy.export(done, 30, {"car": 40, "person": 2})
        busy.now += DAY - HOUR
    busy.now = MONDAY - 9 * DAY
    busy.batch(20, 1, 2)
    busy.now = MONDAY - 2 * HOUR
    busy.fail(busy.batch(10, 1), "label car is unknown")
    with busy.ledger.transaction() as tx:
        for _ in range(breakers.FAILURES_TO_OPEN):
            breakers.record_failure(tx, "default", "503 Service Unavailable")
    busy.now = MONDAY
    return busy


def test_the_figures_of_a_morning(working: BusyLedger) -> None:
    seen = working.figures()
    assert seen.verdict == "1 batch needs you, CVAT default unavailable, 1 batch late"
    assert [(cause.kind, cause.next_step) for cause in seen.causes] == [
        (Kind.FAILED, "labelyard retry street-00006"),
        (Kind.SERVER, "labelyard doctor"),
        (Kind.LATE, "labelyard why street-00005"),
    ]
    [late] = seen.late
    assert (late.id, late.stage, late.people, late.due) == (
        "street-00005",
        Stage.LABEL,
        ("anna", "ben"),
        MONDAY - 2 * DAY,
    )
    assert (seen.arriving.objects_hour, seen.today.arrived, seen.today.opened) == (0, 10, 1)
    assert (seen.arriving.backlog.objects, seen.arriving.backlog.batches) == (30, 2)
    assert (seen.finished.images, seen.finished.annotations) == (120, {"car": 160, "person": 8})
    assert seen.days[-1].backlog == 30
    assert sum(day.arrived for day in seen.days) == 150
    assert sum(day.finished for day in seen.days) == 120
    assert seen.forecast is not None
    assert (seen.forecast.images, seen.forecast.done) == (20, None)
    down = {one.name: (one.up, one.since, one.waiting) for one in seen.servers}
    assert down["CVAT default"] == (False, MONDAY - 2 * HOUR, "0 batches")
    assert down["object storage"] == (True, None, "")


def test_each_person_has_a_rate_and_what_is_left_to_do(working: BusyLedger) -> None:
    anna, ben = working.figures().people
    assert (anna.name, anna.open_jobs, anna.open_images, anna.images_per_hour) == ("anna", 1, 10, 30)
    assert (anna.oldest, anna.images_today, anna.images_week) == (MONDAY - 9 * DAY, 0, 0)
    assert (ben.name, ben.open_images, ben.images_per_hour, ben.returned) == ("ben", 10, None, 0)


def test_work_of_today_a_rejected_job_and_quarantined_files_are_counted(busy: BusyLedger) -> None:
    busy.now = MONDAY
    batch = busy.batch(20, 2)
    with busy.ledger.transaction() as tx:
        for row in tx.scalars(select(Object).where(Object.batch_id == batch).limit(3)):
            objects.quarantine(tx, row, "no image")
    busy.now += HOUR
    busy.read_jobs(batch, 20, (2,), JobStatus.VALIDATION)
    busy.now += HOUR
    busy.read_jobs(batch, 20, (2,), JobStatus.ANNOTATION)
    busy.now += HOUR
    busy.read_jobs(batch, 20, (2,), JobStatus.COMPLETED)
    seen = busy.figures()
    assert (seen.today.arrived, seen.today.quarantined) == (20, 3)
    [ben] = seen.people
    assert (ben.open_jobs, ben.images_today, ben.images_week, ben.returned) == (0, 20, 20, 1)


def test_days_weeks_and_times_are_those_of_the_teams_time_zone(busy: BusyLedger) -> None:
    busy.now = datetime(2026, 3, 29, 21, 30, tzinfo=UTC)  # Sunday 23:30 in Berlin, whose clocks went forward at 2:00
    late = busy.batch(20, 1)
    busy.read_jobs(late, 20, (1,), JobStatus.COMPLETED)
    busy.now += HOUR
    early = busy.batch(30, 1)
    busy.read_jobs(early, 30, (1,), JobStatus.COMPLETED)
    with busy.ledger.transaction() as tx:
        outages.begin(tx, outages.QUEUE, "no answer")
    utc, berlin = busy.figures(), read_figures(busy.ledger, None, ZoneInfo("Europe/Berlin"))
    assert [(str(day.date), day.arrived) for day in utc.days[-2:]] == [("2026-03-28", 0), ("2026-03-29", 50)]
    assert [(str(day.date), day.arrived) for day in berlin.days[-2:]] == [("2026-03-29", 20), ("2026-03-30", 30)]
    assert [(one.images_today, one.images_week) for one in utc.people] == [(50, 50)]
    assert [(one.images_today, one.images_week) for one in berlin.people] == [(30, 30)]
    page, text = operations_markdown(berlin, PageLinks("http://ui")), "\n".join(lines(berlin))
    assert "the oldest batch since Sun 29 Mar 23:30" in page
    assert "the oldest batch since Sun 29 Mar 23:30" in text
    assert "queue is down since Mon 30 Mar 00:30 CEST" in text
    assert "| queue | **down** | since 00:30:00 |" in page
    assert "queue is down since Sun 29 Mar 22:30 UTC" in "\n".join(lines(utc))
    assert (berlin.document()["zone"], berlin.document()["at"].utcoffset()) == ("Europe/Berlin", timedelta())


def test_a_server_that_is_back_is_up_since_then(working: BusyLedger) -> None:
    working.now += HOUR
    with working.ledger.transaction() as tx:
        breakers.record_success(tx, "default")
        outages.begin(tx, outages.QUEUE, "no answer")
        outages.begin(tx, outages.QUEUE, "another answer")
    found = {one.name: one for one in working.figures().servers}
    assert (found["CVAT default"].up, found["CVAT default"].since) == (True, working.now)
    assert (found["queue"].up, found["queue"].error) == (False, "another answer")
    assert working.figures("street").servers[-1].name == "object storage", "a dataset has no queue of its own"


def test_a_retried_batch_no_longer_needs_anybody(working: BusyLedger) -> None:
    with working.ledger.transaction() as tx:
        batches.retry(tx, batches.get(tx, "street-00006", lock=True))
    assert Kind.FAILED not in [cause.kind for cause in working.figures().causes]


def test_a_backfilled_batch_is_late_only_if_it_takes_long_after_its_turn_has_come(busy: BusyLedger) -> None:
    with busy.ledger.transaction() as tx:
        batch = batches.get_or_open(tx, "street", backfill=True)
        batches.close(tx, batch, "closed by a test")
        name = batch.id
    busy.now += 3 * DAY
    assert not busy.figures().late
    with busy.ledger.transaction() as tx:
        [(event, _)] = outbox.unpublished(tx)
        event.published_at = tx.now
    its_turn = busy.now
    busy.now += HOUR
    assert not busy.figures().late
    busy.now += HOUR
    assert [late.due for late in busy.figures().late] == [its_turn + HOUR]
    busy.move(name, BatchState.CREATED)
    assert [late.due for late in busy.figures().late] == [its_turn + HOUR]


def test_an_unknown_dataset_is_an_error_that_names_the_known_ones(busy: BusyLedger) -> None:
    with pytest.raises(NotFound, match="known: street"):
        busy.figures("alley")
    assert busy.figures("street").verdict == busy.figures().verdict == "nothing to do"


def test_status_json_and_page_show_the_same_figures(working: BusyLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELYARD_LEDGER", working.url)
    seen = working.figures()
    page = operations_markdown(seen, PageLinks("http://ui"))
    text = "\n".join(lines(seen))
    for shown in ("30 images in 2 batches", "due Sat 28 Nov 08:00 (2 days ago)", "jobs not completed yet"):
        assert shown in page
        assert shown in text
    answer = CliRunner().invoke(labelyard, ["status", "--json"])
    document = json.loads(answer.output)
    assert document["figures"]["finished"] == {"batches": 4, "images": 120, "annotations": {"car": 160, "person": 8}}
    assert document["figures"]["causes"][0]["to_act"] is True
    assert CliRunner().invoke(labelyard, ["status", "--dataset", "street"]).output.startswith("1 batch needs you")


def test_page_status_and_alerts_name_the_same_causes(working: BusyLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELYARD_LEDGER", working.url)
    with working.ledger.transaction() as tx:
        problems.record(tx, Kind.SOURCE, "s3://b/", "s3://b/ cannot be read", "labelyard doctor", dataset="street")
        problems.record(tx, Kind.AUTOMATION, "street-opens", "it could not start a run", "labelyard deploy")
    shown = [json.loads(CliRunner().invoke(labelyard, [name, "--json"]).output) for name in ("alerts", "status")]
    assert shown[0]["causes"] == shown[1]["figures"]["causes"]
    seen, of_dataset = working.figures(), working.figures("street")
    assert [cause for cause in seen.causes if cause.kind is not Kind.AUTOMATION] == of_dataset.causes
    page, text = operations_markdown(seen, PageLinks("http://ui")), "\n".join(lines(seen))
    assert "**street: Source unreadable** (since Mon 30 Nov 08:00): `s3://b/ cannot be read`" in page
    assert "street: s3://b/ cannot be read\n  next: labelyard doctor" in text
    assert page.count("jobs not completed yet") == 1, "late batches have a section of their own"
    assert seen.verdict == "1 batch needs you, 2 things need you, CVAT default unavailable, 1 batch late"


def test_a_problem_and_its_end_change_the_marker_of_the_pages(busy: BusyLedger) -> None:
    def now() -> str:
        with busy.ledger.read_only() as tx:
            return str(marker(tx))

    before = now()
    with busy.ledger.transaction() as tx:
        problems.record(tx, Kind.SOURCE, "s3://b/", "s3://b/ cannot be read", "labelyard doctor", dataset="street")
    during = now()
    with busy.ledger.transaction() as tx:
        problems.clear(tx, Kind.SOURCE, "s3://b/")
    assert before == now() != during


def test_a_task_that_cannot_be_read_is_a_cause_since_it_was_found(busy: BusyLedger) -> None:
    batch = busy.batch(10, 1)
    since = busy.now = MONDAY
    with busy.ledger.transaction() as tx:
        row = batches.get(tx, batch, lock=True)
        record(tx, NOT_COLLECTED, "task 1 was deleted", batch=row)
        row.error, row.attempts = "task 1 was deleted", 1
    busy.now += HOUR
    [cause] = [cause for cause in busy.figures().causes if cause.to_act]
    assert (cause.kind, cause.since, cause.reason) == (Kind.UNREADABLE, since, "task 1 was deleted")


def test_a_page_on_which_nothing_changed_keeps_its_text_while_time_passes(working: BusyLedger) -> None:
    before = operations_markdown(working.figures(), PageLinks("http://ui"))
    working.now += timedelta(minutes=10)
    assert operations_markdown(working.figures(), PageLinks("http://ui")) == before


def test_names_of_people_are_code_on_the_page(busy: BusyLedger) -> None:
    busy.now = MONDAY
    busy.batch(10, 3)
    assert "| `` hostile\\|`<b> `` |" in operations_markdown(busy.figures(), PageLinks("http://ui"))

"""The figures of an installation: counted from a ledger, the same on the page, in `labelyard status` and in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from labelyard.cli import labelyard
from labelyard.domain.attention import Kind
from labelyard.domain.deadlines import Stage
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import Job as ServerJob
from labelyard.domain.tasks import JobStatus
from labelyard.errors import NotFound
from labelyard.ledger import Ledger, Transaction, batches, breakers, jobs, outages
from labelyard.ledger.tables import Batch, Export, Object
from labelyard.operations.figure_words import lines
from labelyard.operations.figures import Figures, read_figures
from labelyard.orchestration.operations_artifact import operations_markdown
from labelyard.orchestration.page_links import PageLinks
from tests.support.fresh_ledger import create_ledger
from tests.support.ledger_samples import apply, dataset_spec

MONDAY = datetime(2026, 11, 30, 8, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NAMES = {1: "anna", 2: "ben", 3: "hostile|`<b>"}


class Yard:
    """A ledger whose clock is set by hand, and what happens in it."""

    def __init__(self, folder: Path) -> None:
        self.now = MONDAY - 10 * DAY
        self.url = create_ledger(folder / "ledger.db")
        self.ledger = Ledger(self.url, clock=lambda: self.now)
        apply(self.ledger, dataset_spec("street"))

    def batch(self, images: int, *jobs_of: int | None) -> str:
        """Let images arrive and be assigned: a job of equal size for each person, by CVAT id."""
        with self.ledger.transaction() as tx:
            batch = batches.get_or_open(tx, "street")
            for number in range(images):
                key = f"{batch.id}/{number}.jpg"
                tx.add(
                    Object(
                        dataset="street", bucket="b", key=key, etag="e", registered_at=tx.now, registered_via="sqs",
                        batch_id=batch.id, upload_name=f"{number}.jpg",
                    )
                )  # fmt: skip
            batch.objects = images
            batches.close(tx, batch, "closed by a test")
            for state in (BatchState.CREATED, BatchState.UPLOADED, BatchState.READY, BatchState.ASSIGNED):
                batches.move(tx, batch, state, "moved by a test")
            self._read_jobs(tx, batch, images, jobs_of, JobStatus.ANNOTATION)
            return batch.id

    def read_jobs(self, name: str, images: int, jobs_of: tuple[int | None, ...], status: JobStatus) -> None:
        """Read the jobs of a batch from CVAT."""
        with self.ledger.transaction() as tx:
            self._read_jobs(tx, batches.get(tx, name), images, jobs_of, status)

    def _read_jobs(
        self, tx: Transaction, batch: Batch, images: int, jobs_of: tuple[int | None, ...], status: JobStatus
    ) -> None:
        size = images // max(1, len(jobs_of))
        found = [
            ServerJob(100 * batch.number + n, batch.number, n * size, (n + 1) * size - 1, status, person)
            for n, person in enumerate(jobs_of)
        ]
        jobs.update_from_server(tx, batch, found, NAMES)

    def move(self, name: str, *states: BatchState) -> None:
        with self.ledger.transaction() as tx:
            for state in states:
                batches.move(tx, batches.get(tx, name, lock=True), state, "moved by a test")

    def export(self, name: str, images: int, labels: Mapping[str, int]) -> None:
        self.move(name, BatchState.COMPLETED, BatchState.EXPORTED)
        account = {"drawn": {"rectangle": dict(labels)}, "in_file": {"rectangle": dict(labels)}, "left_out": []}
        with self.ledger.transaction() as tx:
            for kind in ("coco", "yolo"):
                tx.add(
                    Export(
                        batch_id=name, format=kind, generation=1, bucket="b", key=f"{name}.{kind}", sha256="",
                        other_files={}, source="", images=images, annotations=sum(labels.values()), account=account,
                        task_updated="", tries=1, exported_at=tx.now, current=True,
                    )
                )  # fmt: skip

    def fail(self, name: str, error: str) -> None:
        with self.ledger.transaction() as tx:
            batches.fail(tx, batches.get(tx, name, lock=True), error, f"labelyard retry {name}")

    def figures(self, dataset: str | None = None) -> Figures:
        return read_figures(self.ledger, dataset)


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


@pytest.fixture
def working(yard: Yard) -> Yard:
    """A yard on a Monday morning: anna is fast, ben is late, one batch failed, and the CVAT is away."""
    for _ in range(4):
        done = yard.batch(30, 1)
        yard.now += HOUR
        yard.read_jobs(done, 30, (1,), JobStatus.COMPLETED)
        yard.export(done, 30, {"car": 40, "person": 2})
        yard.now += DAY - HOUR
    yard.now = MONDAY - 9 * DAY
    yard.batch(20, 1, 2)
    yard.now = MONDAY - 2 * HOUR
    yard.fail(yard.batch(10, 1), "label car is unknown")
    with yard.ledger.transaction() as tx:
        for _ in range(breakers.FAILURES_TO_OPEN):
            breakers.record_failure(tx, "default", "503 Service Unavailable")
    yard.now = MONDAY
    return yard


def test_the_morning_is_told_in_figures(working: Yard) -> None:
    seen = working.figures()
    assert seen.verdict == "1 batch needs you, CVAT default unavailable, 1 late"
    assert [(cause.kind, cause.next_step) for cause in seen.causes] == [
        (Kind.FAILED, "labelyard retry street-00006"),
        (Kind.SERVER, "labelyard doctor"),
    ]
    [late] = seen.late
    assert (late.id, late.stage, late.people, late.due) == (
        "street-00005",
        Stage.LABEL,
        ("anna", "ben"),
        MONDAY - 2 * DAY,
    )
    assert (seen.arriving.objects_hour, seen.arriving.objects_day, seen.arriving.batches_day) == (0, 10, 1)
    assert (seen.arriving.backlog.objects, seen.arriving.backlog.batches) == (30, 2)
    assert (seen.finished.images, seen.finished.annotations) == (120, {"car": 160, "person": 8})
    assert seen.days[-1].backlog == 30
    assert sum(day.arrived for day in seen.days) == 150
    assert sum(day.finished for day in seen.days) == 120
    assert seen.forecast is not None
    down = {one.name: (one.up, one.since, one.waiting) for one in seen.servers}
    assert down["CVAT default"] == (False, MONDAY - 2 * HOUR, "0 batches")
    assert down["object storage"] == (True, None, "")


def test_each_person_has_a_rate_and_what_is_left_to_do(working: Yard) -> None:
    anna, ben = working.figures().people
    assert (anna.name, anna.open_jobs, anna.open_images, anna.images_per_hour) == ("anna", 1, 10, 30)
    assert (anna.oldest, anna.images_today, anna.images_week) == (MONDAY - 9 * DAY, 0, 0)
    assert (ben.name, ben.open_images, ben.images_per_hour, ben.returned) == ("ben", 10, None, 0)


def test_work_of_today_and_a_rejected_job_are_counted(yard: Yard) -> None:
    yard.now = MONDAY
    batch = yard.batch(20, 2)
    yard.now += HOUR
    yard.read_jobs(batch, 20, (2,), JobStatus.VALIDATION)
    yard.now += HOUR
    yard.read_jobs(batch, 20, (2,), JobStatus.ANNOTATION)
    yard.now += HOUR
    yard.read_jobs(batch, 20, (2,), JobStatus.COMPLETED)
    [ben] = yard.figures().people
    assert (ben.open_jobs, ben.images_today, ben.images_week, ben.returned) == (0, 20, 20, 1)


def test_a_server_that_is_back_is_up_since_then(working: Yard) -> None:
    working.now += HOUR
    with working.ledger.transaction() as tx:
        breakers.record_success(tx, "default")
        outages.begin(tx, outages.QUEUE, "no answer")
        outages.begin(tx, outages.QUEUE, "another answer")
    found = {one.name: one for one in working.figures().servers}
    assert (found["CVAT default"].up, found["CVAT default"].since) == (True, working.now)
    assert (found["queue"].up, found["queue"].error) == (False, "another answer")
    assert working.figures("street").servers[-1].name == "object storage", "a dataset has no queue of its own"


def test_a_retried_batch_no_longer_needs_anybody(working: Yard) -> None:
    with working.ledger.transaction() as tx:
        batches.retry(tx, batches.get(tx, "street-00006", lock=True))
    assert Kind.FAILED not in [cause.kind for cause in working.figures().causes]


def test_an_unknown_dataset_is_an_error_that_names_the_known_ones(yard: Yard) -> None:
    with pytest.raises(NotFound, match="known: street"):
        yard.figures("alley")
    assert yard.figures("street").verdict == yard.figures().verdict == "nothing to do"


def test_status_json_and_page_show_the_same_figures(working: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELYARD_LEDGER", working.url)
    seen = working.figures()
    page = operations_markdown(seen, PageLinks("http://ui"))
    text = "\n".join(lines(seen))
    for shown in ("30 images in 2 batches", "due Sat 28 Nov 08:00, 2 days ago", "not labelled yet"):
        assert shown in page
        assert shown in text
    answer = CliRunner().invoke(labelyard, ["status", "--json"])
    document = json.loads(answer.output)
    assert document["figures"]["finished"] == {"batches": 4, "images": 120, "annotations": {"car": 160, "person": 8}}
    assert document["figures"]["causes"][0]["to_act"] is True
    assert CliRunner().invoke(labelyard, ["status", "--dataset", "street"]).output.startswith("1 batch needs you")


def test_a_page_on_which_nothing_changed_keeps_its_text_while_time_passes(working: Yard) -> None:
    before = operations_markdown(working.figures(), PageLinks("http://ui"))
    working.now += timedelta(minutes=10)
    assert operations_markdown(working.figures(), PageLinks("http://ui")) == before


def test_names_of_people_are_code_on_the_page(yard: Yard) -> None:
    yard.now = MONDAY
    yard.batch(10, 3)
    assert "| `` hostile\\|`<b> `` |" in operations_markdown(yard.figures(), PageLinks("http://ui"))

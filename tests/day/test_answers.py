"""The day's questions are read from the pages as they are drawn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest

from labelyard.domain.tasks import JobStatus
from labelyard.ledger import breakers, objects
from labelyard.ledger.tables import Object
from labelyard.operations.figures import read_figures
from labelyard.orchestration.batch_artifact import batch_markdown
from labelyard.orchestration.operations_artifact import operations_markdown
from labelyard.orchestration.page_links import PageLinks
from tests.day.answers import Person, read_batch, read_operations
from tests.support.busy_ledger import DAY, HOUR, MONDAY, BusyLedger
from tests.support.fresh_ledger import create_ledger

LINKS = PageLinks("http://ui", {"dataset-street": "1", "batch-street-00002": "2"})


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[BusyLedger]:
    busy = BusyLedger(create_ledger(tmp_path / "ledger.db"))
    yield busy
    busy.ledger.close()


def page(busy: BusyLedger) -> str:
    seen = read_figures(busy.ledger)
    return f"## {seen.verdict}\n\n{operations_markdown(seen, LINKS, ['street', 'night'])}"


@pytest.fixture
def morning(busy: BusyLedger) -> BusyLedger:
    """anna has exported 30 images, ben is late, CVAT was away, a batch failed, a file was rejected."""
    busy.now = MONDAY - 9 * DAY
    busy.batch(20, 2)
    busy.now = MONDAY
    done = busy.batch(30, 1)
    for happens in (breakers.record_failure, breakers.record_failure, breakers.record_failure):
        with busy.ledger.transaction() as tx:
            happens(tx, "default", "503")
    busy.now += HOUR
    with busy.ledger.transaction() as tx:
        breakers.record_success(tx, "default")
        tx.add(
            Object(
                dataset="street", bucket="b", key="bad.jpg", etag="e", registered_at=tx.now, registered_via="sqs",
                batch_id=done,
            )
        )  # fmt: skip
        tx.flush()
        objects.quarantine(tx, objects.of_key(tx, "b", "bad.jpg")[0], "no image: 8 bytes")
    busy.read_jobs(done, 30, (1,), JobStatus.COMPLETED)
    busy.export(done, 30, {"car": 40, "person": 2})
    busy.fail(busy.batch(10, 1), "label car is unknown")
    return busy


def test_every_question_has_its_answer_on_the_operations_page(morning: BusyLedger) -> None:
    found = read_operations(page(morning))
    assert found.verdict == "1 batch needs you, 1 batch late, 1 file quarantined"
    [need] = found.needs
    assert "next: `labelyard retry street-00003`" in need
    assert found.outages == {"CVAT default": ("08:00:00", "09:00:00")}
    assert found.arrived == {"": 41, "street": 41, "night": 0}
    assert found.backlog == (30, "Sat 21 Nov 08:00")
    assert found.people == {"anna": Person(0, 30), "ben": Person(1, 0)}
    assert found.late == {"street-00001": ("Sat 28 Nov 08:00", "ben")}
    [rejected] = found.rejected
    assert "**1 file quarantined**" in rejected
    assert found.what_ends_it.startswith("next for quarantined files: upload a good file under the same key: it is")
    assert (found.exported, found.classes) == (30, {"car": 40, "person": 2})
    assert found.forecast.startswith("none yet")


def test_the_newest_batches_are_on_the_page_with_links_to_theirs(morning: BusyLedger) -> None:
    newest = page(morning).partition("### Newest batches")[2].split()
    assert [word for word in newest if "street-" in word] == [
        "`street-00003`:", "[street-00002](<http://ui/artifacts/artifact/2>):", "`street-00001`:",
    ]  # fmt: skip


def test_an_outage_that_lasts_has_no_end(morning: BusyLedger) -> None:
    with morning.ledger.transaction() as tx:
        for _ in range(breakers.FAILURES_TO_OPEN):
            breakers.record_failure(tx, "default", "503")
    assert read_operations(page(morning)).outages == {"CVAT default": ("09:00:00", "")}
    assert "| CVAT default | **down** | since 09:00:00, 2 times today | 0 batches |" in page(morning)


def test_an_outage_that_is_over_is_one_fact_with_how_often_and_on_the_next_day_with_its_day(
    morning: BusyLedger,
) -> None:
    assert "| CVAT default | up | 08:00:00 to 09:00:00, once today | - |" in page(morning)
    morning.now += DAY
    assert "| CVAT default | up | Mon 30 Nov 08:00:00 to Mon 30 Nov 09:00:00 | - |" in page(morning)


def test_a_late_batch_is_on_the_page_of_its_dataset_and_on_its_own_with_its_job_and_the_next_step(
    morning: BusyLedger,
) -> None:
    dataset = operations_markdown(read_figures(morning.ledger, "street"), LINKS)
    with morning.ledger.read_only() as tx:
        own, timely = (batch_markdown(tx, name, LINKS, UTC)[0] for name in ("street-00001", "street-00002"))
    step = "next: ask ben, or give all their unfinished jobs of street to others: `labelyard reassign ben --dataset"
    assert "- **`street-00001` due Sat 28 Nov 08:00 (2 days ago)**: jobs not completed yet<br>" in dataset
    assert f"20 images in 1 open job: job `100` with `ben`: 20 images · {step}" in dataset
    assert "It was due Sat 28 Nov 08:00 by the deadlines of street: jobs not completed yet, with `ben`" in own
    assert f"| `100` | `ben` | 20 |\n\n{step}" in own
    assert "### Late" not in timely


def test_a_lead_reads_of_files_images_and_annotations_and_not_of_objects(morning: BusyLedger) -> None:
    pages = [page(morning), operations_markdown(read_figures(morning.ledger, "street"), LINKS)]
    with morning.ledger.read_only() as tx:
        pages += [batch_markdown(tx, f"street-0000{n}", LINKS, UTC)[0] for n in (1, 2, 3)]
    assert [word for text in pages for word in re.findall(r"(?i)objects?\b(?! storage).*", text)] == []


def test_a_batch_has_its_task_its_jobs_and_its_life_on_its_page(morning: BusyLedger) -> None:
    with morning.ledger.read_only() as tx:
        markdown, _, _ = batch_markdown(tx, "street-00002", LINKS, UTC)
    found = read_batch(markdown)
    assert found.state == "exported"
    assert list(found.life) == ["open", "closed", "created", "uploaded", "ready", "assigned", "completed", "exported"]
    assert found.life["assigned"] == "60.0 min"

"""The life of a batch on its page: its states, why it came back to one, and how its runs ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from labelyard.domain.states import BatchState
from labelyard.ledger.history import HistoryEntry
from labelyard.ledger.tables import Batch
from labelyard.operations.batch_life import steps
from labelyard.orchestration import WAITING_FOR_ANNOTATORS
from labelyard.orchestration.batch_life import life_markdown, runs_markdown
from labelyard.orchestration.page_links import PageLinks

OPENED = datetime(2026, 11, 30, 8, tzinfo=UTC)
LOST = "task 7 is abandoned: CVAT has lost its job"


def entries(*happened: tuple[str, str]) -> list[HistoryEntry]:
    return [HistoryEntry(OPENED + timedelta(minutes=n), what, why) for n, (what, why) in enumerate(happened, 1)]


TWO_TASKS = entries(
    ("closed", "closed with 9 objects"), ("created", "task 7"), ("abandoned", LOST),
    ("closed", "another task will be created"), ("created", "task 8"), ("uploaded", "9 frames"), ("ready", "verified"),
    ("job status", "job 1 of ben"), ("assigned", "job 1 to ben"), ("assigned", "people have it"),
)  # fmt: skip


def test_a_second_task_says_once_why_the_first_one_was_abandoned() -> None:
    found = steps(TWO_TASKS, OPENED)
    states = ["open", "closed", "created", "closed", "created", "uploaded", "ready", "assigned"]
    assert [one.state for one in found] == states
    assert [one.why_again for one in found if one.why_again] == [LOST]
    assert (found[3].why_again, found[-1].until) == (LOST, None)
    batch = Batch(opened_at=OPENED, state=BatchState.ASSIGNED)
    page = life_markdown(TWO_TASKS, batch, UTC)
    assert f"- closed again Mon 30 Nov 08:04: `{LOST}`" in page
    assert page.count(LOST) == 1, "it is not among the other events, too"
    assert "| assigned | 30 Nov 08:10:00 | until now |" in page


def test_each_further_task_has_its_reason() -> None:
    third = entries(("closed", ""), ("created", ""), ("abandoned", "one"), ("closed", ""), ("created", ""))
    found = steps([*third, *entries(("abandoned", "two"), ("closed", ""), ("created", ""))], OPENED)
    assert [(one.state, one.why_again) for one in found if one.why_again] == [("closed", "one"), ("closed", "two")]


def test_a_reopened_job_is_the_reason_for_the_state_that_comes_again() -> None:
    found = steps([*TWO_TASKS, *entries(("completed", "all done"), ("assigned", "job 1 was reopened"))], OPENED)
    assert [one.why_again for one in found if one.why_again] == [LOST, "job 1 was reopened"]


def test_the_final_state_of_a_run_is_no_state_of_its_batch_now() -> None:
    run = {"name": "ingest street-00001", "id": "1", "end_time": "2026-11-30T08:10:00Z"}
    done = runs_markdown([run | {"state_name": WAITING_FOR_ANNOTATORS}], PageLinks("http://ui"), UTC)
    assert done.endswith(": ended Mon 30 Nov 08:10: its jobs went to annotators")
    at_work = runs_markdown([run | {"state_name": "Running", "end_time": None}], PageLinks("http://ui"), UTC)
    assert at_work.endswith(": `Running`")

"""Whatever died where: the next run finishes the work, and nothing is done twice."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from labelyard.domain.annotations import Annotations, Change, Shape, ShapeType
from labelyard.domain.tasks import JobStatus, TaskSpec
from labelyard.errors import CvatBusy, CvatUnreachable, LabelyardError, LeaseTaken
from labelyard.ledger import batches, tasks
from labelyard.pipeline.acquire_batch import acquire_batch
from labelyard.pipeline.assign_jobs import assign_jobs
from labelyard.pipeline.close_batches import close_now
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.create_task import create_task
from labelyard.pipeline.register_objects import sweep_sources
from labelyard.pipeline.upload_data import upload_data
from labelyard.pipeline.wait_for_status import wait_for_status
from tests.support.bench import Bench, draw_and_complete, export, ingest, ingest_steps, picture

STEPS = (create_task, upload_data, wait_for_status, assign_jobs)
CREATE, DATA, EXPORT = "POST /api/v1/tasks", "POST /api/v1/tasks/*/data", "GET /api/v1/tasks/*/annotations"


class Died(BaseException):
    """No handler of the code may catch it."""


@pytest.fixture
def closed(bench: Bench) -> Bench:
    """Three objects in a closed batch."""
    for i in range(3):
        bench.put(f"{i}.jpg", picture(i))
    sweep_sources(bench.context)
    close_now(bench.context, "street")
    return bench


def until_done(bench: Bench, tries: int = 6) -> None:
    """Runs, each after a person's `labelyard retry`, until one succeeds."""
    for attempt in range(tries):
        try:
            ingest(bench)
        except LabelyardError:
            assert attempt < tries - 1, f"still failing: {bench.line().error}"
            with bench.context.ledger.transaction() as tx:
                batches.retry(tx, batches.get(tx, "street-00001"))
        else:
            return


def assert_exactly_once(bench: Bench) -> None:
    [task] = bench.context.cvat("default").tasks()
    assert (task.size, len(task.jobs)) == (3, 1)
    assert bench.line().state == "assigned"
    assert bench.line().task_id == task.id
    assert [job.assignee for job in bench.line().jobs] == ["ann"]


@pytest.mark.parametrize("done", range(5))
def test_a_run_that_died_after_any_step_is_finished_by_the_next(closed: Bench, done: int) -> None:
    def die_on_the_way() -> None:
        with acquire_batch(closed.context, "street-00001") as lease:
            for step in STEPS[:done]:
                step(lease)
            raise Died

    with pytest.raises(Died):
        die_on_the_way()
    if done < len(STEPS):
        ingest(closed)
    assert_exactly_once(closed)


CREATING: Sequence[dict[str, Any]] = [
    {"on": CREATE, "status": 500, "when": "before"},
    {"on": CREATE, "status": 500, "when": "after"},
    {"on": CREATE, "cut": True, "when": "before"},
    {"on": CREATE, "cut": True, "when": "after"},
    {"on": CREATE, "status": 503, "when": "after"},
    {"on": CREATE, "status": 429, "retry_after": 0},
]


@pytest.mark.parametrize("rule", CREATING, ids=lambda rule: f"{rule.get('status', 'cut')}-{rule.get('when', 'before')}")
def test_a_creation_whose_answer_is_lost_makes_one_task(closed: Bench, rule: dict[str, Any]) -> None:
    closed.sandbox.faults.set([{**rule, "times": 1}])
    until_done(closed)
    assert_exactly_once(closed)


UPLOADING: Sequence[dict[str, Any]] = [
    {"on": DATA, "cut": True, "when": "before"},
    {"on": DATA, "cut": True, "when": "after"},
    {"on": DATA, "status": 500, "when": "before"},
    {"on": DATA, "status": 504, "when": "after"},
    {"on": DATA, "short": 0.6},
    {"on": DATA, "short": 0.6, "cut": True, "when": "after"},
    {"on": "worker creation", "fail": "OSError: broken"},
    {"on": "worker creation", "delay": 0.5},
]


@pytest.mark.parametrize("rule", UPLOADING, ids=lambda rule: "-".join(f"{v}" for k, v in rule.items() if k != "on"))
def test_an_upload_that_goes_wrong_ends_in_one_whole_task(closed: Bench, rule: dict[str, Any]) -> None:
    closed.sandbox.faults.set([{**rule, "times": 1}])
    until_done(closed)
    assert_exactly_once(closed)


def test_a_task_that_somebody_deleted_before_the_upload_is_made_anew(closed: Bench) -> None:
    with acquire_batch(closed.context, "street-00001") as lease:
        made = create_task(lease)
    closed.context.cvat("default").delete_task(made.task_id)
    ingest(closed)
    assert_exactly_once(closed)


def test_empty_twins_of_ours_are_removed_and_the_oldest_stays(closed: Bench) -> None:
    with acquire_batch(closed.context, "street-00001") as lease:
        first = create_task(lease)
        spec = closed.spec.task.cvat_labels()
        lease.cvat.create_task(TaskSpec(first.name, spec))
        with closed.context.ledger.transaction() as tx:
            row = tasks.current(tx, "street-00001")
            assert row is not None
            row.server_id = None
        assert create_task(lease).task_id == first.task_id
    ingest(closed)
    assert_exactly_once(closed)


def test_two_runs_at_once_are_one_run(closed: Bench) -> None:
    with acquire_batch(closed.context, "street-00001") as lease:
        with pytest.raises(LeaseTaken, match="has it until"):
            ingest(closed)
        ingest_steps(lease)
    with pytest.raises(LeaseTaken, match="it is assigned"):
        ingest(closed)
    assert_exactly_once(closed)


def test_cvat_being_away_is_waited_for_and_told(closed: Bench) -> None:
    closed.sandbox.faults.set([{"on": "* /*", "status": 503}])
    with pytest.raises(CvatBusy):
        ingest(closed)
    line = closed.line()
    assert (line.state, line.not_before is not None) == ("closed", True)
    assert "503" in (line.error or "")
    closed.sandbox.faults.clear()
    until_done(closed)
    assert_exactly_once(closed)


def test_a_cvat_that_is_not_there_names_its_address(closed: Bench) -> None:
    away = closed.context.settings.cvat["default"].model_copy(update={"url": "http://127.0.0.1:1"})
    closed.context.settings.cvat["default"] = away
    with pytest.raises(CvatUnreachable, match=r"127\.0\.0\.1:1"):
        ingest(closed)
    assert closed.line().state == "closed"


def complete(bench: Bench) -> None:
    draw_and_complete(bench)
    collect(bench.context)


def test_an_export_that_misses_an_edit_is_seen_and_made_again(closed: Bench) -> None:
    ingest(closed)
    draw_and_complete(closed, boxes_per_frame=2)
    collect(closed.context)
    somebody = closed.person("root")
    task = somebody.task(closed.line().task_id or 0)
    closed.sandbox.faults.set([{"on": "worker export", "delay": 2.0, "times": 1}])
    with ThreadPoolExecutor(1) as pool:
        # Another client's export is running when the last box is saved; the server keeps that file for everybody.
        running = pool.submit(somebody.export, task.id, closed.context.settings.spool / "theirs.zip")
        time.sleep(0.7)
        late = Shape(ShapeType.RECTANGLE, 0, task.labels[0].id, (3.0, 3.0, 9.0, 9.0))
        closed.context.cvat("default").change_annotations(task.jobs[0].id, Change.CREATE, Annotations(shapes=(late,)))
        running.result()
    time.sleep(1.5)
    exported = export(closed)
    assert (exported.annotations, exported.source) == (7, "export")
    assert exported.tries == 2


@pytest.mark.parametrize(("crashes", "source"), [(4, "export"), (6, "annotations")])
def test_where_cvats_exporter_crashes_it_is_asked_again_and_the_file_written_from_the_annotations_in_the_end(
    closed: Bench, crashes: int, source: str
) -> None:
    ingest(closed)
    complete(closed)
    closed.sandbox.faults.set([{"on": "worker export", "fail": "KeyError: 7", "times": crashes}])
    exported = export(closed)
    assert (exported.annotations, exported.source, exported.tries) == (3, source, 3)
    assert closed.line().state == "exported"


def test_a_job_reopened_after_the_export_leads_to_a_new_generation(closed: Bench) -> None:
    ingest(closed)
    complete(closed)
    first = export(closed)
    cvat = closed.context.cvat("default")
    job = closed.line().jobs[0].id
    cvat.set_job_status(job, JobStatus.ANNOTATION)
    assert collect(closed.context).reopened == ("street-00001",)
    assert closed.line().state == "assigned"
    complete(closed)
    second = export(closed)
    assert (second.generation, second.annotations) == (2, 6)
    assert second.url != first.url
    assert closed.line().exports == [first.url, second.url]


def test_an_edit_after_the_export_without_reopening_the_job_is_noticed_too(closed: Bench) -> None:
    ingest(closed)
    complete(closed)
    export(closed)
    assert collect(closed.context).completed == ()
    cvat = closed.context.cvat("default")
    task = cvat.task(closed.line().task_id or 0)
    late = Shape(ShapeType.RECTANGLE, 0, task.labels[0].id, (3.0, 3.0, 9.0, 9.0))
    cvat.change_annotations(task.jobs[0].id, Change.CREATE, Annotations(shapes=(late,)))
    assert collect(closed.context).completed == ("street-00001",)
    assert export(closed).generation == 2


def test_a_job_that_a_person_gave_away_by_hand_stays_so(closed: Bench) -> None:
    with acquire_batch(closed.context, "street-00001") as lease:
        for step in STEPS[:3]:
            step(lease)
        cvat = closed.context.cvat("default")
        bob = next(user.id for user in cvat.users() if user.username == "bob")
        [job] = cvat.jobs(closed.line().task_id or 0)
        cvat.assign(job.id, bob)
        assert [a.annotator for a in assign_jobs(lease).jobs] == ["bob"]
    assert closed.line().jobs[0].assignee == "bob"


def test_the_round_robin_goes_on_where_the_last_batch_stopped(bench: Bench) -> None:
    for i in range(3):
        bench.put(f"{i}.jpg", picture(i))
        sweep_sources(bench.context)
        close_now(bench.context, "street")
        ingest(bench, f"street-0000{i + 1}")
    assert [bench.line(f"street-0000{i}").jobs[0].assignee for i in (1, 2, 3)] == ["ann", "bob", "ann"]

"""However a batch ends, and however late CVAT creates a task for it: no empty task stays, and nobody's work is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from cvat_sandbox import Serving, serve
from labelyard.context import open_context
from labelyard.cvat import connect
from labelyard.domain.repair_plan import Action
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import Task, TaskSpec
from labelyard.errors import CreationFailed, CvatDisagrees, LabelyardError, LeaseLost, NoUsableImage
from labelyard.ledger import batches, datasets, tasks, upgrade
from labelyard.ledger.tables import Batch
from labelyard.operations import adopt, manual, repair
from labelyard.pipeline import create_task as create_task_module
from labelyard.pipeline.acquire_batch import acquire_batch
from labelyard.pipeline.create_task import create_task
from labelyard.pipeline.leftover_tasks import delete_late_tasks
from tests.support.emulator import StoreServer
from tests.support.workspace import (
    FIRST,
    USERS,
    AtFailpoint,
    Workspace,
    complete_and_export,
    finish_jobs,
    ingest,
    ingest_until_done,
    settings,
)

CREATE, DELETE = "POST /api/v1/tasks", "DELETE /api/v1/tasks/*"
TIMEOUT = 0.8
"""Seconds that the client waits for CVAT."""
FAULTS: Sequence[dict[str, Any]] = [
    {"on": CREATE, "status": 500},
    {"on": CREATE, "status": 500, "when": "after"},
    {"on": CREATE, "status": 503},
    {"on": CREATE, "status": 504, "when": "after"},
    {"on": CREATE, "cut": True},
    {"on": CREATE, "cut": True, "when": "after"},
    {"on": CREATE, "delay": 1.5},
    {"on": CREATE, "delay": 1.5, "when": "after"},
    {"on": DELETE, "status": 500},
    {"on": DELETE, "cut": True, "when": "after"},
    {"on": "GET /api/v1/tasks", "status": 500},
]


@pytest.fixture
def sandbox() -> Iterator[Serving]:
    """A CVAT with a user beside labelyard's own, who may create tasks too."""
    with serve([*USERS, "eve:evepass1:user"]) as serving:
        yield serving


@pytest.fixture
def street(tmp_path: Path, ledger_url: str, store_server: StoreServer, sandbox: Serving) -> Iterator[Workspace]:
    """A workspace on each kind of ledger."""
    upgrade(ledger_url)
    values = settings(tmp_path, ledger_url, store_server.settings, sandbox.url)
    cvat = {"default": values.cvat["default"].model_copy(update={"timeout_seconds": TIMEOUT})}
    with open_context(values.model_copy(update={"cvat": cvat})) as context:
        workspace = Workspace(context, store_server.new_bucket(), store_server.boto("s3"), sandbox)
        workspace.apply()
        yield workspace


# --- the ends of a batch ----------------------------------------------------------------------------------------------


def no_image(street: Workspace) -> None:
    street.put("1.jpg", b"no image")
    street.close_batch()
    run_to_the_end(street)


def deleted(street: Workspace) -> None:
    street.s3.delete_object(Bucket=street.bucket, Key=close_one_file(street))
    run_to_the_end(street)


def quarantined_by_a_person(street: Workspace) -> None:
    close_one_file(street)
    manual.quarantine(street.context, street.url("1.jpg"), "blurred")
    run_to_the_end(street)


def retired_without_an_image(street: Workspace) -> None:
    street.put("1.jpg", b"no image")
    street.close_batch()
    manual.retire(street.context, "street")
    run_to_the_end(street)


def cancelled_before_its_run(street: Workspace) -> None:
    close_one_file(street)
    cancel(street)


def cancelled_with_an_empty_task(street: Workspace) -> None:
    close_one_file(street)
    for attempt in range(6):
        with suppress(LabelyardError), acquire_batch(street.context, FIRST) as lease:
            create_task(lease)
            break
        assert attempt < 5, street.line().error
        street.retry()
    cancel(street)


def cancelled_while_people_label(street: Workspace) -> None:
    close_one_file(street)
    ingest_until_done(street)
    cancel(street)


def failed(street: Workspace) -> None:
    close_one_file(street)
    rules = [*rules_of(street), {"on": "worker creation", "fail": "OSError: cannot identify 1.jpg"}]
    street.sandbox.faults.set(rules)
    for _ in range(6):
        with suppress(LabelyardError):
            ingest(street)
        if street.line().state == "failed":
            return
        street.retry()
    raise AssertionError(street.line())


def archived(street: Workspace) -> None:
    close_one_file(street)
    ingest_until_done(street)
    complete_and_export(street)
    manual.archive(street.context, FIRST)


def exported(street: Workspace) -> None:
    close_one_file(street)
    ingest_until_done(street)
    complete_and_export(street)


ENDS: Sequence[Callable[[Workspace], None]] = [
    no_image, deleted, quarantined_by_a_person, retired_without_an_image, cancelled_before_its_run,
    cancelled_with_an_empty_task, cancelled_while_people_label, failed, archived, exported,
]  # fmt: skip
HAVE_A_TASK = {cancelled_while_people_label, archived, exported}
LEFT_TO_REPAIR = {archived, exported}
"""A later task of theirs is a duplicate; the sweep asks only for batches without a task."""


def close_one_file(street: Workspace) -> str:
    key = street.put("1.jpg")
    street.close_batch()
    return key


def run_to_the_end(street: Workspace) -> None:
    """Run the batch, again after each failure, until it ends without a task."""
    for _ in range(6):
        with suppress(LabelyardError):
            ingest(street)
        if street.line().state == "quarantined":
            return
        street.retry()
    raise AssertionError(street.line())


def cancel(street: Workspace) -> None:
    manual.cancel(street.context, FIRST, "wrong labels")


def rules_of(street: Workspace) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in rule.items() if name != "met"} for rule in street.sandbox.faults.described()
    ]


# --- what there is then -----------------------------------------------------------------------------------------------


def names(street: Workspace) -> list[str]:
    """Every name that labelyard gave to a task of the batch."""
    with street.context.ledger.read_only() as tx:
        return [one.name for one in tasks.names(tx, batches.get(tx, FIRST))]


def create(street: Workspace, name: str) -> Task:
    return street.context.cvat("default").create_task(TaskSpec(name, tuple(street.spec.task.cvat_labels())))


def repair_all(street: Workspace) -> list[Action]:
    plan = repair.survey(street.context)
    assert repair.apply(street.context, plan) == []
    return [one.action for one in plan]


def empty_tasks(street: Workspace) -> list[int]:
    return [task.id for task in street.context.cvat("default").tasks() if task.is_empty]


@pytest.mark.parametrize("end", ENDS)
def test_a_task_that_is_created_after_the_end_is_deleted_by_the_sweep_or_by_repair(
    street: Workspace, end: Callable[[Workspace], None]
) -> None:
    end(street)
    late = [create(street, name).id for name in names(street) for _ in range(2)]
    assert late, "no name is known"
    own = end is cancelled_with_an_empty_task
    assert delete_late_tasks(street.context) == (0 if end in LEFT_TO_REPAIR else len(late) + own)
    assert repair_all(street) == [Action.DELETE_TASK] * (len(late) if end in LEFT_TO_REPAIR else 0)
    assert street.tasks_on_server() == (end in HAVE_A_TASK)
    assert empty_tasks(street) == []
    assert repair.survey(street.context) == []


@pytest.mark.parametrize("end", ENDS)
def test_a_task_that_is_created_much_later_is_deleted_by_repair(
    street: Workspace, end: Callable[[Workspace], None]
) -> None:
    end(street)
    delete_late_tasks(street.context)
    with street.context.ledger.transaction() as tx:
        batches.get(tx, FIRST).changed_at = tx.now - timedelta(days=30)
    late = [create(street, name) for name in names(street)]
    assert delete_late_tasks(street.context) == 0
    assert repair_all(street) == [Action.DELETE_TASK] * len(late)
    assert street.tasks_on_server() == (end in HAVE_A_TASK)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("rule", FAULTS, ids=lambda rule: "-".join(map(str, rule.values())).replace("/", ""))
@pytest.mark.parametrize("end", ENDS)
def test_no_empty_task_stays_at_any_end_after_any_fault(
    street: Workspace, end: Callable[[Workspace], None], rule: dict[str, Any]
) -> None:
    street.sandbox.faults.set([{**rule, "times": 2}])
    end(street)
    street.sandbox.faults.clear()
    time.sleep(rule.get("delay", 0))
    delete_late_tasks(street.context)
    assert set(repair_all(street)) <= {Action.DELETE_TASK}
    assert empty_tasks(street) == []
    assert street.tasks_on_server() == (end in HAVE_A_TASK)
    assert repair.survey(street.context) == []


# --- people end a batch in the middle of a run ------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["planned", "searched", "sent", "recorded"])
def test_a_batch_that_a_person_cancels_while_its_task_is_created_keeps_no_task(
    street: Workspace, at_failpoint: AtFailpoint, point: str
) -> None:
    close_one_file(street)
    at_failpoint(create_task_module, f"create_task.{point}", lambda: cancel(street))
    with pytest.raises(LeaseLost):
        ingest(street)
    delete_late_tasks(street.context)
    assert street.tasks_on_server() == 0
    assert (street.line().state, street.line().task_id) == ("cancelled", None)
    assert repair.survey(street.context) == []


@pytest.mark.parametrize("point", ["planned", "searched", "sent", "recorded"])
def test_a_run_that_lost_its_lease_to_one_that_ended_the_batch_leaves_no_task(
    street: Workspace, at_failpoint: AtFailpoint, point: str
) -> None:
    def second_run() -> None:
        street.expire_lease()
        street.s3.delete_object(Bucket=street.bucket, Key="in/1.jpg")
        with pytest.raises(NoUsableImage):
            ingest(street)

    close_one_file(street)
    at_failpoint(create_task_module, f"create_task.{point}", second_run)
    with pytest.raises(LeaseLost):
        ingest(street)
    assert (street.line().state, street.tasks_on_server()) == ("quarantined", 0)


def test_a_lost_answer_of_a_run_without_a_lease_leaves_no_task(street: Workspace, at_failpoint: AtFailpoint) -> None:
    """The run does not learn the id of the task that it creates; it searches for its name."""
    close_one_file(street)
    street.sandbox.faults.set([{"on": CREATE, "status": 500, "when": "after", "times": 1}])
    at_failpoint(create_task_module, "create_task.searched", lambda: cancel(street))
    with pytest.raises(LeaseLost):
        ingest(street)
    assert street.tasks_on_server() == 0


def test_a_task_of_a_killed_run_is_deleted_if_the_objects_are_gone_when_the_next_run_starts(
    street: Workspace, at_failpoint: AtFailpoint
) -> None:
    class Killed(BaseException):
        pass

    def kill() -> None:
        raise Killed

    close_one_file(street)
    at_failpoint(create_task_module, "create_task.sent", kill)
    with pytest.raises(Killed):
        ingest(street)
    assert street.tasks_on_server() == 1
    manual.quarantine(street.context, street.url("1.jpg"), "blurred")
    with pytest.raises(NoUsableImage):
        ingest(street)
    assert (street.line().state, street.tasks_on_server()) == ("quarantined", 0)


def test_a_batch_without_objects_creates_no_task(street: Workspace) -> None:
    quarantined_by_a_person(street)
    assert create(street, "the first task of this server").id == 1


def test_a_request_that_a_proxy_delays_until_the_batch_is_cancelled_leaves_no_task(street: Workspace) -> None:
    close_one_file(street)
    street.sandbox.faults.set([{"on": CREATE, "delay": 1.5, "times": 1}])
    with pytest.raises(LabelyardError):
        ingest(street)
    cancel(street)
    assert delete_late_tasks(street.context) == 0
    end = time.monotonic() + 20
    while not street.tasks_on_server() and time.monotonic() < end:
        time.sleep(0.1)
    assert delete_late_tasks(street.context) == 1
    assert street.tasks_on_server() == 0


# --- nobody's work is deleted -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ENDS)
def test_a_task_with_frames_is_never_deleted_and_repair_names_it(
    street: Workspace, end: Callable[[Workspace], None]
) -> None:
    end(street)
    street.sandbox.faults.clear()
    delete_late_tasks(street.context)
    full = [street.create_task(name, "a.jpg") for name in names(street)]
    assert delete_late_tasks(street.context) == 0
    found = repair.survey(street.context)
    assert [(one.action, one.task_id) for one in found] == [(Action.REPORT, task) for task in full]
    assert street.tasks_on_server() == len(full) + (end in HAVE_A_TASK)


def test_frames_that_a_person_put_into_the_task_stay_when_the_batch_ends(
    street: Workspace, at_failpoint: AtFailpoint
) -> None:
    def person_creates_frames() -> None:
        [task] = street.context.cvat("default").tasks()
        other = street.create_task("other", "a.jpg")
        assert not street.context.cvat("default").task(other).is_empty
        street.upload_to(task.id, "b.jpg")

    street.put("1.jpg", b"no image")
    street.close_batch()
    at_failpoint(create_task_module, "create_task.recorded", person_creates_frames)
    with pytest.raises(NoUsableImage):
        ingest(street)
    delete_late_tasks(street.context)
    assert street.tasks_on_server() == 2
    [found] = repair.survey(street.context)
    assert (found.action, "was abandoned for street-00001" in found.what) == (Action.REPORT, True)


def test_an_empty_task_of_another_account_or_another_name_is_not_deleted(street: Workspace) -> None:
    no_image(street)
    [name] = names(street)
    eve = connect(street.sandbox.url, username="eve", password=SecretStr("evepass1"))
    eve.create_task(TaskSpec(name, tuple(street.spec.task.cvat_labels())))
    for other in (f"my {name}", name.upper(), f"{name} #2", "street-00001"):
        create(street, other)
    assert delete_late_tasks(street.context) == 0
    assert set(repair_all(street)) == {Action.REPORT}
    assert street.tasks_on_server() == 5


def test_an_empty_task_with_the_name_of_an_adopted_task_is_not_deleted_by_its_export(street: Workspace) -> None:
    street.put("a.jpg")
    task = street.create_task("Monday", "a.jpg")
    [adopted] = adopt.adopt(street.context, "street", [task])
    create(street, "Monday")
    finish_jobs(street, adopted.batch_id)
    with acquire_batch(street.context, adopted.batch_id, (BatchState.COMPLETED,)):
        assert street.tasks_on_server() == 2
    assert repair.survey(street.context) == []


# --- what repair says meanwhile ---------------------------------------------------------------------------------------


def test_a_task_that_a_run_is_creating_is_no_finding(street: Workspace, at_failpoint: AtFailpoint) -> None:
    found: list[object] = []
    close_one_file(street)
    at_failpoint(create_task_module, "create_task.sent", lambda: found.extend(repair.survey(street.context)))
    ingest(street)
    assert found == []


def test_a_task_of_a_failed_batch_that_is_not_recorded_is_reported_and_retry_continues_with_it(
    street: Workspace, at_failpoint: AtFailpoint
) -> None:
    def conflict() -> None:
        raise CvatDisagrees("two tasks", where="here", next_step="rename one")

    close_one_file(street)
    at_failpoint(create_task_module, "create_task.sent", conflict)
    with pytest.raises(CvatDisagrees):
        ingest(street)
    [found] = repair.survey(street.context)
    assert (found.action, "labelyard retry street-00001" in found.what) == (Action.REPORT, True)
    assert delete_late_tasks(street.context) == 0
    street.retry()
    ingest(street)
    assert (street.line().state, street.tasks_on_server()) == ("assigned", 1)
    assert repair.survey(street.context) == []


def test_names_on_a_cvat_that_the_dataset_has_left_are_looked_for_there(street: Workspace) -> None:
    no_image(street)
    at = street.context.settings.cvat["default"]
    street.context.settings.cvat["other"] = at.model_copy(update={"url": "http://127.0.0.1:9"})
    late = create(street, names(street)[0])
    with street.context.ledger.transaction() as tx:
        assert tx.get_one(Batch, FIRST).cvat == "default"
        assert [server for server, _, _ in tasks.names_of_dataset(tx, "street")] == ["default"]
        assert [spec.name for spec in datasets.current(tx, retired=True)] == ["street"]
    assert [one.task_id for one in repair.survey(street.context)] == [late.id]


def test_a_sweep_goes_on_while_cvat_does_not_respond(street: Workspace) -> None:
    no_image(street)
    create(street, names(street)[0])
    street.sandbox.faults.set([{"on": "* /*", "status": 503}])
    assert delete_late_tasks(street.context) == 0
    street.sandbox.faults.clear()
    assert delete_late_tasks(street.context) == 1


def test_a_file_that_cvat_cannot_read_fails_its_batch_and_leaves_no_task(street: Workspace) -> None:
    close_one_file(street)
    street.sandbox.faults.set([{"on": "worker creation", "fail": "OSError: cannot identify 1.jpg"}])
    with pytest.raises(CreationFailed):
        ingest(street)
    assert (street.line().state, street.tasks_on_server()) == ("failed", 0)

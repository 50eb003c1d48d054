"""Leftover tasks of batches that end in the middle of a run, and tasks that are not ours to delete."""

from __future__ import annotations

import time

import pytest
from pydantic import SecretStr

from labelyard.cvat import connect
from labelyard.domain.plan import Action
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import TaskSpec
from labelyard.errors import CvatDisagrees, LabelyardError, LeaseLost, NoUsableImage
from labelyard.ledger import datasets, tasks
from labelyard.ledger.tables import Batch
from labelyard.operations import adopt, manual
from labelyard.operations.plan import survey_tasks
from labelyard.pipeline import create_task as create_task_module
from labelyard.pipeline.acquire_batch import acquire_batch
from labelyard.pipeline.leftover_tasks import delete_late_tasks
from labelyard.pipeline.upload_data import upload_data
from tests.support.batch_ends import (
    apply_plan,
    cancel,
    close_one_file,
    create,
    names,
    no_image,
    quarantined_by_a_person,
)
from tests.support.waiting import eventually
from tests.support.workspace import FIRST, AtFailpoint, Workspace, finish_jobs, ingest

CREATE = "POST /api/v1/tasks"


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
    assert survey_tasks(street.context) == []


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


@pytest.mark.parametrize(
    "fault", [{"forget": "queue"}, {"forget": "worker"}, {"fail": "OSError: the disk is full"}], ids=str
)
def test_the_task_of_a_cancelled_batch_is_deleted_once_cvat_has_lost_its_upload(
    street: Workspace, fault: dict[str, str]
) -> None:
    settings = street.context.settings
    settings.wait_seconds, settings.forgotten_seconds, settings.stalled_seconds = 0, 0.3, -0.7  # and 1 s for its file
    close_one_file(street)
    street.sandbox.faults.set([{"on": "worker creation", **fault}])
    with acquire_batch(street.context, FIRST) as lease:
        create_task_module.create_task(lease)
        upload_data(lease)
    cancel(street)
    eventually(lambda: delete_late_tasks(street.context), "the deletion of the task", 10)
    assert street.tasks_on_server() == 0
    assert (street.line().state, street.line().task_id) == ("cancelled", None)
    assert survey_tasks(street.context) == []


def test_an_upload_of_which_cvat_still_makes_frames_stays_when_its_batch_is_cancelled(street: Workspace) -> None:
    street.context.settings.wait_seconds = 0
    close_one_file(street)
    street.sandbox.faults.set([{"on": "worker creation", "delay": 3600}])
    ingest(street)
    cancel(street)
    assert delete_late_tasks(street.context) == 0
    [found] = survey_tasks(street.context)
    assert (found.action, "has an upload, but no frames" in found.what) == (Action.REPORT, True)
    street.sandbox.faults.stop()
    eventually(street.frames, "the frames", 10)
    assert delete_late_tasks(street.context) == 0
    assert survey_tasks(street.context) == []


# --- nobody's work is deleted -----------------------------------------------------------------------------------------


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
    [found] = survey_tasks(street.context)
    assert (found.action, "was abandoned for street-00001" in found.what) == (Action.REPORT, True)


def test_an_empty_task_of_another_account_or_another_name_is_not_deleted(street: Workspace) -> None:
    no_image(street)
    [name] = names(street)
    eve = connect(street.sandbox.url, username="eve", password=SecretStr("evepass1"))
    eve.create_task(TaskSpec(name, tuple(street.spec.task.cvat_labels())))
    for other in (f"my {name}", name.upper(), f"{name} #2", "street-00001"):
        create(street, other)
    assert delete_late_tasks(street.context) == 0
    assert set(apply_plan(street)) == {Action.REPORT}
    assert street.tasks_on_server() == 5


def test_an_empty_task_with_the_name_of_an_adopted_task_is_not_deleted_by_its_export(street: Workspace) -> None:
    street.put("a.jpg")
    task = street.create_task("Monday", "a.jpg")
    [adopted] = adopt.adopt(street.context, "street", [task])
    create(street, "Monday")
    finish_jobs(street, adopted.batch_id)
    with acquire_batch(street.context, adopted.batch_id, (BatchState.COMPLETED,)):
        assert street.tasks_on_server() == 2
    assert survey_tasks(street.context) == []


# --- what the plan says meanwhile -------------------------------------------------------------------------------------


def test_a_task_that_a_run_is_creating_is_no_finding(street: Workspace, at_failpoint: AtFailpoint) -> None:
    found: list[object] = []
    close_one_file(street)
    at_failpoint(create_task_module, "create_task.sent", lambda: found.extend(survey_tasks(street.context)))
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
    [found] = survey_tasks(street.context)
    assert (found.action, "labelyard retry street-00001" in found.what) == (Action.REPORT, True)
    assert delete_late_tasks(street.context) == 0
    street.retry()
    ingest(street)
    assert (street.line().state, street.tasks_on_server()) == ("assigned", 1)
    assert survey_tasks(street.context) == []


def test_names_on_a_cvat_that_the_dataset_has_left_are_looked_for_there(street: Workspace) -> None:
    no_image(street)
    at = street.context.settings.cvat["default"]
    street.context.settings.cvat["other"] = at.model_copy(update={"url": "http://127.0.0.1:9"})
    late = create(street, names(street)[0])
    with street.context.ledger.transaction() as tx:
        assert tx.get_one(Batch, FIRST).cvat == "default"
        assert [server for server, _, _ in tasks.names_of_dataset(tx, "street")] == ["default"]
        assert [spec.name for spec in datasets.current(tx, retired=True)] == ["street"]
    assert [one.task_id for one in survey_tasks(street.context)] == [late.id]


def test_a_sweep_goes_on_while_cvat_does_not_respond(street: Workspace) -> None:
    no_image(street)
    create(street, names(street)[0])
    street.sandbox.faults.set([{"on": "* /*", "status": 503}])
    assert delete_late_tasks(street.context) == 0
    street.sandbox.faults.clear()
    assert delete_late_tasks(street.context) == 1

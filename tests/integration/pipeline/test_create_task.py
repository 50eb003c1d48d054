"""A batch has exactly one task, whatever happens to the requests that create it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from labelyard.cvat import Cvat
from labelyard.domain.states import INGESTING, BatchState, TaskState
from labelyard.domain.tasks import Task, TaskSpec
from labelyard.errors import (
    CvatCrashed,
    CvatNotFound,
    LeaseLost,
)
from labelyard.ledger import Transaction, batches, leases, tasks
from labelyard.pipeline.acquire_batch import acquire_batch
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.create_task import create_task
from labelyard.pipeline.upload_data import upload_data
from labelyard.pipeline.wait_for_status import wait_for_status
from tests.support.cvat_families import V1, V2
from tests.support.workspace import (
    Workspace,
    assert_one_complete_task,
    draw_and_complete,
    export,
    ingest,
)


def _forget_task(tx: Transaction) -> None:
    """Let the ledger know no task of the batch, as after a kill before the task was recorded."""
    row = tasks.current(tx, "street-00001")
    assert row is not None
    row.server_id, row.state = None, TaskState.PLANNED


def test_a_task_deleted_before_the_upload_is_created_again(closed: Workspace) -> None:
    with acquire_batch(closed.context, "street-00001") as lease:
        created = create_task(lease)
    closed.context.cvat("default").delete_task(created.task_id)
    ingest(closed)
    assert_one_complete_task(closed)


def test_our_empty_duplicates_are_deleted_and_the_oldest_task_stays(closed: Workspace) -> None:
    with acquire_batch(closed.context, "street-00001") as lease:
        first = create_task(lease)
        spec = closed.spec.task.cvat_labels()
        lease.cvat.create_task(TaskSpec(first.name, spec))
        with closed.context.ledger.transaction() as tx:
            _forget_task(tx)
        assert create_task(lease).task_id == first.task_id
    ingest(closed)
    assert_one_complete_task(closed)


@pytest.mark.parametrize(
    ("cvat_version", "form"), [(V1, {"segment_size": 1}), (V2, {"segment_size": 1}), (V2, {"replicas": 2})], ids=str
)
def test_an_empty_task_of_ours_that_would_get_other_jobs_is_replaced(closed: Workspace, form: dict[str, int]) -> None:
    """As one that an earlier version of the dataset file has created."""
    with acquire_batch(closed.context, "street-00001") as lease:
        first = create_task(lease)
        lease.cvat.delete_task(first.task_id)
        other = lease.cvat.create_task(TaskSpec(first.name, closed.spec.task.cvat_labels(), **form))
        with closed.context.ledger.transaction() as tx:
            _forget_task(tx)
        created = create_task(lease)
        assert created.task_id not in (first.task_id, other.id)
        task = lease.cvat.task(created.task_id)
    assert (task.segment_size, task.has_replicas) == (closed.spec.task.segment_size, False)
    assert closed.tasks_on_server() == 1


def test_an_adopted_task_that_has_the_files_gets_no_second_upload(two_files: Workspace) -> None:
    """As after a power cut that took the last minute of the ledger."""
    ingest(two_files)
    task = two_files.line().task_id or 0
    with two_files.context.ledger.transaction() as tx:
        batch = batches.get(tx, "street-00001")
        batch.state, batch.leased_by = BatchState.CLOSED, None
        row = tasks.current(tx, batch.id)
        assert row is not None
        row.server_id = row.upload_begun_at = row.request_id = row.files = None
        row.state = TaskState.PLANNED
        for member in batches.members(tx, batch.id):
            member.upload_name = None
    ingest(two_files)
    assert (two_files.line().task_id, two_files.line().state) == (task, "assigned")
    assert len(two_files.context.cvat("default").jobs(task)) == 1
    assert two_files.tasks_on_server() == 1


class SlowCvat:
    """A CVAT for a run that is delayed just before it creates its task."""

    def __init__(self, cvat: Cvat, meanwhile: Callable[[], object]) -> None:
        self._cvat, self._meanwhile = cvat, meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cvat, name)

    def create_task(self, spec: TaskSpec) -> Task:
        self._meanwhile()
        return self._cvat.create_task(spec)


def create_and_lose_the_lease(workspace: Workspace, meanwhile: Callable[[], object]) -> None:
    with acquire_batch(workspace.context, "street-00001") as late:
        vars(late)["cvat"] = SlowCvat(late.cvat, meanwhile)
        create_task(late)


def test_a_task_created_after_the_lease_was_lost_is_deleted(workspace: Workspace) -> None:
    def take_over() -> None:
        workspace.expire_lease()
        ingest(workspace)

    workspace.put("1.jpg")
    workspace.close_batch()
    with pytest.raises(LeaseLost):
        create_and_lose_the_lease(workspace, take_over)
    assert workspace.tasks_on_server() == 1
    assert workspace.line().state == "assigned"


def test_a_run_that_lost_its_lease_records_nothing(workspace: Workspace) -> None:
    def take_over() -> None:
        workspace.expire_lease()
        with workspace.context.ledger.transaction() as tx:
            leases.acquire(tx, "street-00001", "somebody", INGESTING, timedelta(minutes=1))

    workspace.put("1.jpg")
    workspace.close_batch()
    with pytest.raises(LeaseLost):
        create_and_lose_the_lease(workspace, take_over)
    assert (workspace.line().state, workspace.line().task_id) == ("closed", None)


def test_a_creation_that_takes_effect_long_after_its_lost_response_leaves_no_second_task(workspace: Workspace) -> None:
    workspace.put("1.jpg")
    workspace.close_batch()
    ingest(workspace)
    cvat, labels = workspace.context.cvat("default"), workspace.spec.task.cvat_labels()
    earlier_name = workspace.line().task_name or ""
    cvat.delete_task(workspace.line().task_id or 0)
    workspace.set_state("street-00001", BatchState.CREATED)
    ingest(workspace)
    for name in (earlier_name, workspace.line().task_name or ""):
        cvat.create_task(TaskSpec(name, labels))
    draw_and_complete(workspace)
    collect(workspace.context)
    export(workspace)
    assert workspace.tasks_on_server() == 1


def can_delete(cvat: Cvat, task_id: int) -> bool:
    """Delete a task if that is possible: while a worker makes its frames, the server answers 500 instead."""
    try:
        cvat.delete_task(task_id)
    except CvatCrashed:
        return False
    return True


def test_a_task_deleted_while_its_frames_are_awaited_is_created_again_by_the_next_run(workspace: Workspace) -> None:
    workspace.put("1.jpg")
    workspace.close_batch()

    def run() -> None:
        with acquire_batch(workspace.context, "street-00001") as lease:
            created = create_task(lease)
            upload_data(lease)
            while not can_delete(lease.cvat, created.task_id):
                time.sleep(0.02)
            wait_for_status(lease)

    with pytest.raises(CvatNotFound):
        run()
    assert workspace.line().state == "uploaded"
    workspace.end_wait()
    ingest(workspace)
    assert (workspace.line().state, workspace.tasks_on_server()) == ("assigned", 1)

"""From CVAT's webhook to the completed batch, over the wire: sandbox, endpoint, ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import httpx
import pytest

from labelyard.domain.tasks import JobStatus
from labelyard.operations.cvat_webhook import webhook_setup
from labelyard.pipeline import collect_finished
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.collect_reported import collect_reported_tasks
from labelyard.sources.cvat_deliveries import sign
from labelyard.sources.reported_tasks import ReportedTask
from labelyard.supervisor.stack import free_ports
from tests.support.cvat_families import V2
from tests.support.pictures import picture
from tests.support.waiting import eventually
from tests.support.webhook_watching import SECRET, Watching, in_organization, watching
from tests.support.workspace import FIRST, AtFailpoint, Workspace, draw_and_complete, export, ingest


@pytest.fixture
def cvat_version() -> str:
    return V2


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def acme(workspace: Workspace, port: int) -> Workspace:
    """An assigned batch of two jobs, in an organization whose webhook posts to `port`."""
    in_organization(workspace, f"http://127.0.0.1:{port}", task={"segment_size": 1})
    webhook_setup(workspace.context, workspace.spec).apply()
    for number in range(2):
        workspace.put(f"{number}.jpg", picture(number))
    workspace.close_batch()
    ingest(workspace)
    return workspace


@pytest.fixture
def watched(acme: Workspace, port: int) -> Iterator[Watching]:
    with watching(acme, port) as watcher:
        yield watcher


def task(acme: Workspace) -> ReportedTask:
    return ReportedTask("default", acme.line().task_id or 0)


def states(acme: Workspace) -> Sequence[str]:
    with acme.context.ledger.read_only():
        return [acme.line().state, *(job.status for job in acme.line().jobs)]


def test_a_completed_job_reaches_the_ledger_by_webhook_and_a_reopened_one_and_a_late_annotation(
    acme: Workspace, watched: Watching
) -> None:
    cvat = acme.context.cvat("default/acme")
    first, second = acme.line().jobs
    cvat.set_job_status(first.id, JobStatus.COMPLETED)
    eventually(lambda: states(acme) == ["assigned", "completed", "annotation"])
    draw_and_complete(acme)
    eventually(lambda: acme.line().state == "completed")
    export(acme)
    cvat.set_job_status(second.id, JobStatus.ANNOTATION)
    eventually(lambda: states(acme) == ["assigned", "completed", "annotation"])
    cvat.set_job_status(second.id, JobStatus.COMPLETED)
    eventually(lambda: acme.line().state == "completed")
    export(acme)
    draw_and_complete(acme)
    eventually(lambda: acme.line().state == "completed")
    assert {one for tasks in watched.collected for one in tasks} == {task(acme)}


def test_repeated_late_and_foreign_deliveries_change_nothing_and_a_burst_is_few_requests(
    acme: Workspace, watched: Watching
) -> None:
    before = states(acme)
    task_id = acme.line().task_id
    late = f'{{"event": "update:job", "job": {{"task_id": {task_id}, "state": "completed"}}}}'.encode()
    foreign = b'{"event": "update:job", "job": {"task_id": 99999999999}}'
    with httpx.Client() as client:
        for body in [late, foreign] * 100:
            headers = {"X-Signature-256": sign(SECRET, body).decode()}
            assert client.post(f"{watched.url}/cvat/default", content=body, headers=headers).status_code == 204
    eventually(lambda: sum(task(acme) in tasks for tasks in watched.collected))
    assert states(acme) == before
    assert len(watched.collected) < 20


def test_saved_annotations_alone_are_no_reason_to_ask_while_people_have_the_task(acme: Workspace) -> None:
    draw_and_complete(acme)
    collect_reported_tasks(acme.context, {task(acme): True})
    assert acme.line().state == "assigned"
    assert collect_reported_tasks(acme.context, {task(acme): False}) == []
    assert acme.line().state == "completed"


def test_a_task_that_another_process_recorded_meanwhile_is_asked_for_again(
    acme: Workspace, at_failpoint: AtFailpoint
) -> None:
    cvat = acme.context.cvat("default/acme")
    [first, _] = acme.line().jobs

    def complete_and_collect() -> None:
        cvat.set_job_status(first.id, JobStatus.COMPLETED)
        collect(acme.context)

    at_failpoint(collect_finished, "collect_finished.shown", complete_and_collect)
    assert collect_reported_tasks(acme.context, {task(acme): False}) == [task(acme)]
    assert states(acme) == ["assigned", "completed", "annotation"]
    assert collect_reported_tasks(acme.context, {task(acme): False}) == []


def test_what_no_delivery_reports_the_schedule_finds(acme: Workspace) -> None:
    draw_and_complete(acme)  # nobody listens at the port
    assert collect(acme.context).completed == (FIRST,)


def test_a_failure_is_recorded_by_the_schedule_alone(acme: Workspace) -> None:
    acme.context.cvat("default/acme").delete_task(acme.line().task_id or 0)
    assert collect_reported_tasks(acme.context, {task(acme): False}) == []
    assert acme.line().error is None
    assert collect(acme.context).needs_person == (FIRST,)

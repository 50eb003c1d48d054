"""Differences between ledger, CVAT and bucket, and their fixes."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from sqlalchemy import inspect

from cvat_sandbox import serve
from labelyard.context import open_context
from labelyard.domain.labels import Label
from labelyard.domain.repair_plan import Action, Discrepancy
from labelyard.domain.tasks import TaskSpec
from labelyard.errors import LedgerError, NoUsableImage
from labelyard.ledger import breakers, exports, tasks
from labelyard.ledger.tables import Export
from labelyard.operations import manual, repair
from labelyard.pipeline.collect_finished import collect
from labelyard.settings import CvatSettings
from tests.support.workspace import USERS, Workspace, complete_and_export, export, ingest


def fix_all(workspace: Workspace) -> list[Action]:
    plan = repair.survey(workspace.context)
    repair.apply(workspace.context, plan)
    return [discrepancy.action for discrepancy in plan]


def task_id(workspace: Workspace) -> int:
    return workspace.line().task_id or 0


def test_without_differences_there_are_no_findings(assigned: Workspace) -> None:
    assert repair.survey(assigned.context) == []


def test_a_task_deleted_in_cvat_is_created_again(assigned: Workspace) -> None:
    assigned.context.cvat("default").delete_task(task_id(assigned))
    assert fix_all(assigned) == [Action.RECREATE_TASK]
    assert (assigned.line().state, assigned.line().jobs) == ("closed", [])
    ingest(assigned)
    assert (assigned.line().state, len(assigned.line().jobs)) == ("assigned", 1)
    assert repair.survey(assigned.context) == []


def test_a_late_duplicate_of_a_batch_that_ended_without_a_task_is_deleted(workspace: Workspace) -> None:
    workspace.put("1.jpg", b"no image")
    workspace.close_batch()
    with pytest.raises(NoUsableImage):
        ingest(workspace)
    with workspace.context.ledger.read_only() as tx:
        [row] = tasks.of_batch(tx, "street-00001")
    workspace.context.cvat("default").create_task(TaskSpec(row.name, tuple(workspace.spec.task.cvat_labels())))
    assert fix_all(workspace) == [Action.DELETE_TASK]
    assert workspace.tasks_on_server() == 0


def test_a_task_that_the_account_may_not_see_is_reported_and_never_created_again(assigned: Workspace) -> None:
    root = assigned.context.cvat("default")
    ann = next(user.id for user in root.users() if user.username == "ann")
    root.patch_task(task_id(assigned), assignee=ann)
    for job in root.jobs(task_id(assigned)):
        root.assign(job.id, ann)
    other = CvatSettings(url=assigned.sandbox.url, username="bob", password=SecretStr("bobpass1"))
    with open_context(assigned.context.settings.model_copy(update={"cvat": {"default": other}})) as context:
        [discrepancy] = repair.survey(context)
        assert (discrepancy.action, "may not read" in discrepancy.what) == (Action.REPORT, True)
        assert "may not read it" in next(iter((collect(context).failed or {}).values()))
        with context.ledger.read_only() as tx:
            assert breakers.failing(tx) == []


def test_a_deleted_task_of_an_exported_batch_needs_nothing_once_the_batch_is_archived(assigned: Workspace) -> None:
    complete_and_export(assigned)
    assigned.context.cvat("default").delete_task(task_id(assigned))
    assert collect(assigned.context).failed
    assert (assigned.line().next_step or "").startswith("labelyard archive street-00001 if its work is done; else")
    manual.archive(assigned.context, "street-00001")
    assert (collect(assigned.context).failed, assigned.line().state) == ({}, "archived")
    assert repair.survey(assigned.context) == []
    with pytest.raises(LedgerError, match="from archived to archived"):
        manual.archive(assigned.context, "street-00001")


def test_an_empty_duplicate_is_deleted_and_one_with_frames_is_reported(assigned: Workspace) -> None:
    cvat, name = assigned.context.cvat("default"), assigned.line().task_name or ""
    cvat.create_task(TaskSpec(name, (Label("car"),)))
    assert fix_all(assigned) == [Action.DELETE_TASK]
    assert assigned.tasks_on_server() == 1
    full = assigned.create_task(name, "1.jpg")
    assert fix_all(assigned) == [Action.REPORT]
    assert cvat.task(full).size == 1


def test_a_job_without_an_assignee_is_assigned(assigned: Workspace) -> None:
    cvat = assigned.context.cvat("default")
    cvat.assign(assigned.line().jobs[0].id, None)
    assert fix_all(assigned) == [Action.ASSIGN]
    assert cvat.jobs(task_id(assigned))[0].assignee is not None
    assert repair.survey(assigned.context) == []


def test_an_export_missing_from_the_bucket_is_written_again(assigned: Workspace) -> None:
    complete_and_export(assigned)
    bucket, key = assigned.line().exports[-1].removeprefix("s3://").split("/", 1)
    assigned.s3.delete_object(Bucket=bucket, Key=key)
    assert fix_all(assigned) == [Action.EXPORT_AGAIN]
    assert export(assigned).generation == 2
    assert repair.survey(assigned.context) == []


def test_a_missing_file_of_a_second_format_is_found_too(assigned: Workspace) -> None:
    complete_and_export(assigned)
    add_yolo(assigned, "out/street-00001.yolo.zip")
    [found] = repair.survey(assigned.context)
    assert (found.action, "out/street-00001.yolo.zip" in f"{found.where} {found.what}") == (Action.EXPORT_AGAIN, True)


def test_a_missing_extra_file_of_an_export_is_found_too(assigned: Workspace) -> None:
    complete_and_export(assigned)
    with assigned.context.ledger.transaction() as tx:
        coco = next(one for one in exports.latest(tx, "street-00001") if one.format == "coco")
        coco.other_files = {"out/street-00001.extra.json": "0"}
    [found] = repair.survey(assigned.context)
    assert (found.action, "out/street-00001.extra.json" in found.what) == (Action.EXPORT_AGAIN, True)


def add_yolo(workspace: Workspace, key: str) -> None:
    """Record an export in a second format, of the same state of the task."""
    with workspace.context.ledger.transaction() as tx:
        coco = next(one for one in exports.latest(tx, "street-00001") if one.format == "coco")
        values = {column.key: getattr(coco, column.key) for column in inspect(Export).columns if column.key != "id"}
        tx.add(Export(**{**values, "format": "yolo", "key": key}))


def test_a_renamed_task_or_one_on_an_earlier_cvat_does_not_count_as_deleted(assigned: Workspace) -> None:
    assigned.context.cvat("default").patch_task(task_id(assigned), name="Monday's")
    assert repair.survey(assigned.context) == []
    with serve(USERS) as other:
        at = assigned.context.settings.cvat["default"].model_copy(update={"url": other.url})
        assigned.context.settings.cvat["other"] = at
        assigned.apply(cvat="other")
        assert repair.survey(assigned.context) == []


def test_the_task_of_a_cancelled_batch_is_no_finding(assigned: Workspace) -> None:
    manual.cancel(assigned.context, "street-00001", "wrong labels")
    assert repair.survey(assigned.context) == []


def test_an_outdated_plan_changes_nothing(assigned: Workspace) -> None:
    cvat, name = assigned.context.cvat("default"), assigned.line().task_name or ""
    duplicate = assigned.create_task(name, "1.jpg")
    outdated = [
        Discrepancy("here", "deleted", Action.RECREATE_TASK, "street-00001", task_id(assigned)),
        Discrepancy("here", "empty", Action.DELETE_TASK, "street-00001", duplicate),
    ]
    failed = repair.apply(assigned.context, outdated)
    assert [error.what for _, error in failed] == ["it exists again", "it has data by now"]
    assert assigned.line().state == "assigned"
    assert cvat.task(duplicate).size == 1

"""Differences between ledger, CVAT and bucket, and their fixes."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from sqlalchemy import inspect

from cvat_sandbox import serve
from labelyard.context import open_context
from labelyard.domain.labels import Label
from labelyard.domain.plan import Action, Difference
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import TaskSpec
from labelyard.errors import InputError, LabelyardError, LeaseTaken, LedgerError, NoUsableImage
from labelyard.ledger import breakers, exports, tasks
from labelyard.ledger.tables import Export
from labelyard.operations import manual
from labelyard.operations.apply import carry_out
from labelyard.operations.plan import survey_tasks
from labelyard.operations.reassign import reassign
from labelyard.pipeline.acquire_batch import acquire_batch
from labelyard.pipeline.collect_finished import collect
from labelyard.server_settings import CvatSettings
from tests.support.workspace import USERS, Workspace, complete_and_export, export, ingest


def fix_all(workspace: Workspace) -> list[Action]:
    plan, shown = survey_tasks(workspace.context), list[int]()
    carry_out(workspace.context, plan, allow_loss=True, on_progress=lambda _what, done, _total: shown.append(done))
    assert shown == list(range(len([one for one in plan if one.action is not Action.REPORT])))
    return [one.action for one in plan]


def task_id(workspace: Workspace) -> int:
    return workspace.line().task_id or 0


def test_without_differences_there_are_no_findings(assigned: Workspace) -> None:
    assert survey_tasks(assigned.context) == []


def test_a_task_deleted_in_cvat_is_created_again(assigned: Workspace) -> None:
    assigned.context.cvat("default").delete_task(task_id(assigned))
    assert fix_all(assigned) == [Action.RECREATE_TASK]
    assert (assigned.line().state, assigned.line().jobs) == ("closed", [])
    ingest(assigned)
    assert (assigned.line().state, len(assigned.line().jobs)) == ("assigned", 1)
    assert survey_tasks(assigned.context) == []


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
        [discrepancy] = survey_tasks(context)
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
    assert survey_tasks(assigned.context) == []
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
    assert survey_tasks(assigned.context) == []


def test_an_export_missing_from_the_bucket_is_written_again(assigned: Workspace) -> None:
    complete_and_export(assigned)
    bucket, key = assigned.line().exports[-1].removeprefix("s3://").split("/", 1)
    assigned.s3.delete_object(Bucket=bucket, Key=key)
    assert fix_all(assigned) == [Action.EXPORT_AGAIN]
    assert export(assigned).generation == 2
    assert survey_tasks(assigned.context) == []


def test_a_missing_file_of_a_second_format_is_found_too(assigned: Workspace) -> None:
    complete_and_export(assigned)
    add_yolo(assigned, "out/street-00001.yolo.zip")
    [found] = survey_tasks(assigned.context)
    assert (found.action, "out/street-00001.yolo.zip" in f"{found.where} {found.what}") == (Action.EXPORT_AGAIN, True)


def test_a_missing_extra_file_of_an_export_is_found_too(assigned: Workspace) -> None:
    complete_and_export(assigned)
    with assigned.context.ledger.transaction() as tx:
        coco = next(one for one in exports.latest(tx, "street-00001") if one.format == "coco")
        coco.other_files = {"out/street-00001.extra.json": "0"}
    [found] = survey_tasks(assigned.context)
    assert (found.action, "out/street-00001.extra.json" in found.what) == (Action.EXPORT_AGAIN, True)


def add_yolo(workspace: Workspace, key: str) -> None:
    """Record an export in a second format, of the same state of the task."""
    with workspace.context.ledger.transaction() as tx:
        coco = next(one for one in exports.latest(tx, "street-00001") if one.format == "coco")
        values = {column.key: getattr(coco, column.key) for column in inspect(Export).columns if column.key != "id"}
        tx.add(Export(**{**values, "format": "yolo", "key": key}))


def test_a_renamed_task_or_one_on_an_earlier_cvat_does_not_count_as_deleted(assigned: Workspace) -> None:
    assigned.context.cvat("default").patch_task(task_id(assigned), name="Monday's")
    assert fix_all(assigned) == [Action.REPORT]
    with serve(USERS) as other:
        at = assigned.context.settings.cvat["default"].model_copy(update={"url": other.url})
        assigned.context.settings.cvat["other"] = at
        assigned.apply(cvat="other")
        assert fix_all(assigned) == [Action.REPORT]


def test_the_task_of_a_cancelled_batch_is_no_finding(assigned: Workspace) -> None:
    manual.cancel(assigned.context, "street-00001", "wrong labels")
    assert survey_tasks(assigned.context) == []


def test_nothing_more_is_done_once_something_has_changed_since_the_plan(assigned: Workspace) -> None:
    cvat, name = assigned.context.cvat("default"), assigned.line().task_name or ""
    first, second = (cvat.create_task(TaskSpec(name, (Label("car"),))).id for _ in range(2))
    plan = survey_tasks(assigned.context)
    assert [one.task_id for one in plan] == [first, second]
    assigned.upload_to(first, "1.jpg")
    applied = carry_out(assigned.context, plan)
    assert (applied.done, applied.failed) == ([], [])
    assert applied.stopped is not None
    step, outdated = applied.stopped
    assert (step.task_id, outdated.next_step) == (first, "labelyard plan street")
    assert (cvat.task(first).size, cvat.task(second).size) == (1, 0)


def test_a_deleted_task_that_is_there_again_is_not_created_again(assigned: Workspace) -> None:
    plan = _plan_without_task(assigned)
    applied = carry_out(assigned.context, plan)
    assert (applied.done, applied.stopped is not None, assigned.line().state) == ([], True, "assigned")


def _plan_without_task(workspace: Workspace) -> list[Difference]:
    """The plan as it would be without the task, which is there."""
    hidden = CvatSettings(url=workspace.sandbox.url, username="root", password=SecretStr("rootpass"))
    with serve(USERS) as empty:
        elsewhere = hidden.model_copy(update={"url": empty.url})
        with open_context(workspace.context.settings.model_copy(update={"cvat": {"default": elsewhere}})) as context:
            plan = survey_tasks(context)
    assert [one.action for one in plan] == [Action.RECREATE_TASK]
    return plan


def test_a_task_whose_exports_would_be_replaced_is_created_again_only_if_that_is_allowed(assigned: Workspace) -> None:
    complete_and_export(assigned)
    assigned.context.cvat("default").delete_task(task_id(assigned))
    plan = survey_tasks(assigned.context)
    assert [one.loses for one in plan] == ["what its exports hold: the new task replaces them"]
    with pytest.raises(InputError, match=r"loses what its exports hold[\s\S]*nothing was applied[\s\S]*--allow-loss"):
        carry_out(assigned.context, plan)
    assert assigned.line().state == "exported"
    assert len(carry_out(assigned.context, plan, allow_loss=True).done) == 1
    assert assigned.line().state == "closed"


def test_what_a_person_changed_in_cvat_is_named_and_left_as_it_is(assigned: Workspace) -> None:
    cvat = assigned.context.cvat("default")
    labels = tuple(label for label in cvat.task(task_id(assigned)).labels)
    cvat.patch_task(task_id(assigned), name="Monday's", labels=(*labels, Label("van")))
    assert [str(one) for one in survey_tasks(assigned.context)] == [
        f'! street-00001, task {task_id(assigned)}: a person has renamed it to "Monday\'s"',
        f"! street-00001, task {task_id(assigned)}: a person has changed its labels: +van",
    ]


def test_an_export_that_is_older_than_the_task_is_written_again(assigned: Workspace) -> None:
    complete_and_export(assigned)
    with assigned.context.ledger.transaction() as tx:
        for row in exports.latest(tx, "street-00001"):
            row.task_updated = "earlier"
    assert fix_all(assigned) == [Action.EXPORT_AGAIN]
    assert assigned.line().state == "completed"


def test_the_jobs_of_somebody_who_is_no_annotator_any_more_go_to_others(assigned: Workspace) -> None:
    assert [job.assignee for job in assigned.line().jobs] == ["ann"]
    assigned.apply(annotators=["bob"])
    [found] = survey_tasks(assigned.context)
    assert f"ann is no annotator any more and has job {assigned.line().jobs[0].id}" in str(found)
    assert fix_all(assigned) == [Action.REASSIGN]
    assert [job.assignee for job in assigned.line().jobs] == ["bob"]
    assert survey_tasks(assigned.context) == []


def test_open_jobs_go_to_the_other_annotators_or_to_a_named_person(assigned: Workspace) -> None:
    [moved] = reassign(assigned.context, "ann").done
    assert [(job.annotator, job.job_id) for job in moved.jobs] == [("bob", assigned.line().jobs[0].id)]
    [back] = reassign(assigned.context, "bob", "root", "street").done
    assert [job.annotator for job in back.jobs] == ["root"]
    assert survey_tasks(assigned.context) == [], "root is no annotator, but a person chose them"
    with pytest.raises(InputError, match="bob has no unfinished job in street"):
        reassign(assigned.context, "bob", None, "street")
    with pytest.raises(LabelyardError, match=r"street-00001 were not reassigned: .* no active user 'zoe'"):
        reassign(assigned.context, "root", "zoe").require_complete()
    assert (assigned.line().state, assigned.line().error) == ("assigned", None), "people go on with the batch"


def test_jobs_of_a_paused_dataset_are_reassigned_and_a_batch_with_a_run_is_named_as_not_done(
    assigned: Workspace,
) -> None:
    manual.pause(assigned.context, "street", "holidays")
    [moved] = reassign(assigned.context, "ann").done
    assert [job.annotator for job in moved.jobs] == ["bob"]
    with acquire_batch(assigned.context, "street-00001", (BatchState.ASSIGNED,), manual=True):
        taken = reassign(assigned.context, "bob", "root")
    assert taken.done == []
    with pytest.raises(LabelyardError, match=r"street-00001 were not reassigned: .* has it until") as error:
        taken.require_complete()
    assert error.value.next_step == "labelyard reassign bob --to root"
    assert not isinstance(error.value, LeaseTaken), "a flow would end green"


def test_a_step_that_fails_leaves_a_batch_on_which_people_work_as_it_is(assigned: Workspace) -> None:
    assigned.context.cvat("default").assign(assigned.line().jobs[0].id, None)
    assigned.apply(annotators=["zoe"])
    [(step, error)] = carry_out(assigned.context, survey_tasks(assigned.context)).failed
    assert (step.action, "none of the annotators zoe" in error.what) == (Action.ASSIGN, True)
    assert (assigned.line().state, assigned.line().error, assigned.line().not_before) == ("assigned", None, None)

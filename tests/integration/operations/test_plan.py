"""`labelyard plan` and `apply`: the difference between what is declared and what is there, as an exact diff."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from sqlalchemy import func, select

from labelyard.domain.plan import Action, Difference, Sign, Topic, diff
from labelyard.domain.schedules import Timing, Verb
from labelyard.errors import InputError, LabelyardError, PrefectUnreachable
from labelyard.ledger import datasets
from labelyard.ledger.tables import History, Object
from labelyard.operations import manual
from labelyard.operations.plan import plan_datasets
from tests.support.planning import Run, plan_of, write
from tests.support.workspace import Workspace, complete_and_export, ingest


def test_the_plan_of_a_file_names_what_is_added_changed_and_dropped(workspace: Workspace, run: Run) -> None:
    car = {"name": "car", "attributes": [{"name": "side", "values": ["left", "right"]}]}
    file = write(
        workspace, task={"labels": [car, "bicycle"], "segment_size": 50}, annotators=["ann", "cleo"],
        batch={"max_objects": 100, "quiet": "5m"},
    )  # fmt: skip
    assert run("plan", file).stdout.splitlines() == [
        "street",
        "  settings",
        "    ~ batch.quiet: 10s → 5m",
        "    ~ task.segment_size: 0 → 50",
        "  labels",
        "    - person",
        "    ~ car: new attribute side",
        "    + bicycle",
        "  people",
        "    - bob",
        "    + cleo",
        "carry it out with: labelyard apply street.yaml",
    ]
    with workspace.context.ledger.read_only() as tx:
        assert datasets.spec(tx, "street") == workspace.spec
    assert run("plan", file, "--exit-code").exit_code == 2
    assert run("apply", file).stdout.splitlines()[:2] == ["street.yaml: street version 2", "  street"]
    again = run("plan", file, "--exit-code")
    assert (again.stdout, again.exit_code) == ("everything is as declared\n", 0)


def test_a_new_dataset_is_shown_with_its_labels_and_people(workspace: Workspace, run: Run) -> None:
    file = write(workspace, name="lane")
    assert run("plan", file).stdout.splitlines()[:5] == [
        "lane", "  settings", "    + a new dataset", "  labels", "    + car",
    ]  # fmt: skip


def test_a_label_with_annotations_is_dropped_only_if_that_is_allowed(workspace: Workspace, run: Run) -> None:
    workspace.put("1.jpg")
    workspace.close_batch()
    ingest(workspace)
    complete_and_export(workspace)
    file = write(workspace, task={"labels": ["person"]})
    assert "    - car (loses the label of 1 annotations: --allow-loss)" in run("plan", file).stdout.splitlines()
    rejected = run("apply", file).exception
    assert isinstance(rejected, InputError)
    assert rejected.what == "street: car: store the file: loses the label of 1 annotations\nnothing was applied"
    with workspace.context.ledger.read_only() as tx:
        assert datasets.spec(tx, "street") == workspace.spec
    assert run("apply", file, "--allow-loss").exit_code == 0
    with workspace.context.ledger.read_only() as tx:
        assert [label.name for label in datasets.spec(tx, "street").task.labels] == ["person"]


def test_the_plan_of_a_dataset_compares_everything_and_changes_nothing(workspace: Workspace, nowhere: str) -> None:
    workspace.put("1.jpg")
    workspace.close_batch()
    ingest(workspace)
    task = workspace.line().task_id
    workspace.apply(annotators=["bob", "cleo"])
    for key in ("b/2.jpg", "b/3.jpg", "4.txt", "5.jpg", "6.jpg"):
        workspace.put(key)
    foreign = workspace.create_task("street-00007 0123456789", "1.jpg")
    before = _everything(workspace)
    plan = plan_of(workspace, nowhere)
    assert list(diff(plan.differences)) == [
        "street",
        "  people",
        "    ! cleo: CVAT default has no such user: no job goes to them",
        "  objects",
        (
            f"    + s3://{workspace.bucket}/in/: 4 objects without a batch: in/5.jpg, in/6.jpg, in/b/2.jpg, …"
            " → register them"
        ),
        "  tasks",
        (
            f"    ~ street-00001, task {task}: ann is no annotator any more and has job {workspace.line().jobs[0].id}"
            " → assign them to others"
        ),
        (
            f"    ! task {foreign}, street-00007 0123456789: the ledger has no record of it: another ledger's, "
            "or one for `labelyard adopt`"
        ),
    ]
    assert list(plan.not_compared) == ["street: schedules"]
    assert isinstance(plan.not_compared["street: schedules"], PrefectUnreachable)
    assert _everything(workspace) == before


def _everything(workspace: Workspace) -> object:
    """What ledger and CVAT have."""
    with workspace.context.ledger.read_only() as tx:
        counts = [tx.scalar(select(func.count()).select_from(table)) for table in (History, Object)]
    return counts, list(workspace.context.cvat("default").tasks())


def test_apply_carries_out_the_plan_until_nothing_but_notes_are_left(
    workspace: Workspace, nowhere: str, run: Run
) -> None:
    workspace.put("1.jpg")
    workspace.close_batch()
    ingest(workspace)
    workspace.apply(annotators=["bob", "cleo"])
    workspace.put("2.jpg")
    applied = run("apply", "street")
    assert "2 of 2 steps are done" in applied.stdout
    assert (applied.exit_code, "street: schedules: not compared" in applied.stderr) == (1, True)
    assert [str(one) for one in plan_of(workspace, nowhere).differences] == [
        "! cleo: CVAT default has no such user: no job goes to them"
    ]
    assert [job.assignee for job in workspace.line().jobs] == ["bob"]
    assert len(workspace.objects("2.jpg")) == 1


@pytest.mark.usefixtures("fast_retries")
def test_a_server_that_is_away_stops_only_its_part(workspace: Workspace, nowhere: str) -> None:
    workspace.put("1.jpg")
    workspace.context.settings.cvat["default"] = workspace.context.settings.cvat["default"].model_copy(
        update={"url": nowhere.removesuffix("/api")}
    )
    plan = plan_of(workspace, nowhere)
    assert list(plan.not_compared) == ["street: schedules", "street: people", "street: tasks"]
    assert [one.topic for one in plan.differences] == ["objects"]


class SchedulesThatCount:
    """Schedules of which none differs; the datasets of each question."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def compare(self, declared: Mapping[str, Mapping[Verb, Timing]]) -> list[Difference]:
        self.asked.append(list(declared))
        return [Difference(name, Topic.SCHEDULES, Sign.NOTE, "sweep", "paused", Action.REPORT) for name in declared]

    def carry_out(self, step: Difference, declared: Mapping[Verb, Timing]) -> None:
        raise AssertionError(step, declared)


def test_prefect_is_asked_once_for_the_schedules_of_all_datasets(workspace: Workspace) -> None:
    with workspace.context.ledger.transaction() as tx:
        datasets.apply(tx, workspace.spec.model_copy(update={"name": "lane"}))
    counting = SchedulesThatCount()
    plan = plan_datasets(workspace.context, [], counting)
    assert counting.asked == [["lane", "street"]]
    assert [(one.dataset, one.topic) for one in plan.differences] == [
        ("lane", Topic.SCHEDULES),
        ("street", Topic.SCHEDULES),
    ]


def test_the_objects_and_people_of_a_retired_dataset_are_not_compared(workspace: Workspace, nowhere: str) -> None:
    workspace.put("1.jpg")
    workspace.apply(annotators=["cleo"])
    manual.retire(workspace.context, "street")
    assert plan_of(workspace, nowhere).differences == []


def test_files_with_a_schedule_are_stored_before_prefect_runs(workspace: Workspace, run: Run) -> None:
    applied = run("apply", write(workspace, schedule={"ingest": "0 2 * * 1-5"}))
    assert applied.exit_code == 0
    assert "street.yaml: street version 2" in applied.stdout
    assert "the schedules are not in Prefect yet" in applied.stderr
    with workspace.context.ledger.read_only() as tx:
        assert list(datasets.schedules(tx)["street"]) == ["ingest"]


def test_a_plan_as_json_has_every_field_and_what_was_not_compared(workspace: Workspace, run: Run) -> None:
    workspace.put("1.jpg")
    document = json.loads(run("plan", "--json").stdout)
    [found] = document["differences"]
    assert set(found) == set(Difference.__dataclass_fields__)
    assert (found["dataset"], found["topic"], found["sign"], found["action"]) == (
        "street", "objects", "+", "register them",
    )  # fmt: skip
    assert "no answer" in document["not_compared"]["street: schedules"]


def test_unknown_datasets_and_files_among_names_are_errors(workspace: Workspace, run: Run) -> None:
    unknown = run("plan", "zoo").exception
    assert isinstance(unknown, LabelyardError)
    assert "'zoo' (known: street)" in unknown.what
    assert "write either files or names of datasets" in run("apply", "street", write(workspace)).output

"""`labelyard plan` and `apply` on CVAT 2.x: the labels of a project, and the members of an organization."""

from __future__ import annotations

import pytest

from labelyard.domain.labels import Label
from labelyard.domain.plan import diff
from labelyard.domain.tasks import TaskSpec
from labelyard.errors import SettingsError
from labelyard.operations import manual
from labelyard.operations.apply import carry_out
from tests.support.cvat_families import V2
from tests.support.pictures import picture
from tests.support.planning import Run, plan_of, write
from tests.support.sandbox_client_v2 import found_organization
from tests.support.workspace import Workspace, complete_and_export, ingest

LABELS = [{"name": "car", "color": "#ff0000"}, "person"]
PROJECT = {"project": "Street", "labels": LABELS}


@pytest.fixture
def cvat_version() -> str:
    return V2


@pytest.fixture
def street(workspace: Workspace) -> Workspace:
    """A dataset with a project, in which a task has one file."""
    workspace.apply(task=PROJECT)
    workspace.put("1.jpg")
    workspace.close_batch()
    ingest(workspace)
    return workspace


def labels_in_project(street: Workspace) -> dict[str, str | None]:
    """Return the labels of the project called Street with their colors."""
    [project] = street.context.cvat("default").find_projects("Street")
    return {label.name: label.color for label in project.labels}


def test_a_changed_label_set_waits_until_it_is_applied_to_the_project(
    street: Workspace, nowhere: str, run: Run
) -> None:
    side = {"name": "side", "values": ["left", "right"]}
    more = [{"name": "car", "color": "#00ff00", "attributes": [side]}, {"name": "person", "type": "points"}, "bus"]
    assert plan_of(street, nowhere).differences == []
    stored = run("apply", write(street, task={**PROJECT, "labels": more})).stdout
    assert "new batches wait until the project 'Street' has these labels: labelyard apply street\n" in stored
    street.put("2.jpg", picture(2))
    batch = street.close_batch()
    with pytest.raises(SettingsError, match="car: color #00ff00, not #ff0000; new attribute side; person: type points"):
        ingest(street, batch)
    assert street.line(batch).next_step == "labelyard apply street"
    assert list(diff(plan_of(street, nowhere).differences)) == [
        "street",
        "  labels",
        "    ~ car: in the project 'Street': color #00ff00, not #ff0000; new attribute side → change the label",
        "    ~ person: in the project 'Street': type points, not any → change the label",
        "    + bus: the project 'Street' has no such label → add the label",
    ]
    assert "3 of 3 steps are done" in run("apply", "street").stdout
    assert labels_in_project(street)["car"] == "#00ff00"
    street.retry(batch)
    ingest(street, batch)
    assert plan_of(street, nowhere).differences == [], "tasks of before have the project's new label too"


def test_what_people_drew_with_a_label_of_the_project_is_never_deleted(
    street: Workspace, nowhere: str, run: Run
) -> None:
    complete_and_export(street)
    street.apply(task={**PROJECT, "labels": ["person"]})
    run("apply", "street", "--allow-loss")
    assert list(labels_in_project(street)) == ["car", "person"]
    [note] = plan_of(street, nowhere).differences
    assert str(note) == (
        "! car: the dataset file has no such label: to remove it deletes what people drew: "
        f"do so in {street.sandbox.url}/projects/1, or correct the file"
    )
    street.put("2.jpg", picture(2))
    batch = street.close_batch()
    with pytest.raises(SettingsError, match="car: the dataset file has no such label"):
        ingest(street, batch)
    assert street.line(batch).next_step == "labelyard plan street"


def test_nothing_is_done_to_a_project_that_has_changed_since_the_plan(street: Workspace, nowhere: str) -> None:
    street.apply(task={**PROJECT, "labels": [*LABELS, "bus", "van"]})
    plan = plan_of(street, nowhere)
    street.context.cvat("default").change_project_labels(1, [Label("bus", color="#0000ff")])
    applied = carry_out(street.context, plan.steps)
    assert (applied.done, applied.failed, applied.stopped is not None) == ([], [], True)
    assert (list(labels_in_project(street)), labels_in_project(street)["bus"]) == (["car", "person", "bus"], "#0000ff")


def test_the_project_of_a_retired_dataset_is_compared_while_batches_need_it(street: Workspace, nowhere: str) -> None:
    street.put("2.jpg", picture(2))
    batch = street.close_batch()
    street.apply(task={**PROJECT, "labels": [*LABELS, "bus"]})
    manual.retire(street.context, "street")
    assert [one.where for one in plan_of(street, nowhere).differences] == ["bus"]
    manual.cancel(street.context, batch, "wrong pictures")
    assert plan_of(street, nowhere).differences == []


def test_a_project_of_another_account_stops_only_its_part(street: Workspace, nowhere: str) -> None:
    street.sandbox.sandbox.db.execute("UPDATE project SET owner = (SELECT id FROM user WHERE username = 'ann')")
    plan = plan_of(street, nowhere)
    assert list(plan.not_compared) == ["street: schedules", "street: labels"]
    assert "belongs to another account" in str(plan.not_compared["street: labels"])


@pytest.fixture
def acme(workspace: Workspace) -> Workspace:
    """A dataset in an organization with ann, and with bob, who has not accepted the invitation; ann has a job."""
    found_organization(workspace.sandbox.url, "acme", ann="worker", bob="worker")
    workspace.sandbox.sandbox.db.execute(
        "UPDATE membership SET is_active = 0 WHERE user_id = (SELECT id FROM user WHERE username = 'bob')"
    )
    workspace.apply(cvat={"organization": "acme"}, task=PROJECT)
    workspace.put("1.jpg")
    workspace.close_batch()
    ingest(workspace)
    return workspace


def test_the_tasks_and_people_of_a_dataset_are_those_of_its_organization(
    acme: Workspace, nowhere: str, run: Run
) -> None:
    acme.context.cvat("default").create_task(TaskSpec("street-00007 0123456789", (Label("car"),)))
    theirs = acme.context.cvat("default/acme").create_task(TaskSpec("street-00008 0123456789", (Label("car"),))).id
    changed = write(
        acme, cvat="default/acme", task={**PROJECT, "labels": [*LABELS, "bus"]}, annotators=["bob", "cleo", "root"]
    )
    stored = run("apply", changed)
    assert (stored.exit_code, "these settings have no CVAT" in stored.stdout) == (0, False)
    job = acme.line().jobs[0].id
    assert list(diff(plan_of(acme, nowhere).differences)) == [
        "street",
        "  labels",
        "    + bus: the project 'Street' has no such label → add the label",
        "  people",
        "    ! bob: they have not accepted the invitation to CVAT default/acme: no job goes to them",
        "    ! cleo: CVAT default/acme has no such user: no job goes to them",
        "  tasks",
        (
            f"    ~ street-00001, task {acme.line().task_id}: ann is no annotator any more and has job {job}"
            " → assign them to others"
        ),
        (
            f"    ! task {theirs}, street-00008 0123456789: the ledger has no record of it: another ledger's, "
            "or one for `labelyard adopt`"
        ),
    ]
    assert "2 of 2 steps are done" in run("apply", "street").stdout
    assert [job.assignee for job in acme.line().jobs] == ["root"]
    [project] = acme.context.cvat("default/acme").find_projects("Street")
    assert [label.name for label in project.labels] == ["car", "person", "bus"]


def test_a_job_stays_with_its_annotator_while_no_other_is_a_member(acme: Workspace, nowhere: str) -> None:
    acme.apply(cvat="default/acme", task=PROJECT, annotators=["bob"])
    applied = carry_out(acme.context, plan_of(acme, nowhere).steps)
    [(_, error)] = applied.failed
    assert "no other annotator can get job" in str(error)
    assert [job.assignee for job in acme.line().jobs] == ["ann"]

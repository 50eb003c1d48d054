"""Projects of CVAT 2.x: created once, found again, with the labels of the dataset file."""

from __future__ import annotations

import pytest

from labelyard.cvat import connect
from labelyard.domain.labels import Label
from labelyard.errors import CvatDisagrees, CvatNotFound, UnclearAnswer
from labelyard.pipeline import create_project as create_project_module
from labelyard.pipeline import create_task as create_task_module
from labelyard.pipeline.acquire_batch import acquire_batch
from labelyard.pipeline.create_project import create_project
from labelyard.pipeline.create_task import create_task
from tests.support.cvat_families import V2
from tests.support.pictures import picture
from tests.support.workspace import AtFailpoint, Workspace, ingest, ingest_and_export

LABELS = [{"name": "car", "color": "#ff0000"}, "person"]
PROJECT = {"project": "Street", "labels": LABELS}


@pytest.fixture
def cvat_version() -> str:
    return V2


@pytest.fixture
def street(workspace: Workspace) -> Workspace:
    """A dataset with a project, and a closed batch of one file."""
    workspace.apply(task=PROJECT)
    workspace.put("1.jpg")
    workspace.close_batch()
    return workspace


def projects(street: Workspace) -> dict[int, int]:
    """Return the number of tasks of each project called Street, by its id."""
    return {one.id: one.tasks for one in street.context.cvat("default").find_projects("Street")}


def test_two_batches_have_their_tasks_in_one_project_with_its_labels(street: Workspace) -> None:
    ingest_and_export(street)
    street.put("2.jpg", picture(2))
    ingest_and_export(street, street.close_batch())
    assert list(projects(street).values()) == [2]
    [project] = street.context.cvat("default").find_projects("Street")
    assert next((label.name, label.color) for label in project.labels) == ("car", "#ff0000")
    assert not street.exported_document()["info"].get("warnings")


def test_of_two_projects_that_were_created_at_the_same_time_the_older_remains(
    street: Workspace, at_failpoint: AtFailpoint
) -> None:
    cvat = street.context.cvat("default")
    labels = street.spec.task.cvat_labels()
    at_failpoint(create_project_module, "create_project.searched", lambda: cvat.create_project("Street", labels))
    ingest(street)
    assert list(projects(street)) == [1]


def test_a_creation_whose_response_was_lost_is_found(street: Workspace) -> None:
    street.set_faults({"on": "POST /api/projects", "cut": True, "when": "after", "times": 1})
    ingest(street)
    assert list(projects(street).values()) == [1]


def test_a_creation_that_did_not_happen_is_tried_again_by_the_next_run(street: Workspace) -> None:
    street.set_faults({"on": "POST /api/projects", "cut": True, "times": 1})
    with pytest.raises(UnclearAnswer):
        ingest(street)
    street.retry()
    ingest(street)
    assert list(projects(street).values()) == [1]


def test_a_duplicate_with_tasks_stays(street: Workspace) -> None:
    ingest(street)
    cvat = street.context.cvat("default")
    other = cvat.create_project("Street", street.spec.task.cvat_labels())
    cvat.create_task(create_task_module.TaskSpec("mine", other.labels, project=other.id))
    street.put("2.jpg", picture(2))
    ingest(street, street.close_batch())
    assert list(projects(street).values()) == [2, 1]


def test_a_project_that_is_deleted_before_its_task_is_created_again(
    street: Workspace, at_failpoint: AtFailpoint
) -> None:
    cvat = street.context.cvat("default")
    at_failpoint(create_task_module, "create_task.searched", lambda: cvat.delete_project(*projects(street)))
    with pytest.raises(CvatNotFound):
        ingest(street)
    assert street.line().state == "closed"
    street.retry()
    ingest(street)
    assert list(projects(street).values()) == [1]


def test_a_task_of_our_name_outside_of_the_project_is_not_adopted(street: Workspace) -> None:
    cvat = street.context.cvat("default")
    with acquire_batch(street.context, street.line().id) as lease:
        create_project(lease)
        own = cvat.create_task(create_task_module.TaskSpec(_task_name(street), street.spec.task.cvat_labels()))
        created = create_task(lease)
    assert created.task_id != own.id
    assert list(projects(street).values()) == [1]


def _task_name(street: Workspace) -> str:
    from labelyard.ledger import batches, tasks  # noqa: PLC0415 - the ledger's rows are of this helper alone

    with street.context.ledger.transaction() as tx:
        return tasks.plan(tx, batches.get(tx, street.line().id), "default").name


def test_a_project_of_another_account_is_refused(street: Workspace) -> None:
    ann = connect(street.sandbox.url, username="bob", password="bobpass1")
    with pytest.raises(Exception, match="permission"):  # a worker creates none
        ann.create_project("Street", (Label("car"),))
    http = street.sandbox.sandbox.db
    street.context.cvat("default").create_project("Street", street.spec.task.cvat_labels())
    http.execute("UPDATE project SET owner = (SELECT id FROM user WHERE username = 'ann')")
    with pytest.raises(CvatDisagrees, match="project 1 is called 'Street' too, and belongs to another account"):
        ingest(street)

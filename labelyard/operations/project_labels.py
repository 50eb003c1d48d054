"""The labels of a dataset's project in CVAT, compared with its dataset file and changed to it."""

from __future__ import annotations

from dataclasses import dataclass

from labelyard.context import Context
from labelyard.domain.label_changes import LabelChanges, compare_labels
from labelyard.domain.labels import Label
from labelyard.errors import InputError
from labelyard.ledger import datasets
from labelyard.pipeline.create_project import our_projects, project_url


@dataclass(frozen=True)
class ProjectLabels:
    """A dataset's project and how its labels differ from the dataset file; without a `url` there is no project yet."""

    project: str
    url: str
    changes: LabelChanges


def compare_project_labels(context: Context, dataset: str) -> ProjectLabels:
    """Compare the labels of a dataset's project with its latest dataset file.

    Raises NotFound for an unknown dataset, InputError if it has no project, CvatErrors.
    """
    name, server, labels = _project_of(context, dataset)
    cvat = context.cvat(server)
    found = our_projects(cvat, name)
    if not found:
        return ProjectLabels(name, "", compare_labels(labels, ()))
    return ProjectLabels(name, project_url(cvat, found[0]), compare_labels(labels, found[0].labels))


def apply_project_labels(context: Context, dataset: str) -> ProjectLabels:
    """Add and change labels of a dataset's project; return the differences that are left, which only a person removes.

    Nothing is deleted. Without a project nothing is done: the first batch creates it. Raises as
    `compare_project_labels` does.
    """
    before = compare_project_labels(context, dataset)
    if not before.url or not before.changes.labels:
        return before
    name, server, _ = _project_of(context, dataset)
    cvat = context.cvat(server)
    cvat.change_project_labels(our_projects(cvat, name)[0].id, before.changes.labels)
    return compare_project_labels(context, dataset)


def _project_of(context: Context, dataset: str) -> tuple[str, str, tuple[Label, ...]]:
    """Return the name of the dataset's project, the name of its CVAT, and the labels of its file."""
    with context.ledger.read_only() as tx:
        spec = datasets.spec(tx, dataset)
    if spec.task.project is None:
        raise InputError(
            f"the dataset {dataset} has no project: each of its tasks has labels of its own",
            next_step="write `project` in the section `task` of its file, then: labelyard apply FILE",
        )
    return spec.task.project, spec.cvat, spec.task.cvat_labels()

"""create_project: create the dataset's project in CVAT 2.x, or find it. Tasks take their labels from it.

CVAT accepts equal names, and several batches may need the project at the same time. So it is searched for before its
creation and afterwards; of duplicates the lowest id remains, and an empty one of ours is deleted.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress

from labelyard.config import DatasetSpec
from labelyard.cvat import Cvat
from labelyard.domain.label_changes import LabelChange, compare_with_project
from labelyard.domain.labels import Label
from labelyard.domain.tasks import Project
from labelyard.errors import CvatCrashed, CvatDisagrees, CvatNotFound, SettingsError, UnclearAnswer
from labelyard.failpoints import failpoint
from labelyard.ledger import datasets
from labelyard.pipeline.acquire_batch import BatchLease

_log = logging.getLogger(__name__)


def create_project(lease: BatchLease) -> int | None:
    """Create the dataset's project, or find it; return its id, None for a dataset without a project.

    Raises SettingsError if its labels are not those of the dataset file, CvatDisagrees if it is another account's.
    """
    name = lease.spec.task.project
    if name is None:
        return None
    with lease.ledger.read_only() as tx:
        current = datasets.spec(tx, lease.spec.name)  # the project follows the latest file, not the batch's
    labels = current.task.cvat_labels()
    project = _keep_one_project(lease, name)
    if project is None:
        _create_or_search_after_lost_response(lease, name, labels)
        project = _keep_one_project(lease, name)
    if project is None:
        raise CvatDisagrees(f"the project {name!r} was created and is not listed", where=lease.cvat.url)
    _require_labels(current, lease.cvat, project, compare_with_project(labels, project.labels))
    return project.id


def our_projects(cvat: Cvat, name: str) -> list[Project]:
    """Return our projects of this name; the first one counts. Raises CvatDisagrees if another account owns one."""
    me, found = cvat.whoami().id, cvat.find_projects(name)
    for project in found:
        if project.owner != me:
            raise CvatDisagrees(
                f"project {project.id} is called {name!r} too, and belongs to another account",
                where=project_url(cvat, project),
                next_step="make labelyard's account its owner, or write another name in `task: {project: …}`",
            )
    return found


def project_url(cvat: Cvat, project: Project) -> str:
    """Return the address at which a person opens the project."""
    return f"{cvat.url}/projects/{project.id}"


def _create_or_search_after_lost_response(lease: BatchLease, name: str, labels: Sequence[Label]) -> None:
    lease.check()
    failpoint("create_project.searched")
    try:
        project = lease.cvat.create_project(name, labels)
    except (UnclearAnswer, CvatCrashed) as error:
        _log.warning("%s: creating the project %r: %s; searching the server", lease.batch_id, name, error)
        if not lease.cvat.find_projects(name):
            raise
        return
    failpoint("create_project.sent")
    _log.info("%s: project %d created: %s", lease.batch_id, project.id, project_url(lease.cvat, project))


def _keep_one_project(lease: BatchLease, name: str) -> Project | None:
    """Return our project of this name, if there is one, and delete empty duplicates with higher ids."""
    found = our_projects(lease.cvat, name)
    for project in found[1:]:
        if project.tasks:
            _log.warning("%s: project %d is called %r too, and has tasks: it stays", lease.batch_id, project.id, name)
            continue
        lease.check()
        _log.warning("%s: deleting project %d, an empty duplicate of %r", lease.batch_id, project.id, name)
        with suppress(CvatNotFound):  # another run has deleted it meanwhile
            lease.cvat.delete_project(project.id)
        failpoint("create_project.duplicate_deleted")
    return found[0] if found else None


def _require_labels(spec: DatasetSpec, cvat: Cvat, project: Project, changes: Sequence[LabelChange]) -> None:
    if changes:
        verb = "apply" if any(one.can_be_applied for one in changes) else "plan"
        raise SettingsError(
            f"its labels are not those of the dataset file: {'; '.join(map(str, changes))}",
            where=f"project {project.id} {project.name!r} at {cvat.url}",
            next_step=f"labelyard {verb} {spec.name}",
        )

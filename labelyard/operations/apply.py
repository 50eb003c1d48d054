"""`labelyard apply DATASET`: carry out a plan step by step.

What a plan saw is compared again before each step. Where it has changed, nothing more is done.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from labelyard.context import Context
from labelyard.cvat import Cvat
from labelyard.domain.plan import Action, Difference
from labelyard.domain.plan_tasks import WITH_TASK
from labelyard.domain.progress import OnProgress, unseen
from labelyard.domain.states import BatchState
from labelyard.errors import LabelyardError, PlanOutdated
from labelyard.ledger import batches, datasets, jobs, tasks
from labelyard.operations.dataset_files import require_no_loss
from labelyard.operations.plan import Schedules, survey_again
from labelyard.operations.reassign import leavers, reassign_in_batch
from labelyard.pipeline.acquire_batch import BatchLease, acquire_batch
from labelyard.pipeline.assign_jobs import assign_jobs
from labelyard.pipeline.create_project import our_projects
from labelyard.pipeline.register_objects import sweep_sources

_log = logging.getLogger(__name__)


@dataclass
class Applied:
    """What was done, in order; what failed, with the error; and why the rest was not tried, if it was not."""

    done: list[Difference] = field(default_factory=list)
    failed: list[tuple[Difference, LabelyardError]] = field(default_factory=list)
    stopped: tuple[Difference, PlanOutdated] | None = None


def carry_out(
    context: Context,
    steps: Sequence[Difference],
    schedules: Schedules | None = None,
    *,
    allow_loss: bool = False,
    on_progress: OnProgress = unseen,
) -> Applied:
    """Carry out the steps of a plan. A failure stops only itself; a plan that is outdated stops everything after it.

    What a person must decide is left out.
    Raises InputError, before the first step, if one loses work of annotators and that was not allowed.
    """
    require_no_loss(steps, allow_loss=allow_loss)
    applied = Applied()
    to_do = [one for one in steps if one.action is not Action.REPORT]
    for number, step in enumerate(to_do):
        on_progress("applying the plan", number, len(to_do))
        try:
            _carry_out(context, step, schedules)
        except PlanOutdated as outdated:
            applied.stopped = (step, outdated)
            break
        except LabelyardError as error:
            applied.failed.append((step, error))
        else:
            applied.done.append(step)
            _log.info("%s: %s: %s: %s", step.dataset, step.where, step.what, step.action)
    return applied


def _carry_out(context: Context, step: Difference, schedules: Schedules | None) -> None:
    if (fix := _IN_CVAT.get(step.action)) is not None:
        if step not in survey_again(context, step):
            raise _outdated(step)
        fix(context, step)
    elif step.action is Action.REGISTER:
        _register(context, step)
    elif schedules is not None and step.verb is not None:
        with context.ledger.read_only() as tx:
            declared = datasets.schedules(tx).get(step.dataset, {})
        if step not in schedules.compare({step.dataset: declared}):
            raise _outdated(step)
        schedules.carry_out(step, declared)


def _outdated(step: Difference) -> PlanOutdated:
    return PlanOutdated(
        "this has changed since the plan was made, and nothing more was done",
        where=f"{step.dataset}: {step.where}: {step.what}",
        next_step=f"labelyard plan {step.dataset}",
    )


# --- the steps --------------------------------------------------------------------------------------------------------


def _register(context: Context, step: Difference) -> None:
    # A listing of now: an object is registered as it is, and one that was deleted or registered meanwhile is left out.
    if failed := sweep_sources(context, step.dataset).failed:
        raise LabelyardError("\n".join(failed), where=step.where, next_step="labelyard doctor")


def _change_project(context: Context, step: Difference) -> None:
    with context.ledger.read_only() as tx:
        spec = datasets.spec(tx, step.dataset)
    cvat = context.cvat(spec.cvat)
    labels = [label for label in spec.task.cvat_labels() if label.name == step.where]
    cvat.change_project_labels(our_projects(cvat, spec.task.project or "")[0].id, labels)


def _delete_empty_task(context: Context, step: Difference) -> None:
    task_id = step.task_id or 0
    _cvat_of(context, step).delete_task(task_id)
    with context.ledger.transaction() as tx:
        tasks.abandon_deleted(tx, step.batch_id or "", (task_id,))


def _recreate_task(context: Context, step: Difference) -> None:
    taken = acquire_batch(context, step.batch_id or "", WITH_TASK, manual=True)
    with taken as lease, lease.transaction() as tx:
        row = tasks.current(tx, lease.batch_id)
        if row is not None and row.server_id == step.task_id:
            tasks.recreate(tx, row.id, step.what)


def _export_again(context: Context, step: Difference) -> None:
    with context.ledger.transaction() as tx:
        batches.export_again(tx, step.batch_id, step.what)


def _assign_free_jobs(context: Context, step: Difference) -> None:
    with acquire_batch(context, step.batch_id or "", (BatchState.ASSIGNED,), manual=True) as lease:
        _clear_choices_of_free_jobs(lease)
        assign_jobs(lease)


def _clear_choices_of_free_jobs(lease: BatchLease) -> None:
    usernames = {user.id: user.username for user in lease.cvat.users()}
    with lease.ledger.read_only() as tx:
        _, task_id = tasks.require_current(tx, lease.batch_id)
    on_server = lease.cvat.jobs(task_id)
    with lease.transaction() as tx:
        jobs.update_from_server(tx, batches.get(tx, lease.batch_id, lock=True), on_server, usernames)
        jobs.clear_unassigned_choices(tx, lease.batch_id)


def _reassign(context: Context, step: Difference) -> None:
    batch = step.batch_id or ""
    with context.ledger.read_only() as tx:
        found = leavers(tx, datasets.spec(tx, step.dataset), batch)
    people = {found[job].person for job in step.jobs if job in found}
    done = [reassign_in_batch(context, batch, person, only=step.jobs) for person in sorted(people)]
    for one in done:
        one.require_complete()


_IN_CVAT: Mapping[Action, Callable[[Context, Difference], None]] = {
    Action.ADD_LABEL: _change_project,
    Action.CHANGE_LABEL: _change_project,
    Action.DELETE_TASK: _delete_empty_task,
    Action.RECREATE_TASK: _recreate_task,
    Action.EXPORT_AGAIN: _export_again,
    Action.ASSIGN: _assign_free_jobs,
    Action.REASSIGN: _reassign,
}


def _cvat_of(context: Context, step: Difference) -> Cvat:
    with context.ledger.read_only() as tx:
        return context.cvat(batches.get(tx, step.batch_id or "").cvat or "default")

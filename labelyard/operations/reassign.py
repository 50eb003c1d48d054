"""Give somebody's open jobs to others. What they have drawn stays in the jobs."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labelyard.context import Context
from labelyard.domain.states import BatchState
from labelyard.errors import InputError, LabelyardError
from labelyard.ledger import batches, datasets, jobs, tasks
from labelyard.pipeline.acquire_batch import acquire_batch
from labelyard.pipeline.assign_jobs import Assignment, assign_jobs


@dataclass(frozen=True)
class Reassigned:
    """The jobs of a batch that have another assignee now."""

    batch_id: str
    jobs: Sequence[Assignment]


@dataclass(frozen=True)
class Reassignment:
    """What was done, by batch, and why not for the other batches; `again` is the command that tries them."""

    done: Sequence[Reassigned]
    failed: Mapping[str, LabelyardError]
    again: str

    def require_complete(self) -> None:
        """Raise a LabelyardError that names every batch that was not done, and what to do."""
        if self.failed:
            steps = [*dict.fromkeys(error.next_step for error in self.failed.values() if error.next_step), self.again]
            lines = [f"the jobs of {batch} were not reassigned: {error.what}" for batch, error in self.failed.items()]
            raise LabelyardError("\n".join(lines), next_step="; then: ".join(steps))


def reassign(context: Context, person: str, to: str | None = None, dataset: str | None = None) -> Reassignment:
    """Give the unfinished jobs of a person to another one, by default to the other annotators by the dataset's policy.

    Of one dataset or of all. A job that goes to a named person stays with them, as one that was assigned in CVAT.
    A batch for which it fails stops no other one. Raises NotFound for an unknown dataset, InputError if the person has
    no unfinished job.
    """
    with context.ledger.read_only() as tx:
        if dataset is not None:
            datasets.spec(tx, dataset)
        found = [
            batch.id
            for batch in batches.in_states(tx, (BatchState.ASSIGNED,))
            if dataset in (None, batch.dataset) and jobs.unfinished_of(tx, batch.id, person)
        ]
    if not found:
        raise InputError(
            f"{person} has no unfinished job{f' in {dataset}' if dataset else ''}", next_step="labelyard status"
        )
    done: list[Reassigned] = []
    failed: dict[str, LabelyardError] = {}
    for batch_id in found:
        try:
            done.append(reassign_in_batch(context, batch_id, person, to))
        except LabelyardError as error:
            failed[batch_id] = error
    options = [*(["--to", to] if to else []), *(["--dataset", dataset] if dataset else [])]
    return Reassignment(done, failed, shlex.join(["labelyard", "reassign", person, *options]))


def reassign_in_batch(context: Context, batch_id: str, person: str, to: str | None = None) -> Reassigned:
    """Do so for one batch that people work on, paused or not.

    Raises InputError if nobody else can get the jobs, LeaseTaken while a run works on the batch.
    """
    with acquire_batch(context, batch_id, (BatchState.ASSIGNED,), manual=True) as lease:
        with lease.ledger.read_only() as tx:
            _, task_id = tasks.require_current(tx, batch_id)
            annotators = datasets.spec(tx, lease.spec.name).annotators
        usernames = {user.id: user.username for user in lease.cvat.users()}
        people = [to] if to else [name for name in annotators if name != person]
        if not {*people} & {user.username for user in lease.cvat.assignable_users()}:
            what = f"CVAT {lease.spec.cvat} has no active user {to!r}" if to else "no other annotator can get the jobs"
            raise InputError(
                what, where=batch_id, next_step=f"name another person, or add one to the file of {lease.spec.name}"
            )
        on_server = lease.cvat.jobs(task_id)
        with lease.transaction() as tx:
            batch = batches.get(tx, batch_id, lock=True)
            jobs.update_from_server(tx, batch, on_server, usernames)
            moved = {row.server_id for row in jobs.clear_choices_of(tx, batch_id, person)}
        assigned = assign_jobs(lease, people)
        if to:
            with lease.transaction() as tx:
                jobs.mark_manual(tx, batch_id, moved)
    return Reassigned(batch_id, [one for one in assigned.jobs if one.job_id in moved])

"""Every way in which a batch ends, and what is on the server then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from labelyard.domain.plan import Action
from labelyard.domain.tasks import Task, TaskSpec
from labelyard.errors import LabelyardError
from labelyard.ledger import batches, tasks
from labelyard.operations import manual
from labelyard.operations.apply import carry_out
from labelyard.operations.plan import survey_tasks
from labelyard.pipeline.acquire_batch import acquire_batch
from labelyard.pipeline.create_task import create_task
from tests.support.workspace import FIRST, Workspace, complete_and_export, ingest, ingest_until_done

# --- the ends of a batch ----------------------------------------------------------------------------------------------


def no_image(street: Workspace) -> None:
    street.put("1.jpg", b"no image")
    street.close_batch()
    run_to_the_end(street)


def deleted(street: Workspace) -> None:
    street.s3.delete_object(Bucket=street.bucket, Key=close_one_file(street))
    run_to_the_end(street)


def quarantined_by_a_person(street: Workspace) -> None:
    close_one_file(street)
    manual.quarantine(street.context, street.url("1.jpg"), "blurred")
    run_to_the_end(street)


def retired_without_an_image(street: Workspace) -> None:
    street.put("1.jpg", b"no image")
    street.close_batch()
    manual.retire(street.context, "street")
    run_to_the_end(street)


def cancelled_before_its_run(street: Workspace) -> None:
    close_one_file(street)
    cancel(street)


def cancelled_with_an_empty_task(street: Workspace) -> None:
    close_one_file(street)
    for attempt in range(6):
        with suppress(LabelyardError), acquire_batch(street.context, FIRST) as lease:
            create_task(lease)
            break
        assert attempt < 5, street.line().error
        street.retry()
    cancel(street)


def cancelled_while_people_label(street: Workspace) -> None:
    close_one_file(street)
    ingest_until_done(street)
    cancel(street)


def failed(street: Workspace) -> None:
    close_one_file(street)
    street.sandbox.faults.set([*rules_of(street), {"on": "worker creation", "fail": "the worker was killed"}])
    for _ in range(12):
        with suppress(LabelyardError):
            ingest(street)
        if street.line().state == "failed":
            return
        street.end_wait()
    raise AssertionError(street.line())


def archived(street: Workspace) -> None:
    close_one_file(street)
    ingest_until_done(street)
    complete_and_export(street)
    manual.archive(street.context, FIRST)


def exported(street: Workspace) -> None:
    close_one_file(street)
    ingest_until_done(street)
    complete_and_export(street)


ENDS: Sequence[Callable[[Workspace], None]] = [
    no_image, deleted, quarantined_by_a_person, retired_without_an_image, cancelled_before_its_run,
    cancelled_with_an_empty_task, cancelled_while_people_label, failed, archived, exported,
]  # fmt: skip
QUICK_ENDS = {no_image, cancelled_with_an_empty_task, exported}
"""One of each kind: without a task, with an empty one, with a full one."""
HAVE_A_TASK = {cancelled_while_people_label, archived, exported}
LEFT_TO_REPAIR = {archived, exported}
"""A later task of theirs is a duplicate; the sweep asks only for batches without a task."""


def close_one_file(street: Workspace) -> str:
    key = street.put("1.jpg")
    street.close_batch()
    return key


def run_to_the_end(street: Workspace) -> None:
    """Run the batch, again after each failure, until it ends without a task."""
    for _ in range(6):
        with suppress(LabelyardError):
            ingest(street)
        if street.line().state == "quarantined":
            return
        street.retry()
    raise AssertionError(street.line())


def cancel(street: Workspace) -> None:
    manual.cancel(street.context, FIRST, "wrong labels")


def rules_of(street: Workspace) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in rule.items() if name != "met"} for rule in street.sandbox.faults.described()
    ]


# --- what there is then -----------------------------------------------------------------------------------------------


def names(street: Workspace) -> list[str]:
    """Every name that labelyard gave to a task of the batch."""
    with street.context.ledger.read_only() as tx:
        return [one.name for one in tasks.names(tx, batches.get(tx, FIRST))]


def create(street: Workspace, name: str) -> Task:
    return street.context.cvat("default").create_task(TaskSpec(name, tuple(street.spec.task.cvat_labels())))


def apply_plan(street: Workspace) -> list[Action]:
    """Plan the tasks, carry it out, and return the action of every difference."""
    plan = survey_tasks(street.context)
    applied = carry_out(street.context, plan)
    assert (applied.failed, applied.stopped) == ([], None)
    return [one.action for one in plan]


def empty_tasks(street: Workspace) -> list[int]:
    return [task.id for task in street.context.cvat("default").tasks() if task.is_empty]

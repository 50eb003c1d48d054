"""`labelyard plan DATASET`: compare a dataset, as the ledger has it, with bucket, CVAT and Prefect."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Protocol

from labelyard.config import DatasetSpec
from labelyard.context import Context
from labelyard.cvat import Cvat
from labelyard.domain.label_changes import compare_with_project
from labelyard.domain.objects import s3_url
from labelyard.domain.plan import (
    Action,
    Difference,
    Sign,
    Topic,
    plan_accounts,
    plan_objects,
    plan_project,
)
from labelyard.domain.plan_tasks import GivenName, RecordedTask, plan_tasks
from labelyard.domain.progress import OnProgress, unseen
from labelyard.domain.reassignment import Leaver
from labelyard.domain.schedules import Timing, Verb
from labelyard.domain.states import INGESTING, BatchState, TaskState
from labelyard.domain.task_names import task_name_pattern
from labelyard.domain.tasks import Task
from labelyard.errors import CvatHidden, CvatNotFound, LabelyardError
from labelyard.ledger import assignments, batches, datasets, exports, objects, reviews, tasks
from labelyard.ledger.tables import Batch, Export
from labelyard.ledger.tables import Task as TaskRow
from labelyard.operations.reassign import leavers
from labelyard.pipeline.create_project import our_projects, project_url
from labelyard.sources.listing import pages

_SHOWN_KEYS = 3


class Schedules(Protocol):
    """What a plan needs of Prefect. Every method raises PrefectUnreachable."""

    def compare(self, declared: Mapping[str, Mapping[Verb, Timing]]) -> list[Difference]:
        """Return how Prefect's schedules differ from the declared ones."""

    def carry_out(self, step: Difference, declared: Mapping[Verb, Timing]) -> None:
        """Create, change back or delete one schedule."""


@dataclass
class Plan:
    """The differences, dataset by dataset, and what could not be compared: the error of each server by its part."""

    differences: list[Difference] = field(default_factory=list)
    not_compared: dict[str, LabelyardError] = field(default_factory=dict)

    @property
    def steps(self) -> list[Difference]:
        """The differences that `labelyard apply` resolves; the others need a person."""
        return [one for one in self.differences if one.action is not Action.REPORT]


# --- datasets ---------------------------------------------------------------------------------------------------------


def plan_datasets(
    context: Context, names: Sequence[str], schedules: Schedules, on_progress: OnProgress = unseen
) -> Plan:
    """Compare datasets, by default all, with what is there. A server that does not answer stops only its part.

    Raises NotFound for an unknown dataset.
    """
    plan = Plan()
    with context.ledger.read_only() as tx:
        for name in names:
            datasets.spec(tx, name)  # it must be known
        specs = [spec for spec in datasets.current(tx, retired=True) if not names or spec.name in names]
        declared = datasets.schedules(tx)
    wanted, scheduled = {spec.name: declared[spec.name] for spec in specs}, Plan()
    if wanted:  # Prefect is asked once for all of them
        _add(scheduled, f"{', '.join(wanted)}: schedules", partial(schedules.compare, wanted))
    plan.not_compared |= scheduled.not_compared
    for number, spec in enumerate(specs):
        on_progress(f"comparing {spec.name}", number, len(specs))
        _add(plan, f"{spec.name}: labels", partial(_project_labels, context, spec))
        plan.differences += [one for one in scheduled.differences if one.dataset == spec.name]
        _add(plan, f"{spec.name}: people", partial(_accounts, context, spec))
        _add(plan, f"{spec.name}: objects", partial(_unregistered, context, spec))
        _add(plan, f"{spec.name}: tasks", partial(_survey_dataset, context, spec))
    return plan


def _add(plan: Plan, part: str, compare: Callable[[], Iterable[Difference]]) -> None:
    try:
        plan.differences += compare()
    except LabelyardError as error:
        plan.not_compared[part] = error


def _project_labels(context: Context, spec: DatasetSpec) -> Iterator[Difference]:
    """Compare the file with the dataset's project, if it has one. A project that is missing, the next batch creates.

    A retired dataset needs the project only for batches without a task: another dataset may use it by now.
    """
    if spec.task.project is None:
        return
    with context.ledger.read_only() as tx:
        if datasets.is_retired(tx, spec.name):
            waiting = batches.in_states(tx, (BatchState.OPEN, *INGESTING))
            if not any(batch.dataset == spec.name for batch in waiting):
                return
    cvat = context.cvat(spec.cvat)
    for project in our_projects(cvat, spec.task.project)[:1]:
        changes = compare_with_project(spec.task.cvat_labels(), project.labels)
        yield from plan_project(spec.name, project.name, project_url(cvat, project), changes)


def _accounts(context: Context, spec: DatasetSpec) -> Iterator[Difference]:
    with context.ledger.read_only() as tx:
        if datasets.is_retired(tx, spec.name):
            return
    cvat = context.cvat(spec.cvat)
    users = {user.username: user.is_active for user in cvat.users()}
    assignable = {user.username for user in cvat.assignable_users()}
    yield from plan_accounts(spec.name, spec.cvat, spec.people, users, assignable)


def _unregistered(context: Context, spec: DatasetSpec) -> Iterator[Difference]:
    """Compare the listing of each source with the ledger. A retired dataset accepts no objects."""
    with context.ledger.read_only() as tx:
        if datasets.is_retired(tx, spec.name):
            return
    for source in spec.sources:
        count, keys = 0, list[str]()
        for page in pages(context.store.list(source.bucket, source.prefix)):
            ours = [obj for obj in page if spec.refusal(obj.bucket, obj.key) is None and "\0" not in obj.key]
            with context.ledger.read_only() as tx:
                missing = objects.unregistered(tx, spec.name, ours)
            count += len(missing)
            keys += [obj.url.removeprefix(f"s3://{source.bucket}/") for obj in islice(missing, _SHOWN_KEYS - len(keys))]
        yield from plan_objects(spec.name, s3_url(source.bucket, source.prefix), keys, count)


# --- tasks ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Recorded:
    """A task in the ledger: its batch, its exports that must be in the bucket, who left it, its jobs in review."""

    row: TaskRow
    batch: Batch
    exports: Sequence[Export]
    labels: tuple[str, ...]
    leavers: Mapping[int, Leaver]
    reviewed: Collection[int]
    assigns_quality_jobs: bool


def survey_tasks(context: Context, dataset: str | None = None) -> list[Difference]:
    """Return how the tasks differ, of one dataset or of all. Raises CvatErrors and StoreErrors."""
    with context.ledger.read_only() as tx:
        specs = [spec for spec in datasets.current(tx, retired=True) if dataset in (None, spec.name)]
    return [one for spec in specs for one in _survey_dataset(context, spec)]


def survey_again(context: Context, step: Difference) -> list[Difference]:
    """Compare the project, or the task and the batch, of one difference again, and no others."""
    with context.ledger.read_only() as tx:
        spec = datasets.spec(tx, step.dataset)
    if step.topic is Topic.LABELS:
        return list(_project_labels(context, spec))
    recorded = _recorded_tasks(context, spec, step.batch_id)
    with context.ledger.read_only() as tx:
        names = [one for one in tasks.names_of_dataset(tx, spec.name) if one[2].batch_id == step.batch_id]
    servers = sorted({*(one.row.cvat for one in recorded), *(server for server, _, _ in names)})
    found: list[Difference] = []
    for server in servers:
        of_server = [one for one in recorded if one.row.cvat == server]
        given = [GivenName(name, state) for where, state, name in names if where == server]
        wanted = {step.task_id, *(one.row.server_id for one in of_server)} - {None}
        present = dict(_read_tasks(context.cvat(server), wanted))
        found += _compare_server(context, spec, server, of_server, given, present)
    return found


def _read_tasks(cvat: Cvat, task_ids: Iterable[int | None]) -> Iterator[tuple[int, Task]]:
    for task_id in task_ids:
        with suppress(CvatNotFound, CvatHidden):
            yield task_id or 0, cvat.task(task_id or 0)


def our_tasks(cvat: Cvat, spec: DatasetSpec) -> Iterator[Task]:
    """Return the tasks of our account that have a name which labelyard gives to tasks of this dataset."""
    me, pattern = cvat.whoami().id, task_name_pattern(spec.name)
    return (task for task in cvat.tasks(name=f"{spec.name}-") if task.owner == me and pattern.fullmatch(task.name))


def _survey_dataset(context: Context, spec: DatasetSpec) -> list[Difference]:
    recorded = _recorded_tasks(context, spec)
    names: dict[str, list[GivenName]] = {}
    with context.ledger.read_only() as tx:
        for server, state, name in tasks.names_of_dataset(tx, spec.name):
            names.setdefault(server, []).append(GivenName(name, state))
    servers = sorted({spec.cvat, *names, *(one.row.cvat for one in recorded)})
    found: list[Difference] = []
    for server in servers:
        of_server = [one for one in recorded if one.row.cvat == server]
        present = {task.id: task for task in our_tasks(context.cvat(server), spec)}
        found += _compare_server(context, spec, server, of_server, names.get(server, []), present)
    return found


def _recorded_tasks(context: Context, spec: DatasetSpec, batch_id: str | None = None) -> list[_Recorded]:
    with context.ledger.read_only() as tx:
        labels: dict[int, tuple[str, ...]] = {}
        checked: dict[int, bool] = {}
        found = []
        for row, batch in tasks.of_dataset(tx, spec.name):
            if row.state is TaskState.ABANDONED or batch_id not in (None, batch.id):
                continue
            if batch.version not in labels:
                stored = datasets.spec(tx, spec.name, batch.version)
                own = () if stored.task.project else stored.task.labels  # a project's are compared on their own
                labels[batch.version] = tuple(label.name for label in own)
                checked[batch.version] = stored.quality.is_used
            reviewed = {
                *reviews.jobs_in_review(tx, batch.id),
                *(j.server_id for j in assignments.waiting(tx, batch.id)),
            }
            written, people = exports.latest(tx, batch.id), leavers(tx, spec, batch.id)
            version = batch.version
            found.append(_Recorded(row, batch, written, labels[version], people, reviewed, checked[version]))
    return found


def _compare_server(
    context: Context,
    spec: DatasetSpec,
    server: str,
    recorded: Sequence[_Recorded],
    names: Sequence[GivenName],
    present: dict[int, Task],
) -> Iterator[Difference]:
    known, hidden = [_known(context, one) for one in recorded], set[int]()
    cvat = context.cvat(server)
    for one in known:
        if one.task_id in present or not one.has_task:
            continue
        try:  # the list by owner and name lacks tasks that were renamed, or created by another account
            present[one.task_id] = cvat.task(one.task_id)
        except CvatHidden as error:
            hidden.add(one.task_id)
            where = f"{one.batch_id}, task {one.task_id}"
            yield Difference(spec.name, Topic.TASKS, Sign.NOTE, where, error.what, Action.REPORT, one.batch_id)
        except CvatNotFound:
            continue
    yield from plan_tasks(spec.name, [one for one in known if one.task_id not in hidden], names, present.values())


def _known(context: Context, one: _Recorded) -> RecordedTask:
    # A batch with people again has exports of before: the next ones replace them, whether the files exist or not.
    exported = one.batch.state is BatchState.EXPORTED
    files = {
        s3_url(row.bucket, key): not exported or context.store.exists(row.bucket, key)
        for row in one.exports
        for key in (row.key, *row.other_files)
    }
    return RecordedTask(
        one.batch.id, one.row.server_id or 0, one.row.name, one.batch.state, files,
        frozenset(row.task_updated for row in one.exports), one.labels, one.leavers, one.reviewed,
        one.assigns_quality_jobs,
    )  # fmt: skip

"""Runs that failed and whose cause is over: they become green, so that what is red is what a person has to do.

A failed run of a batch has recovered once the batch has no error and waits for no run. A failed run of a deployment
without batches has recovered once the ledger has none of the problems that make such a run fail, and a later run with
the same parameters has ended well. Its Prefect tasks recover with it. The message keeps what had happened.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType, TaskRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed

from labelyard.context import Context
from labelyard.domain.causes import Kind
from labelyard.ledger import batches, problems
from labelyard.orchestration import (
    CAUGHT_UP,
    MOST_AT_ONCE,
    RECOVERED,
    SERVER_UNAVAILABLE,
    TRIED_AGAIN,
    WAITING_FOR_WORKER,
)
from labelyard.orchestration.best_effort import best_effort
from labelyard.orchestration.orphaned_runs import batch_of

_log = logging.getLogger(__name__)
_COMPARED = 50
_DID_NOT_WORK = (RECOVERED, TRIED_AGAIN, CAUGHT_UP, SERVER_UNAVAILABLE, WAITING_FOR_WORKER)
"""Completed states that do not show that the work succeeds again."""
_RED_TYPES = [StateType.FAILED, StateType.CRASHED]
_RED = FlowRunFilter(
    tags=FlowRunFilterTags(all_=["labelyard"]),
    state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_RED_TYPES)),
)
_RED_STEP = TaskRunFilter(
    state=TaskRunFilterState(name=None, type=TaskRunFilterStateType(any_=_RED_TYPES))  # Prefect 3.7 requires the name
)


def mark_recovered_runs(context: Context) -> list[str]:
    """Mark as Recovered every failed or crashed run about which nobody has to do anything any more.

    Return the names of these runs.
    """
    with best_effort("marking recovered runs"), get_client(sync_client=True) as client:
        red = client.read_flow_runs(flow_run_filter=_RED, sort=FlowRunSort.START_TIME_DESC, limit=MOST_AT_ONCE)
        with context.ledger.read_only() as tx:
            healed = batches.healed(tx, {batch_of(run) for run in red})
            open_kinds = {problem.kind for problem in problems.present(tx)}
            unreadable = batches.unreadable(tx)
        of_none = [run for run in red if not batch_of(run) and not _has_problem(run, open_kinds, unreadable=unreadable)]
        recovered = [run for run in red if batch_of(run) in healed] + list(_succeeded(client, of_none))
        return [run.name for run in recovered if _recover(client, run)]
    return []


def _has_problem(run: FlowRun, kinds: Collection[Kind], *, unreadable: bool) -> bool:
    """Return whether what makes a run of this kind fail is still there."""
    if "alarm" in run.tags:
        return Kind.AUTOMATION in kinds
    return Kind.SOURCE in kinds or unreadable


def _succeeded(client: SyncPrefectClient, runs: Iterable[FlowRun]) -> Iterator[FlowRun]:
    """Yield the runs after which one with the same parameters ended well, or that only report what others met."""
    ended_well: dict[UUID, list[FlowRun]] = {}
    for run in runs:
        if "alarm" in run.tags:
            yield run
        elif run.deployment_id is not None:
            if run.deployment_id not in ended_well:
                ended_well[run.deployment_id] = _ended_well(client, run.deployment_id)
            later = (one for one in ended_well[run.deployment_id] if one.parameters == run.parameters)
            if any(_ended(one) > _ended(run) for one in later):
                yield run


def _ended_well(client: SyncPrefectClient, deployment_id: UUID) -> list[FlowRun]:
    wanted = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.COMPLETED])),
    )
    runs = client.read_flow_runs(flow_run_filter=wanted, sort=FlowRunSort.END_TIME_DESC, limit=_COMPARED)
    return [run for run in runs if run.state_name not in _DID_NOT_WORK]


def _ended(run: FlowRun) -> datetime:
    assert run.state is not None, "it was selected by its state"
    return run.state.timestamp


def _recover(client: SyncPrefectClient, run: FlowRun) -> bool:
    try:
        if client.read_flow_run(run.id).state_type not in _RED_TYPES:
            return False  # another housekeeping run was faster, or a person has restarted it
        client.set_flow_run_state(run.id, _recovered(run), force=True)
        of_run = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        for step in client.read_task_runs(flow_run_filter=of_run, task_run_filter=_RED_STEP):
            client.set_task_run_state(step.id, _recovered(step), force=True)
    except ObjectNotFound:
        return False
    _log.info("run %s (%s) had failed and has recovered", run.name, run.id)
    return True


def _recovered(run: FlowRun | TaskRun) -> State[Any]:
    said = f"It had failed, and nobody has to act any more. {run.state.message if run.state else ''}"
    return Completed(name=RECOVERED, message=said)

"""The flow run that executes the current code."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.context import FlowRunContext

from labelyard.orchestration import MOST_AT_ONCE
from labelyard.orchestration.best_effort import best_effort

_HAS_THE_WORK = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.COMPLETED]
"""States of a run that does, or did, what an earlier one need not do any more."""


def tag_run(dataset: str) -> None:
    """Add the name of the dataset to the tags of the current run, for the filters of Prefect's UI."""
    run = current_run()
    if run is not None:
        with best_effort("tagging the run"), get_client(sync_client=True) as client:
            client.update_flow_run(run.id, tags={*run.tags, dataset})


def is_scheduled() -> bool:
    """Return whether a schedule has started the current run."""
    run = current_run()
    return run is not None and run.auto_scheduled


def newer_run_of_schedule() -> datetime | None:
    """Return when a newer run of the current run's schedule was due, None if there is none or no schedule started it.

    Prefect makes up for every run that a worker or a server has missed. Only the newest one has anything to do.
    """
    run = current_run()
    if run is None or not run.auto_scheduled or run.expected_start_time is None or run.created_by is None:
        return None
    with best_effort("looking for newer runs of the schedule"), get_client(sync_client=True) as client:
        due = FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[run.deployment_id] if run.deployment_id else []),
            expected_start_time=FlowRunFilterExpectedStartTime(
                after_=run.expected_start_time, before_=datetime.now(UTC)
            ),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_HAS_THE_WORK)),
        )
        found = client.read_flow_runs(
            flow_run_filter=due, sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=MOST_AT_ONCE
        )
        newer = [
            one.expected_start_time
            for one in found
            if one.id != run.id and one.created_by is not None and one.created_by.id == run.created_by.id
        ]
        return next((time for time in newer if time is not None and time > run.expected_start_time), None)
    return None


def current_run() -> FlowRun | None:
    """Return the flow run that executes the current code, None outside of one."""
    context = FlowRunContext.get()
    return context.flow_run if context is not None else None


def subject_of_run() -> dict[str, str]:
    """Return the batch and the dataset that the current run works on, as far as its parameters name them."""
    context = FlowRunContext.get()
    parameters = (context.parameters or {}) if context else {}
    return {name: value for name in ("dataset", "batch") if isinstance(value := parameters.get(name), str) and value}


def batch_of_run() -> str | None:
    """Return the batch that the current run works on, or None for a run without the parameter `batch`."""
    return subject_of_run().get("batch")

"""The flow run that executes the current code."""

from __future__ import annotations

from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext

from labelyard.orchestration.best_effort import best_effort


def tag_run(dataset: str) -> None:
    """Add the name of the dataset to the tags of the current run, for the filters of Prefect's UI."""
    context = FlowRunContext.get()
    if context is not None and context.flow_run is not None:
        tags = {*context.flow_run.tags, dataset}
        with best_effort("tagging the run"), get_client(sync_client=True) as client:
            client.update_flow_run(context.flow_run.id, tags=tags)


def batch_of_run() -> str | None:
    """Return the batch that the current run works on, or None for a run without the parameter `batch`."""
    context = FlowRunContext.get()
    batch = (context.parameters or {}).get("batch") if context else None
    return batch if isinstance(batch, str) else None

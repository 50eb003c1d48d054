"""What keeps scheduled runs from filling the UI: those that found nothing say so, and are deleted when they are old."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import State
from prefect.states import Completed

from labelyard.prefect.pages import only_a_picture

_log = logging.getLogger(__name__)
_NOTHING_NEW = "Nothing new"
_KEPT = timedelta(minutes=10)
_AT_ONCE = 50


def nothing_new() -> State[Any]:
    """The end of a scheduled run that found nothing to do."""
    return Completed(name=_NOTHING_NEW, message="")


def forget_uneventful() -> None:
    """Delete scheduled runs that found nothing, or came while another one was at it, ten minutes ago or earlier."""
    old = FlowRunFilter(
        tags=FlowRunFilterTags(all_=["labelyard", "scheduled"]),
        state=FlowRunFilterState(name=FlowRunFilterStateName(any_=[_NOTHING_NEW, "Cancelled"])),
        end_time=FlowRunFilterEndTime.model_validate({"before_": datetime.now(UTC) - _KEPT}),
    )
    with only_a_picture(), get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=old, limit=_AT_ONCE):
            client.delete_flow_run(run.id)

"""Which runs are orphaned: the decision, without a server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType

from labelyard.orchestration.orphaned_runs import orphaned, started_before

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
TIMEOUT = timedelta(minutes=10)


def run(batch: str, minutes: float, kind: StateType = StateType.RUNNING) -> FlowRun:
    """A run that entered its state `minutes` ago."""
    state = State(type=kind, timestamp=NOW - timedelta(minutes=minutes))
    return FlowRun(flow_id=uuid4(), name=batch, parameters={"batch": batch}, state=state)


@pytest.mark.parametrize("kind", [StateType.RUNNING, StateType.PENDING])
def test_a_run_that_entered_its_state_after_the_timeout_began_is_not_orphaned(kind: StateType) -> None:
    runs = [run("old", 10.1, kind), run("young", 9.9, kind)]
    assert [one.name for one in started_before(runs, NOW - TIMEOUT)] == ["old"]


def test_a_run_with_a_heartbeat_or_with_a_lease_of_its_batch_is_not_orphaned() -> None:
    leased, beating, dead = (run(name, 20) for name in ("leased", "beating", "dead"))
    assert orphaned([leased, beating, dead], {beating.id}, {"leased"}) == [dead]

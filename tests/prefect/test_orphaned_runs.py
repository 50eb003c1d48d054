"""Which runs cannot live: decided without a server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType

from labelyard.orchestration.orphaned_runs import orphaned, started_before

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SILENCE = timedelta(minutes=10)


def run(batch: str, minutes: float, kind: StateType = StateType.RUNNING) -> FlowRun:
    """A run that has been in a state for so long."""
    state = State(type=kind, timestamp=NOW - timedelta(minutes=minutes))
    return FlowRun(flow_id=uuid4(), name=batch, parameters={"batch": batch}, state=state)


@pytest.mark.parametrize("kind", [StateType.RUNNING, StateType.PENDING])
def test_a_run_is_quiet_when_it_came_into_its_state_longer_ago(kind: StateType) -> None:
    runs = [run("old", 10.1, kind), run("young", 9.9, kind)]
    assert [one.name for one in started_before(runs, NOW - SILENCE)] == ["old"]


def test_a_run_lives_whose_batch_somebody_holds_or_whose_heart_beats() -> None:
    held, beating, gone = (run(name, 20) for name in ("held", "beating", "gone"))
    assert orphaned([held, beating, gone], {beating.id}, {"held"}) == [gone]

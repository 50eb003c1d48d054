"""The run of a Prefect task follows the rule of flow runs: red means that a person must act.

On the oldest and the newest supported Prefect, too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_API_URL, temporary_settings

from labelyard.errors import CvatBusy, CvatNotFound, LeaseLost, WorkerStopped
from labelyard.orchestration.recovered_runs import _recover
from labelyard.orchestration.steps import step_task, waiting_step
from labelyard.pipeline.wait_for_status import UnfinishedTask
from tests.support.prefect_server import PrefectServer
from tests.support.waiting import eventually

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(600)]

BUSY = CvatBusy("503 Service Unavailable", request="POST /api/tasks")


@step_task("ends", "{name}")
def ends(name: str, error: BaseException) -> None:
    raise error


@step_task("asks", "{name}")
def asks(name: str, found: UnfinishedTask) -> Any:
    return waiting_step(found)


def by_call(name: str, error: BaseException) -> None:
    ends(name, error)


def by_submit(name: str, error: BaseException) -> None:
    ends.submit(name, error).result()


@flow(name="gets-the-exception", persist_result=False)
def gets_the_exception(start: Callable[[str, BaseException], None], name: str, error: BaseException) -> bool:
    """Whether the flow gets the very exception that the step raised."""
    try:
        start(name, error)
    except BaseException as raised:  # noqa: BLE001 - it includes requests to stop
        return raised is error
    return False


@flow(name="fails", persist_result=False)
def fails(name: str) -> None:
    ends(name, CvatNotFound("404 Not Found"))


@flow(name="gets-the-result", persist_result=False)
def gets_the_result(name: str, found: UnfinishedTask) -> Any:
    return asks(name, found)


def run_of(server: PrefectServer, name: str) -> Any:
    """The run of the Prefect task with this name, once it has ended."""

    def read() -> Any:
        found = server.call("POST", "/task_runs/filter", {"task_runs": {"name": {"any_": [name]}}})
        return next((run for run in found if run["end_time"]), None)

    return eventually(read, f"the end of {name}", 60)


@pytest.mark.parametrize(
    ("error", "start", "state", "message"),
    [
        (BUSY, by_call, ("CANCELLED", "Server unavailable"), "POST /api/tasks: 503 Service Unavailable"),
        (BUSY, by_submit, ("CANCELLED", "Server unavailable"), "POST /api/tasks: 503 Service Unavailable"),
        (LeaseLost("its lease expired"), by_call, ("CANCELLED", "Taken by another run"), "its lease expired"),
        (WorkerStopped(), by_call, ("CANCELLED", "Stopped"), "its worker was stopped"),
        (CvatNotFound("404 Not Found"), by_call, ("FAILED", "Failed"), "404 Not Found"),
        (KeyError("a bug"), by_call, ("FAILED", "Failed"), "a bug"),
    ],
)
def test_a_step_is_red_only_if_a_person_must_act_and_the_flow_gets_its_exception(
    prefect_server: PrefectServer,
    error: BaseException,
    start: Callable[[str, BaseException], None],
    state: tuple[str, str],
    message: str,
) -> None:
    name = f"step {uuid4()}"
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        assert gets_the_exception(start, name, error)
        APILogHandler().flush()
    run = run_of(prefect_server, name)
    assert (run["state_type"], run["state_name"]) == state
    assert message in run["state"]["message"]


def test_a_failed_step_is_red_no_more_when_its_run_has_recovered(prefect_server: PrefectServer) -> None:
    name = f"step {uuid4()}"
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        state = fails(name, return_state=True)
        assert run_of(prefect_server, name)["state_type"] == "FAILED"
        with get_client(sync_client=True) as client:
            _recover(client, client.read_flow_run(state.state_details.flow_run_id))
    run = run_of(prefect_server, name)
    assert (run["state_type"], run["state_name"]) == ("COMPLETED", "Recovered")
    assert "404 Not Found" in run["state"]["message"]


def test_a_step_that_finds_cvat_at_work_says_so_and_the_flow_gets_what_it_found(prefect_server: PrefectServer) -> None:
    name = f"step {uuid4()}"
    found = UnfinishedTask(task_id=7, reason="CVAT has 3 of 5 frames", next_run=datetime.now(UTC))
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        assert gets_the_result(name, found) == found.document()
        APILogHandler().flush()
    run = run_of(prefect_server, name)
    assert (run["state_type"], run["state_name"]) == ("COMPLETED", "Waiting for CVAT")
    assert run["state"]["message"] == "CVAT has 3 of 5 frames"

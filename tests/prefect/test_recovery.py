"""Recovery after kill -9 of servers and workers: orphaned runs, lost events, failed actions, occupied slots."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from labelyard.context import open_context
from labelyard.orchestration.events_over_rest import PrefectEvents
from labelyard.pipeline.publish_events import publish_again, publish_events
from labelyard.settings import Settings
from labelyard.supervisor.stack import free_ports
from tests.support.pictures import jpeg
from tests.support.prefect_server import RUN_SECONDS, PrefectServer, serving
from tests.support.prefect_workspace import RARELY, PrefectWorkspace
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.prefect, pytest.mark.timeout(600)]

HEARTBEATS = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30", "LABELYARD_DEPLOY__HEARTBEAT_TIMEOUT_SECONDS": "60"}
"""The shortest times that Prefect and labelyard accept: a run is orphaned after 60 s without a heartbeat."""
QUICK = {**RARELY, **HEARTBEATS, "LABELYARD_DEPLOY__BATCHES_AT_ONCE": "1"}
"""An orphaned run occupies the only slot."""


@pytest.fixture
def tarpit() -> Iterator[str]:
    """A CVAT that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def quick(workspace: PrefectWorkspace) -> dict[str, str]:
    """A worker's settings with short leases and retries."""
    return {**workspace.settings, **HEARTBEATS, "LABELYARD_LEASE_SECONDS": "3", "LABELYARD_PUBLISH_AGAIN_SECONDS": "1"}


@contextmanager
def at_work(
    server: PrefectServer, folder: Path, kind: str = "labelyard", **settings: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A worker, by default a fast one, stopped at the end."""
    folder.mkdir()
    with server.worker("labelyard", kind, folder, **settings) as worker:
        yield worker


def kill(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)  # its process group
    process.wait()


def sent(workspace: PrefectWorkspace, server: PrefectServer) -> int:
    """Publish the events of the outbox to the server, and return their number."""
    settings = Settings(ledger=workspace.ledger_url, store=workspace.store.settings, PREFECT_API_URL=server.api_url)
    with open_context(settings) as context:
        return publish_events(context, PrefectEvents(settings))


def running(server: PrefectServer, batch: str) -> str:
    """Wait until the server has stored that the batch's run is Running, and return the run's id."""

    def read() -> str | None:
        return next((str(run["id"]) for run in server.runs(batch, "ingest") if run["state_name"] == "Running"), None)

    return eventually(read, f"a run of {batch} to be Running", RUN_SECONDS)


@contextmanager
def heartbeats(server: PrefectServer, run: str) -> Iterator[None]:
    """Post a heartbeat of a run every five seconds, as a live worker does."""
    done = Event()

    def post() -> None:
        while not done.wait(5):
            server.post_event("prefect.flow-run.heartbeat", f"prefect.flow-run.{run}")

    thread = Thread(target=post)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def finished(server: PrefectServer, batch: str) -> Any:
    """Sweep until the batch's event is published again, and return the run that assigns its jobs."""

    def published() -> Any:
        swept = server.reaches(server.start("sweep-sources/sweep-sources"), "Completed", "Nothing new")
        return swept["state"]["message"] or None  # empty until the lease of the dead run has expired

    def done() -> Any:
        runs = server.runs(batch, "ingest")
        return next((run for run in runs if run["state_name"] == "Waiting for annotators"), None)

    assert "1 events published" in eventually(published, f"the event of {batch} to be published again", RUN_SECONDS)
    return eventually(done, f"{batch} to wait for annotators", RUN_SECONDS)


def ended_by_housekeeping(server: PrefectServer, run: str) -> bool | None:
    """Run housekeeping, and return whether it has marked the run as Crashed."""
    server.reaches(server.start("housekeeping/housekeeping"), "Completed", "Nothing new", "Cancelled")
    return True if server.state(run) == "Crashed" else None


def test_after_worker_and_server_are_killed_the_run_crashes_its_slot_is_free_and_another_run_ingests_the_batch(
    tmp_path: Path, workspace: PrefectWorkspace, quick: dict[str, str], tarpit: str
) -> None:
    workspace.put("one.jpg", jpeg())
    batch, home, port = workspace.close_batch(), tmp_path / "home", free_ports(1)[0]
    home.mkdir()
    with serving(home, port) as (server, process):
        server.command("labelyard", "deploy", **QUICK)
        hangs = {**quick, "LABELYARD_CVAT__DEFAULT__URL": tarpit}
        with at_work(server, tmp_path / "first", **hangs) as worker:
            assert sent(workspace, server) == 1
            dead = running(server, batch)
            kill(worker)
        kill(process)
    with serving(home, port) as (server, _):
        assert server.state(dead) == "Running"
        # Like one on another machine: a fast worker on this machine would recognise the run by its process id at once.
        with at_work(server, tmp_path / "other", kind="labelyard-process", **quick):
            eventually(lambda: ended_by_housekeeping(server, dead), "the run to be marked as Crashed", RUN_SECONDS)
            assert server.call("GET", f"/flow_runs/{dead}")["state"]["message"] == "Missed heartbeats for 60 s."
        with at_work(server, tmp_path / "second", **quick):
            assert finished(server, batch)["id"] != dead
    assert workspace.state(batch) == "assigned"


def test_the_event_of_a_batch_is_not_published_again_while_its_run_waits_for_a_worker(
    deployed: PrefectServer, workspace: PrefectWorkspace
) -> None:
    workspace.put("one.jpg", jpeg())
    batch = workspace.close_batch()
    assert sent(workspace, deployed) == 1
    run = eventually(lambda: next(iter(deployed.runs(batch, "ingest")), None), "a run that nobody takes")
    settings = Settings(
        ledger=workspace.ledger_url, store=workspace.store.settings, PREFECT_API_URL=deployed.api_url,
        publish_again_seconds=0.001,
    )  # fmt: skip
    with open_context(settings) as context:
        assert publish_again(context, PrefectEvents(settings)) == 0
        deployed.call("DELETE", f"/flow_runs/{run['id']}")
        assert publish_again(context, PrefectEvents(settings)) == 1


def test_a_failed_action_is_reported_and_the_event_of_its_batch_is_published_again(
    deployed: PrefectServer, tmp_path: Path, workspace: PrefectWorkspace, quick: dict[str, str]
) -> None:
    workspace.put("one.jpg", jpeg())
    batch = workspace.close_batch()
    deployment = deployed.call("GET", "/deployments/name/ingest-batch/ingest-batch")
    deployed.call("DELETE", f"/deployments/{deployment['id']}")
    with at_work(deployed, tmp_path / "worker", **quick):
        assert sent(workspace, deployed) == 1
        reported = eventually(lambda: reported_run(deployed, batch), "the failed action to be reported", RUN_SECONDS)
        assert (reported["state_name"], reported["name"]) == ("Actions failed", "failed actions")
        assert "labelyard: ingest a closed batch" in reported["state"]["message"]
        assert "404" in reported["state"]["message"]
        assert batch in deployed.artifacts(reported)["failed-actions"]["data"]
        status = deployed.command("labelyard", "status", **workspace.settings)
        assert f"{batch}: Prefect did not start a run:" in status
        assert "next: labelyard doctor" in status
        deployed.command("labelyard", "deploy", **RARELY)
        finished(deployed, batch)
    assert workspace.state(batch) == "assigned"
    names = [one["name"] for one in deployed.call("POST", "/automations/filter", {})]
    assert names.count("labelyard: ingest a closed batch") == 1


def reported_run(server: PrefectServer, batch: str) -> Any:
    """The failed run that reports a batch, or None."""
    asked = {"flow_runs": {"tags": {"all_": ["labelyard", "alarm"]}, "state": {"type": {"any_": ["FAILED"]}}}}
    runs = server.call("POST", "/flow_runs/filter", asked)
    return next((run for run in runs if batch in run["state"]["message"]), None)


def test_an_event_that_the_server_accepted_and_lost_is_published_again(
    tmp_path: Path, workspace: PrefectWorkspace, quick: dict[str, str]
) -> None:
    workspace.put("one.jpg", jpeg())
    batch, home, port = workspace.close_batch(), tmp_path / "home", free_ports(1)[0]
    home.mkdir()
    with serving(home, port) as (server, process):
        server.command("labelyard", "deploy", **RARELY)
        assert sent(workspace, server) == 1
        kill(process)
    with serving(home, port) as (server, _), at_work(server, tmp_path / "worker", **quick):
        finished(server, batch)
    assert workspace.state(batch) == "assigned"


def test_housekeeping_marks_runs_without_heartbeats_and_without_a_lease_as_crashed(
    deployed: PrefectServer, tmp_path: Path, workspace: PrefectWorkspace, quick: dict[str, str]
) -> None:
    of_a_batch = deployed.start("ingest-batch/ingest-batch", batch="street-00001", attempt=1)
    of_none, long = (deployed.start("sweep-sources/sweep-sources") for _ in range(2))
    for run in (of_a_batch, of_none, long):  # as after the death of worker and server before the first heartbeat
        deployed.call("POST", f"/flow_runs/{run}/set_state", {"state": {"type": "RUNNING"}, "force": True})

    def ended() -> bool | None:
        deployed.reaches(deployed.start("housekeeping/housekeeping"), "Completed", "Nothing new", "Cancelled")
        return True if {deployed.state(of_a_batch), deployed.state(of_none)} == {"Crashed"} else None

    try:
        with heartbeats(deployed, long), at_work(deployed, tmp_path / "worker", **quick):
            eventually(ended, "both runs to be ended", RUN_SECONDS)
        assert deployed.state(long) == "Running"
    finally:
        deployed.call("DELETE", f"/flow_runs/{long}")

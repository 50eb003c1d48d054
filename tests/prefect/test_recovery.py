"""What Prefect loses when its parts are killed, found and mended: dead runs, lost actions, held places.

The servers and workers are real ones, and end by kill -9.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from labelyard.context import open_context
from labelyard.orchestration.events_api import PrefectEvents
from labelyard.pipeline.publish_events import publish_again, publish_events
from labelyard.settings import Settings
from tests.support.emulator import free_port
from tests.support.prefect_server import RUN_SECONDS, PrefectServer, serving
from tests.support.prefect_workspace import RARELY, Workspace, picture
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.prefect, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(600)]

QUICK = {**RARELY, "LABELYARD_DEPLOY__HEARTBEAT_TIMEOUT_SECONDS": "40", "LABELYARD_DEPLOY__BATCHES_AT_ONCE": "1"}
"""A run is dead after so long a silence, and holds the only place until then."""
HEARTBEATS = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}


@pytest.fixture
def tarpit() -> Iterator[str]:
    """A CVAT that takes connections and never answers: whoever asks it hangs."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def quick(workspace: Workspace) -> dict[str, str]:
    """A worker's settings: what a dead run had is soon free."""
    return {**workspace.settings, **HEARTBEATS, "LABELYARD_LEASE_SECONDS": "3", "LABELYARD_PUBLISH_AGAIN_SECONDS": "1"}


@contextmanager
def at_work(server: PrefectServer, folder: Path, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker, killed in the end if it still lives."""
    folder.mkdir()
    with server.worker("labelyard", "labelyard", folder, **settings) as worker:
        yield worker


def kill(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)  # a group of its own: whatever it started dies with it
    process.wait()


def sent(workspace: Workspace, server: PrefectServer) -> int:
    """How many announcements the outbox sent to the server."""
    settings = Settings(ledger=workspace.ledger_url, store=workspace.store.settings, PREFECT_API_URL=server.api_url)
    with open_context(settings) as context:
        return publish_events(context, PrefectEvents(settings))


def known_to_live(server: PrefectServer, batch: str) -> str:
    """The id of the batch's run, once the server has written down a sign of its life."""
    signs = {"filter": {"event": {"name": ["prefect.flow-run.heartbeat"]}}}

    def look() -> str | None:
        alive = {
            event["resource"]["prefect.resource.id"] for event in server.call("POST", "/events/filter", signs)["events"]
        }
        ids = [str(run["id"]) for run in server.runs(batch, "ingest")]
        return next((one for one in ids if f"prefect.flow-run.{one}" in alive), None)

    return eventually(look, f"a heartbeat of a run of {batch}", RUN_SECONDS)


def finished(server: PrefectServer, batch: str) -> Any:
    """The run that brings the batch to its people, once a sweep has announced it again."""

    def announced() -> Any:
        swept = server.reaches(server.start("sweep-sources/sweep-sources"), "Completed", "Nothing new")
        return swept["state"]["message"] or None  # nothing is announced before the dead run's lease has run out

    def done() -> Any:
        runs = server.runs(batch, "ingest")
        return next((run for run in runs if run["state_name"] == "Waiting for annotators"), None)

    assert "1 events published" in eventually(announced, f"{batch} to be announced again", RUN_SECONDS)
    return eventually(done, f"{batch} to wait for annotators", RUN_SECONDS)


def test_when_worker_and_server_are_killed_the_run_ends_its_place_is_free_and_another_run_does_the_batch(
    tmp_path: Path, workspace: Workspace, quick: dict[str, str], tarpit: str
) -> None:
    workspace.put("one.jpg", picture())
    batch, home, port = workspace.close_batch(), tmp_path / "home", free_port()
    home.mkdir()
    with serving(home, port) as (server, process):
        server.command("labelyard", "deploy", **QUICK)
        hangs = {**quick, "LABELYARD_CVAT__DEFAULT__URL": tarpit}
        with at_work(server, tmp_path / "first", **hangs) as worker:
            assert sent(workspace, server) == 1
            dead = known_to_live(server, batch)
            kill(worker)
        kill(process)
    with serving(home, port) as (server, _):
        assert server.state(dead) == "Running"
        # Before a worker begins on this machine: it would know that the run's process is gone, and say so at once.
        assert server.reaches(dead, "Crashed")["state"]["message"] == "Missed heartbeats for 40 s."
        with at_work(server, tmp_path / "second", **quick):
            assert finished(server, batch)["id"] != dead
    assert workspace.state(batch) == "assigned"


def test_a_batch_whose_run_waits_for_a_worker_is_not_announced_again_until_that_run_is_gone(
    deployed: PrefectServer, workspace: Workspace
) -> None:
    workspace.put("one.jpg", picture())
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


def test_an_action_that_fails_is_reported_and_its_batch_is_announced_again_and_done(
    deployed: PrefectServer, tmp_path: Path, workspace: Workspace, quick: dict[str, str]
) -> None:
    workspace.put("one.jpg", picture())
    batch = workspace.close_batch()
    gone = deployed.call("GET", "/deployments/name/ingest-batch/ingest-batch")
    deployed.call("DELETE", f"/deployments/{gone['id']}")
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
    """The run that tells of a batch whose action failed, once it has ended."""
    asked = {"flow_runs": {"tags": {"all_": ["labelyard", "alarm"]}, "state": {"type": {"any_": ["FAILED"]}}}}
    runs = server.call("POST", "/flow_runs/filter", asked)
    return next((run for run in runs if batch in run["state"]["message"]), None)


def test_an_event_that_the_server_took_and_lost_is_announced_again(
    tmp_path: Path, workspace: Workspace, quick: dict[str, str]
) -> None:
    workspace.put("one.jpg", picture())
    batch, home, port = workspace.close_batch(), tmp_path / "home", free_port()
    home.mkdir()
    with serving(home, port) as (server, process):
        server.command("labelyard", "deploy", **RARELY)
        assert sent(workspace, server) == 1
        kill(process)
    with serving(home, port) as (server, _), at_work(server, tmp_path / "worker", **quick):
        finished(server, batch)
    assert workspace.state(batch) == "assigned"


def test_housekeeping_marks_runs_without_heartbeats_and_without_a_lease_as_crashed(
    deployed: PrefectServer, tmp_path: Path, workspace: Workspace, quick: dict[str, str]
) -> None:
    of_a_batch = deployed.start("ingest-batch/ingest-batch", batch="street-00001", attempt=1)
    of_none, long = (deployed.start("sweep-sources/sweep-sources") for _ in range(2))
    for run in (of_a_batch, of_none, long):  # as it stands when worker and server died before a heartbeat was noted
        deployed.call("POST", f"/flow_runs/{run}/set_state", {"state": {"type": "RUNNING"}, "force": True})
    settings = {**quick, "LABELYARD_DEPLOY__HEARTBEAT_TIMEOUT_SECONDS": "30"}

    def ended() -> bool | None:
        deployed.post_event(
            "prefect.flow-run.heartbeat", f"prefect.flow-run.{long}"
        )  # as its worker does while it lives
        deployed.reaches(deployed.start("housekeeping/housekeeping"), "Completed", "Nothing new", "Cancelled")
        return True if {deployed.state(of_a_batch), deployed.state(of_none)} == {"Crashed"} else None

    try:
        with at_work(deployed, tmp_path / "worker", **settings):
            eventually(ended, "both runs to be ended", RUN_SECONDS)
        assert deployed.state(long) == "Running"
    finally:
        deployed.call("DELETE", f"/flow_runs/{long}")

"""An idle installation stays green, keeps Prefect's database small, and still ends runs that died."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings

from labelyard.orchestration import artifact_versions, orphaned_runs, recovered_runs, waiting_runs
from labelyard.orchestration.artifact_versions import KEPT, prune_artifact_versions
from labelyard.supervisor.stack import free_ports
from tests.support.pictures import picture
from tests.support.prefect_server import RUN_SECONDS, PrefectServer, serving
from tests.support.prefect_workspace import RARELY, PrefectWorkspace
from tests.support.waiting import eventually

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(600)]

BUSY = {
    "LABELYARD_DEPLOY__COLLECT_SECONDS": "3",
    "LABELYARD_DEPLOY__SWEEP_SECONDS": "5",
    "LABELYARD_DEPLOY__HOUSEKEEPING_SECONDS": "5",
    "LABELYARD_DEPLOY__HEARTBEAT_TIMEOUT_SECONDS": "75",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
}
"""Many runs in little time; the timeout passes during the test and is more than two heartbeats, as by default."""
LATE_SECONDS = 45
"""After how long the server calls a run late. Prefect's default is 15 s; these runs come twenty times as often as by
default, on a machine that runs other tests besides."""
SECONDS = 100
WRONG = {f"prefect.flow-run.{state}" for state in ("Failed", "Crashed", "Late", "Actions failed", "To be tried again")}
WRONG |= {"prefect.automation.action.failed"}


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[PrefectServer]:
    """A server of its own: its deployments have schedules of seconds."""
    (tmp_path / "home").mkdir()
    late = {"PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": str(LATE_SECONDS)}
    with serving(tmp_path / "home", free_ports(1)[0], **late) as (server, _):
        yield server


@pytest.fixture
def tarpit() -> Iterator[str]:
    """A CVAT that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def event_counts(server: PrefectServer, since: datetime | None = None) -> dict[str, int]:
    """How many events are stored, by name, of the last week or since then."""
    wanted = {"filter": {"occurred": {"since": since.isoformat()}} if since else {}}
    return {one["value"]: one["count"] for one in server.call("POST", "/events/count-by/event", wanted)}


def runs(server: PrefectServer, **state: Any) -> list[Any]:
    found: list[Any] = server.call("POST", "/flow_runs/filter", {"flow_runs": {"state": state}, "limit": 200})
    return found


def waiting(server: PrefectServer) -> list[Any]:
    """Return the runs that should have started ten seconds ago."""
    before = {"before_": (datetime.now(UTC) - timedelta(seconds=10)).isoformat()}
    wanted = {"state": {"type": {"any_": ["SCHEDULED"]}}, "expected_start_time": before}
    found: list[Any] = server.call("POST", "/flow_runs/filter", {"flow_runs": wanted, "limit": 200})
    return found


@pytest.mark.slow
def test_after_dozens_of_runs_that_changed_nothing_no_run_failed_crashed_or_was_late_and_no_action_failed(
    idle: PrefectServer, workspace: PrefectWorkspace, tmp_path: Path
) -> None:
    idle.command("labelyard", "deploy", **BUSY)
    with idle.worker("labelyard", "labelyard", tmp_path, **workspace.settings, **BUSY):
        eventually(lambda: runs(idle, name={"any_": ["Nothing new"]}) or None, "the first run", RUN_SECONDS)
        # Runs of the time before the worker started wait; how long it takes to run them depends on the machine.
        eventually(lambda: not waiting(idle) or None, "no run to wait any more", RUN_SECONDS)
        since = datetime.now(UTC)
        time.sleep(SECONDS)
        counts, kept = event_counts(idle, since), runs(idle, name={"any_": ["Nothing new"]})
        assert runs(idle, type={"any_": ["FAILED", "CRASHED"]}) == []
    assert counts["prefect.flow-run.Nothing new"] > 36
    assert {name: counts[name] for name in WRONG & counts.keys()} == {}
    assert len(kept) < counts["prefect.flow-run.Nothing new"] / 2  # housekeeping deletes all but the newest


@pytest.mark.slow
def test_a_run_whose_worker_and_process_were_killed_is_marked_as_crashed_by_another_worker_although_no_slot_is_free(
    idle: PrefectServer, workspace: PrefectWorkspace, tmp_path: Path, tarpit: str
) -> None:
    workspace.put("one.jpg", picture())
    batch = workspace.close_batch()
    limits = {"LABELYARD_DEPLOY__RUNS_AT_ONCE": "1", "LABELYARD_DEPLOY__BATCHES_AT_ONCE": "1"}
    idle.command("labelyard", "deploy", **{**BUSY, **RARELY, "LABELYARD_DEPLOY__HOUSEKEEPING_SECONDS": "10"}, **limits)
    other = idle.start("sweep-sources/sweep-sources")
    idle.call("POST", f"/flow_runs/{other}/set_state", {"state": {"type": "RUNNING"}, "force": True})
    settings = {**workspace.settings, **BUSY, "LABELYARD_LEASE_SECONDS": "3"}
    (tmp_path / "killed").mkdir()
    (tmp_path / "living").mkdir()
    hangs = {**settings, "LABELYARD_CVAT__DEFAULT__URL": tarpit}
    with idle.worker("labelyard", "labelyard", tmp_path / "killed", **hangs) as worker:
        idle.post_batch_event("labelyard.batch.closed", batch, attempt=1)
        dead = eventually(lambda: next(iter(idle.runs(batch, "ingest")), None), "a run of the batch", RUN_SECONDS)
        idle.reaches(dead["id"], "Running")
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    # A process worker, like one on another machine, knows nothing of the other worker's process.
    with idle.worker(
        "labelyard", "labelyard-process", tmp_path / "living", **settings, PREFECT_WORKER_QUERY_SECONDS="1"
    ):
        for run in (dead["id"], other):
            assert idle.reaches(run, "Crashed")["state"]["message"] == "Missed heartbeats for 75 s."


def test_a_run_that_ended_or_was_deleted_after_it_was_read_is_left_as_it_is(prefect_server: PrefectServer) -> None:
    ended, deleted, orphan = (_running(prefect_server) for _ in range(3))
    prefect_server.call("POST", f"/flow_runs/{ended.id}/set_state", {"state": {"type": "COMPLETED"}, "force": True})
    prefect_server.call("DELETE", f"/flow_runs/{deleted.id}")
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        assert [orphaned_runs._end(run, timedelta(seconds=30)) for run in (ended, deleted, orphan)] == [
            False,
            False,
            True,
        ]
    assert [prefect_server.state(str(run.id)) for run in (ended, orphan)] == ["Completed", "Crashed"]


@pytest.mark.parametrize("key", KEPT)
def test_housekeeping_keeps_the_newest_versions_of_a_recurring_artifact(
    prefect_server: PrefectServer, key: str
) -> None:
    kept = KEPT[key]
    for number in range(kept + 2):
        version = {"key": key, "type": "markdown", "data": f"version {number}"}
        prefect_server.call("POST", "/artifacts/", version)
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        prune_artifact_versions()
    wanted = {"artifacts": {"key": {"any_": [key]}}, "sort": "CREATED_DESC", "limit": 200}
    left = prefect_server.call("POST", "/artifacts/filter", wanted)
    assert (len(left), left[0]["data"]) == (kept, f"version {kept + 1}")


@pytest.mark.parametrize("key", [None, "decision-retry-street-00001"])
def test_housekeeping_keeps_the_newest_artifacts_of_single_runs_and_touches_no_other_flows(
    prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    monkeypatch.setattr(artifact_versions, "_KEPT_OF_RUNS", 1)
    ours, other = _running(prefect_server, tags=["labelyard"]), _running(prefect_server)
    for run in (other, ours):
        for number in range(3):
            artifact = {"key": key, "type": "markdown", "data": f"version {number}", "flow_run_id": str(run.id)}
            prefect_server.call("POST", "/artifacts/", artifact)
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        prune_artifact_versions()

    def left(run: FlowRun) -> list[str]:
        wanted = {"flow_runs": {"id": {"any_": [str(run.id)]}}, "sort": "CREATED_DESC"}
        return [one["data"] for one in prefect_server.call("POST", "/artifacts/filter", wanted)]

    assert (left(ours), len(left(other))) == (["version 2"], 3)


def test_a_waiting_run_that_has_started_meanwhile_is_left_as_it_is(prefect_server: PrefectServer) -> None:
    started, waiting = (_running(prefect_server, {"type": "SCHEDULED", "name": "Server unavailable"}) for _ in range(2))
    pending = {"state": {"type": "PENDING"}, "force": True}
    prefect_server.call("POST", f"/flow_runs/{started.id}/set_state", pending)
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}), get_client(sync_client=True) as client:
        assert [waiting_runs._continue(client, run) for run in (started, waiting)] == [False, True]
    states = [prefect_server.state(str(run.id)) for run in (started, waiting)]
    assert states == ["Pending", "To be tried again"]


def test_a_failed_run_has_recovered_only_after_a_run_that_succeeded(deployed: PrefectServer) -> None:
    red = _of_sweep(deployed, "FAILED", "Failed")
    for name in ("Caught up", "Server unavailable", "To be tried again"):
        _of_sweep(deployed, "COMPLETED", name)
    with temporary_settings({PREFECT_API_URL: deployed.api_url}), get_client(sync_client=True) as client:
        assert list(recovered_runs._succeeded(client, [red])) == []
        _of_sweep(deployed, "COMPLETED", "Nothing new")
        assert list(recovered_runs._succeeded(client, [red])) == [red]


def _of_sweep(server: PrefectServer, kind: str, name: str) -> FlowRun:
    """Return a run of sweep-sources that has just ended in this state."""
    run = server.start("sweep-sources/sweep-sources", dataset="of-a-test")
    server.call("POST", f"/flow_runs/{run}/set_state", {"state": {"type": kind, "name": name}, "force": True})
    with temporary_settings({PREFECT_API_URL: server.api_url}), get_client(sync_client=True) as client:
        return client.read_flow_run(UUID(run))


def _running(
    server: PrefectServer, state: Mapping[str, str] = MappingProxyType({"type": "RUNNING"}), tags: Sequence[str] = ()
) -> FlowRun:
    """Return a run in a state, by default Running, as the client reads it."""
    flow = server.call("POST", "/flows/", {"name": "of-a-test"})
    body = {"flow_id": flow["id"], "state": dict(state), "tags": list(tags)}
    run = server.call("POST", "/flow_runs/", body)
    with temporary_settings({PREFECT_API_URL: server.api_url}), get_client(sync_client=True) as client:
        return client.read_flow_run(UUID(run["id"]))


@pytest.mark.slow
def test_events_of_every_run_are_deleted_after_the_hours_of_the_setting_and_others_are_kept(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    quick = {"PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS": "2"}
    with serving(tmp_path / "home", free_ports(1)[0], **quick) as (server, _):
        old = datetime.now(UTC) - timedelta(hours=7)
        for name in ("Scheduled", "heartbeat", "Nothing new", "Crashed"):
            server.post_event(f"prefect.flow-run.{name}", "prefect.flow-run.of-a-test", occurred=old)
        kept = {"prefect.flow-run.Crashed": 1}
        eventually(lambda: event_counts(server).get("prefect.flow-run.Crashed"), "the events to be stored", RUN_SECONDS)
        eventually(lambda: event_counts(server) == kept or None, "the other events to be deleted", RUN_SECONDS)

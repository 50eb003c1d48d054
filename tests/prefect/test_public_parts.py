"""labelyard on Prefect's public parts: its own server, a pool and a worker of type `labelyard-process`.

A server and a worker of its own make it slow. It also runs in two other environments, on the oldest and the newest
supported Prefect: `make test-prefect-oldest`, `make test-prefect-newest`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import prefect
import pytest

from labelyard.cvat import connect
from labelyard.domain.tasks import JobStatus
from labelyard.orchestration.fast_worker import INSTALL, SUPPORTED_PREFECT, is_supported
from labelyard.supervisor.stack import free_ports
from tests.support.emulator import StoreServer
from tests.support.pictures import jpeg
from tests.support.prefect_blocks import create_block
from tests.support.prefect_server import RUN_SECONDS, PrefectServer, serving
from tests.support.prefect_workspace import RARELY, PrefectWorkspace, new_workspace
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.prefect, pytest.mark.timeout(900)]

PREFECT = (sys.executable, "-m", "prefect")
WORKER = {
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "LABELYARD_DEPLOY__HEARTBEAT_TIMEOUT_SECONDS": "60",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    with serving(tmp_path_factory.mktemp("server"), free_ports(1)[0], PREFECT) as (server, _):
        yield server


@pytest.fixture(scope="module")
def printed(server: PrefectServer) -> str:
    """The output of `labelyard deploy`, onto a pool of type `labelyard-process`."""
    if is_supported():  # it would create a pool for the fast worker
        server.command("prefect", "work-pool", "create", "labelyard", "--type", "labelyard-process")
    return server.command("labelyard", "deploy", **RARELY)


@pytest.fixture(scope="module")
def orphan(server: PrefectServer, printed: str) -> str:
    """A run that is Running although no process has it."""
    run = server.start("export-task/export-task", batch="street-00001", attempt=1)
    server.call("POST", f"/flow_runs/{run}/set_state", {"state": {"type": "RUNNING"}, "force": True})
    return run


def in_blocks(server: PrefectServer, settings: Mapping[str, str]) -> dict[str, str]:
    """Move the settings of CVAT and store into blocks of the server, and name these instead."""
    rest = dict(settings)
    for variable, block_type in (("LABELYARD_CVAT__DEFAULT", "labelyard-cvat"), ("LABELYARD_STORE", "labelyard-store")):
        moved = [name for name in rest if name.startswith(f"{variable}__")]
        data = {name.removeprefix(f"{variable}__").lower(): rest.pop(name) for name in moved}
        create_block(server.api_url, block_type, "street", data)
        rest[f"{variable}__BLOCK"] = "street"
    return rest


@pytest.fixture(scope="module")
def workspace(
    server: PrefectServer,
    orphan: str,
    tmp_path_factory: pytest.TempPathFactory,
    store_server: StoreServer,
    sandbox_url: str,
) -> Iterator[PrefectWorkspace]:
    """A worker whose CVAT and store are blocks."""
    folder = tmp_path_factory.mktemp("worker")
    workspace = new_workspace(folder, store_server, sandbox_url)
    with server.worker("labelyard", "labelyard-process", folder, **in_blocks(server, workspace.settings), **WORKER):
        yield workspace


@pytest.fixture(scope="module")
def ingested(server: PrefectServer, workspace: PrefectWorkspace) -> Any:
    """The run of a batch of one image."""
    workspace.put("one.jpg", jpeg())
    batch = workspace.close_batch()
    server.post_batch_event("labelyard.batch.closed", batch, attempt=1)
    return server.ended(batch)


def test_deploy_uses_a_pool_of_type_process_and_says_how_to_start_a_worker(server: PrefectServer, printed: str) -> None:
    pool = server.call("GET", "/work_pools/labelyard")
    assert (pool["type"], pool["concurrency_limit"]) == ("labelyard-process", None)
    assert (INSTALL in printed) is not is_supported()
    assert ("PREFECT_WORKER_QUERY_SECONDS=2 prefect worker start" in printed) is not is_supported()
    deployed = {deployment["name"] for deployment in server.call("POST", "/deployments/filter", {})}
    assert deployed >= {"ingest-batch", "export-task", "collect-finished", "sweep-sources", "housekeeping"}


def test_an_event_starts_a_run_that_ends_with_assigned_jobs(ingested: Any, workspace: PrefectWorkspace) -> None:
    assert (ingested["state_name"], ingested["state_type"]) == ("Waiting for annotators", "COMPLETED"), ingested
    assert ingested["name"] == f"ingest {ingested['parameters']['batch']}"
    assert ingested["parameters"]["attempt"] == 1
    assert workspace.state(ingested["parameters"]["batch"]) == "assigned"


def test_a_completed_task_is_exported(
    server: PrefectServer, ingested: Any, workspace: PrefectWorkspace, sandbox_url: str
) -> None:
    batch = ingested["parameters"]["batch"]
    cvat = connect(sandbox_url, username="boss", password="bosspass")
    for job in cvat.jobs(workspace.task_id(batch)):
        cvat.set_job_status(job.id, JobStatus.COMPLETED)
    server.reaches(server.start("collect-finished/collect-finished"), "Completed")
    exported = server.ended(batch, tag="export")
    assert (exported["state_name"], exported["state_type"]) == ("Exported", "COMPLETED"), exported["state"]
    files = [found.key for found in workspace.store.store.list(workspace.bucket, "out/")]
    assert any(key.endswith(".json") and key in exported["state"]["message"] for key in files), files


def test_a_run_of_an_unknown_batch_fails_with_the_next_command(
    server: PrefectServer, workspace: PrefectWorkspace
) -> None:
    failed = server.reaches(server.start("ingest-batch/ingest-batch", batch="nobody-00001", attempt=1), "Failed")
    assert "nobody-00001" in failed["state"]["message"]
    assert "next: labelyard status" in failed["state"]["message"]
    assert "labelyard status" in server.artifacts(failed)["failure-nobody-00001"]["data"]


def test_housekeeping_ends_orphaned_runs_and_prunes_all_no_op_runs_but_the_newest_of_each_deployment(
    server: PrefectServer, orphan: str, ingested: Any, workspace: PrefectWorkspace
) -> None:
    sweeps = [server.start("sweep-sources/sweep-sources") for _ in range(2)]
    for run in sweeps:
        server.reaches(run, "Nothing new")

    def ended() -> bool:
        server.reaches(server.start("housekeeping/housekeeping"), "Completed", "Nothing new")
        return server.state(orphan) == "Crashed"

    eventually(ended, "the orphaned run to be marked as Crashed", RUN_SECONDS)
    message = server.call("GET", f"/flow_runs/{orphan}")["state"]["message"]
    assert message == "Missed heartbeats for 60 s."
    kept = server.call("POST", "/flow_runs/filter", {"flow_runs": {"id": {"any_": sweeps}}})
    assert len(kept) == 1
    assert server.state(ingested["id"]) == "Waiting for annotators"


def test_the_fast_server_is_not_started_with_another_prefect() -> None:
    command = [sys.executable, "-m", "labelyard.orchestration.fast_worker.server", "server", "start", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode == 0) is is_supported()
    assert is_supported() or f"the fast worker works with Prefect {SUPPORTED_PREFECT}" in done.stderr


def test_prefects_command_lists_the_worker_type_of_labelyard_only_where_it_is_supported_and_prints_no_error() -> None:
    code = "from prefect.plugins import load_prefect_collections as load; print(load()['labelyard'])"
    listed = "from prefect.workers.base import BaseWorker; print(BaseWorker.get_all_available_worker_types())"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; {listed}"], capture_output=True, text=True, check=True, timeout=300
    )
    assert "labelyard.orchestration.fast_worker.collection" in done.stdout, prefect.__version__
    assert ("'labelyard'" in done.stdout.splitlines()[-1]) is is_supported()
    assert "Failed to load collection" not in done.stdout + done.stderr

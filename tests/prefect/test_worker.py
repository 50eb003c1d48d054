"""The fast worker: runs do not affect each other, and a worker that stops interrupts its runs."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings

from labelyard.orchestration.fast_worker.worker import LabelyardWorker
from labelyard.supervisor.stack import free_ports
from tests.support.prefect_server import RUN_SECONDS, PrefectServer, serving
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.prefect, pytest.mark.timeout(600)]

FLOWS = '''
import logging, sys, threading, time
from contextvars import copy_context
from pathlib import Path
from prefect import flow, task
from labelyard.orchestration.run_log import join_run_log

@flow(persist_result=False)
def waits(folder: str, name: str, most: float = 60):
    """Create the files NAME.began and NAME.ended; wait in between until NAME.go exists."""
    here = Path(folder)
    (here / f"{name}.began").touch()
    try:
        deadline = time.monotonic() + most
        while not (here / f"{name}.go").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    except BaseException as error:
        (here / f"{name}.interrupted").write_text(type(error).__name__)
        raise
    (here / f"{name}.ended").touch()

@task(persist_result=False)
def steps():
    time.sleep(0.1)

@flow(persist_result=False)
def in_steps(folder: str):
    (Path(folder) / "steps.began").touch()
    try:
        while True:
            steps()
    except BaseException as error:
        (Path(folder) / "steps.ended").write_text(type(error).__name__)
        raise

@flow(persist_result=False)
def sleeps(folder: str, seconds: float):
    """Sleep in one system call, which no exception interrupts."""
    (Path(folder) / "sleeps.began").touch()
    time.sleep(seconds)

@flow(persist_result=False)
def exits():
    sys.exit(3)

@flow(persist_result=False)
def logs():
    join_run_log()
    log = logging.getLogger("labelyard.pipeline.of_the_test")
    log.info("from the flow")
    thread = threading.Thread(target=copy_context().run, args=(log.info, "from a thread of the flow"))
    thread.start()
    thread.join()
    log.info("the end")
'''

PROJECT = """
pull:
  - prefect.deployments.steps.set_working_directory: {directory: FOLDER}
deployments:
  - {name: t, entrypoint: "flows.py:waits", work_pool: {name: POOL}, concurrency_limit: LIMIT}
  - {name: t, entrypoint: "flows.py:in_steps", work_pool: {name: POOL}}
  - {name: t, entrypoint: "flows.py:exits", work_pool: {name: POOL}}
  - {name: t, entrypoint: "flows.py:sleeps", work_pool: {name: POOL}}
  - {name: t, entrypoint: "flows.py:logs", work_pool: {name: POOL}}
  - name: other
    entrypoint: "flows.py:logs"
    work_pool: {name: POOL}
    pull:
      - labelyard.orchestration.pull.project_folder: {version: "99.9"}
"""


@pytest.fixture(scope="module")
def project(prefect_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    _deploy_project(prefect_server, folder)
    return folder


@pytest.fixture
def project_without_stream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A server without the websocket of events, with the project's deployments."""
    home = tmp_path_factory.mktemp("server")
    with serving(home, free_ports(1)[0], PREFECT_SERVER_EVENTS_STREAM_OUT_ENABLED="false") as (server, _):
        _deploy_project(server, tmp_path_factory.mktemp("project"))
        yield server


def _deploy_project(server: PrefectServer, folder: Path) -> None:
    (folder / "flows.py").write_text(FLOWS)
    text = PROJECT.replace("FOLDER", str(folder)).replace("POOL", "tiny").replace("LIMIT", "2")
    (folder / "prefect.yaml").write_text(text)
    server.command("prefect", "work-pool", "create", "tiny", "--type", "labelyard")
    server.command("prefect", "--no-prompt", "deploy", "--all", folder=folder)


@contextmanager
def _stoppable(server: PrefectServer, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker as a shell without a terminal starts it in the background: SIGINT is ignored."""
    command = 'trap "" INT; exec "$0" -m prefect worker start --pool tiny --name stoppable'
    process = subprocess.Popen(["/bin/sh", "-c", command, sys.executable], env=server.environment, cwd=folder)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _exists(path: Path) -> None:
    eventually(path.exists, f"{path.name} to exist", RUN_SECONDS)


def test_runs_up_to_the_limit_run_at_the_same_time_and_one_that_exits_ends_no_other(
    prefect_server: PrefectServer, project: Path, tmp_path: Path
) -> None:
    with prefect_server.worker("tiny", "labelyard", tmp_path) as worker:
        first, second = (prefect_server.start("waits/t", folder=str(tmp_path), name=name) for name in ("a", "b"))
        _exists(tmp_path / "a.began")
        _exists(tmp_path / "b.began")
        third = prefect_server.start("waits/t", folder=str(tmp_path), name="c")
        prefect_server.reaches(third, "AwaitingConcurrencySlot")
        prefect_server.reaches(prefect_server.start("exits/t"), "Crashed")
        assert not (tmp_path / "c.began").exists()
        (tmp_path / "a.go").touch()
        prefect_server.reaches(first, "Completed")
        _exists(tmp_path / "c.began")
        for name in ("b", "c"):
            (tmp_path / f"{name}.go").touch()
        prefect_server.reaches(second, "Completed")
        prefect_server.reaches(third, "Completed")
        assert worker.poll() is None


def test_the_next_worker_marks_the_runs_of_a_killed_worker_as_crashed_and_their_slots_are_free(
    prefect_server: PrefectServer, project: Path, tmp_path: Path
) -> None:
    with _stoppable(prefect_server, project) as killed:
        runs = [prefect_server.start("waits/t", folder=str(tmp_path), name=name) for name in ("first", "second")]
        _exists(tmp_path / "first.began")
        _exists(tmp_path / "second.began")
        for run in runs:
            flow_run = f"/flow_runs/{run}"
            eventually(
                lambda at=flow_run: prefect_server.call("GET", at)["infrastructure_pid"], "its process id", RUN_SECONDS
            )
        killed.kill()
    with prefect_server.worker("tiny", "labelyard", tmp_path):
        third = prefect_server.start("waits/t", folder=str(tmp_path), name="third", most=0)
        prefect_server.reaches(third, "Completed")
        assert [prefect_server.state(run) for run in runs] == ["Crashed", "Crashed"]


def test_a_worker_answers_probes_and_prometheus(prefect_server: PrefectServer, project: Path) -> None:
    own, prefects = free_ports(2)
    environment = {
        **prefect_server.environment,
        "LABELYARD_METRICS__WORKER_PORT": str(own),
        "PREFECT_WORKER_WEBSERVER_PORT": str(prefects),
    }
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "tiny", "--with-healthcheck"]
    with subprocess.Popen(command, env=environment, cwd=project) as worker:
        try:
            eventually(lambda: _status(f"http://127.0.0.1:{own}/readyz") == 200, "the worker to be ready", RUN_SECONDS)
            assert _status(f"http://127.0.0.1:{own}/healthz") == 200
            assert _status(f"http://127.0.0.1:{prefects}/health") == 200
            text = httpx.get(f"http://127.0.0.1:{own}/metrics", timeout=30).text
        finally:
            worker.terminate()
            assert worker.wait(30) == 0
    assert "labelyard_worker_runs 0.0" in text
    assert "labelyard_ledger_up 0.0" in text, "the project has no ledger"


def _status(url: str) -> int:
    with suppress(httpx.ConnectError):
        return httpx.get(url).status_code
    return 0


def test_the_log_of_a_run_has_the_lines_of_the_threads_of_its_flow(
    prefect_server: PrefectServer, project: Path, tmp_path: Path
) -> None:
    with prefect_server.worker("tiny", "labelyard", tmp_path):
        run = prefect_server.reaches(prefect_server.start("logs/t"), "Completed")
        lines = prefect_server.logs(run, "the end")
    assert "labelyard.pipeline.of_the_test: from the flow" in lines
    assert "labelyard.pipeline.of_the_test: from a thread of the flow" in lines


def test_a_stopping_worker_waits_for_a_quick_run_and_gives_a_long_one_back_to_the_next_worker(
    prefect_server: PrefectServer, project: Path, tmp_path: Path
) -> None:
    with _stoppable(prefect_server, tmp_path) as worker:
        quick, long = (prefect_server.start("waits/t", folder=str(tmp_path), name=name) for name in ("quick", "long"))
        _exists(tmp_path / "quick.began")
        _exists(tmp_path / "long.began")
        os.kill(worker.pid, signal.SIGTERM)
        (tmp_path / "quick.go").touch()
        assert worker.wait(timeout=60) == 0
    assert prefect_server.state(quick) == "Completed"
    assert (tmp_path / "long.interrupted").read_text() == "WorkerStopped"
    assert prefect_server.state(long) == "AwaitingRetry"  # not Crashed, which is red and for a person
    (tmp_path / "long.go").touch()
    with prefect_server.worker("tiny", "labelyard", tmp_path):
        prefect_server.reaches(long, "Completed")
    assert (tmp_path / "long.ended").exists()


def test_a_run_that_a_stopping_worker_cannot_interrupt_is_given_back_too(
    prefect_server: PrefectServer, project: Path, tmp_path: Path
) -> None:
    with _stoppable(prefect_server, tmp_path) as worker:
        run = prefect_server.start("sleeps/t", folder=str(tmp_path), seconds=60)
        _exists(tmp_path / "sleeps.began")
        os.kill(worker.pid, signal.SIGTERM)
        assert worker.wait(timeout=60) == 0
    assert prefect_server.state(run) == "AwaitingRetry"
    prefect_server.call("POST", f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLED"}, "force": True})


def test_a_cancelled_run_is_interrupted_and_ends_as_cancelled(
    prefect_server: PrefectServer, project: Path, tmp_path: Path
) -> None:
    with prefect_server.worker("tiny", "labelyard", tmp_path):
        run = prefect_server.start("waits/t", folder=str(tmp_path), name="unwanted")
        _exists(tmp_path / "unwanted.began")
        cancelling = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
        prefect_server.call("POST", f"/flow_runs/{run}/set_state", cancelling)
        prefect_server.reaches(run, "Cancelled")
    assert (tmp_path / "unwanted.interrupted").read_text() == "RunCancelled"


def test_a_suspended_run_ends_before_its_next_task(
    prefect_server: PrefectServer, project: Path, tmp_path: Path
) -> None:
    with prefect_server.worker("tiny", "labelyard", tmp_path):
        run = prefect_server.start("in-steps/t", folder=str(tmp_path))
        _exists(tmp_path / "steps.began")
        prefect_server.call("POST", f"/flow_runs/{run}/set_state", {"state": {"type": "PAUSED", "name": "Suspended"}})
        _exists(tmp_path / "steps.ended")
        assert prefect_server.state(run) == "Suspended"
    assert (tmp_path / "steps.ended").read_text() == "Pause"


def test_runs_are_cancelled_and_suspended_without_the_events_of_the_server(
    project_without_stream: PrefectServer, tmp_path: Path
) -> None:
    server = project_without_stream
    with server.worker("tiny", "labelyard", tmp_path):
        suspended = server.start("in-steps/t", folder=str(tmp_path))
        unwanted = server.start("waits/t", folder=str(tmp_path), name="unwanted")
        _exists(tmp_path / "steps.began")
        _exists(tmp_path / "unwanted.began")
        server.call("POST", f"/flow_runs/{suspended}/set_state", {"state": {"type": "PAUSED", "name": "Suspended"}})
        server.call("POST", f"/flow_runs/{unwanted}/set_state", {"state": {"type": "CANCELLING"}})
        _exists(tmp_path / "steps.ended")
        server.reaches(unwanted, "Cancelled")
    assert (tmp_path / "steps.ended").read_text() == "Pause"
    assert (tmp_path / "unwanted.interrupted").read_text() == "RunCancelled"


def test_runs_of_a_deployment_of_another_version_are_left_to_another_worker_and_name_the_version_to_install(
    prefect_server: PrefectServer, project: Path, tmp_path: Path
) -> None:
    with prefect_server.worker("tiny", "labelyard", tmp_path):
        run = prefect_server.reaches(prefect_server.start("logs/other"), "Waiting for another worker")
        second = prefect_server.start("logs/other")
        prefect_server.reaches(prefect_server.start("logs/t"), "Completed")
        assert prefect_server.state(second) == "Scheduled", "it was not tried"
    prefect_server.delete_scheduled_runs()
    assert "pip install labelyard==99.9" in run["state"]["message"]


def test_a_run_deleted_before_its_process_is_recorded_does_not_end_the_worker(
    prefect_server: PrefectServer, project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deleted = FlowRun(flow_id=uuid4())

    async def record_process() -> None:
        async with get_client() as client:
            worker = LabelyardWorker(work_pool_name="tiny")
            worker._client = client
            await worker._record_process(deleted)

    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}), caplog.at_level("WARNING"):
        asyncio.run(record_process())
    assert f"recording the process of run {deleted.id} failed" in caplog.text

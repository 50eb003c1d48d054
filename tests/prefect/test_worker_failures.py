"""No answer of Prefect's API ends a worker: a real server behind a proxy that fails."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from labelyard.supervisor.stack import free_ports
from tests.support.failing_proxy import failing_proxy
from tests.support.prefect_server import RUN_SECONDS, PrefectServer
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.prefect, pytest.mark.timeout(600)]

QUICK = {"PREFECT_WORKER_QUERY_SECONDS": "0.2"}
"""With it Prefect's own worker ends after ten seconds of failed polls."""
SECONDS_OF_FAILURE = 12
FLOWS = '''
import time
from pathlib import Path
from prefect import flow

@flow(persist_result=False)
def waits(folder: str, name: str):
    """Create the file NAME.began, and wait until NAME.go exists."""
    (Path(folder) / f"{name}.began").touch()
    while not (Path(folder) / f"{name}.go").exists():
        time.sleep(0.05)
'''
PROJECT = """
pull:
  - prefect.deployments.steps.set_working_directory: {directory: FOLDER}
deployments:
  - {name: failures, entrypoint: "failures.py:waits", work_pool: {name: failing}}
"""
RUN = "waits/failures"


@pytest.fixture(scope="module")
def project(prefect_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("project")
    (folder / "failures.py").write_text(FLOWS)
    (folder / "prefect.yaml").write_text(PROJECT.replace("FOLDER", str(folder)))
    prefect_server.command("prefect", "work-pool", "create", "failing", "--type", "labelyard")
    prefect_server.command("prefect", "--no-prompt", "deploy", "--all", folder=folder)


def _address(server: PrefectServer) -> str:
    return server.api_url.removesuffix("/api")


def begun(server: PrefectServer, folder: Path, name: str) -> str:
    run = server.start(RUN, folder=str(folder), name=name)
    eventually((folder / f"{name}.began").exists, f"{name} to begin", RUN_SECONDS)
    return run


@pytest.mark.parametrize("kind", ["labelyard", "labelyard-process"])
def test_a_worker_survives_deleted_runs_and_a_server_that_answers_errors_or_nothing(
    prefect_server: PrefectServer, project: None, tmp_path: Path, kind: str
) -> None:
    server, port = prefect_server, free_ports(1)[0]
    behind = replace(server, api_url=f"http://127.0.0.1:{port}/api")
    deleted: list[str] = []

    def delete_before_pending(request: str) -> None:
        if (found := re.search(r"POST /api/flow_runs/(\S+)/set_state", request)) and not deleted:
            deleted.append(found[1])
            server.call("DELETE", f"/flow_runs/{found[1]}")

    with ExitStack() as stack:
        with failing_proxy(_address(server), port) as proxy:
            proxy.fail("GET /api/deployments/", 500, times=1)  # the first run waits, and is neither lost nor red
            worker = stack.enter_context(behind.worker("failing", kind, tmp_path, **QUICK))
            going_on = begun(server, tmp_path, "going-on")
            assert not any(rule.times for rule in proxy.rules)

            proxy.before = delete_before_pending
            server.start(RUN, folder=str(tmp_path), name="deleted")
            eventually(lambda: deleted or None, "a run to be deleted while it is submitted", RUN_SECONDS)
            for status in (500, 404, 401):
                proxy.fail("", status)
                time.sleep(SECONDS_OF_FAILURE)
                assert worker.poll() is None, (tmp_path / "worker.log").read_text()
                proxy.recover()
        time.sleep(SECONDS_OF_FAILURE)  # nothing listens on the port
        assert worker.poll() is None, (tmp_path / "worker.log").read_text()
        stack.enter_context(failing_proxy(_address(server), port))
        again = begun(server, tmp_path, "again")
        for name, run in {"going-on": going_on, "again": again}.items():
            (tmp_path / f"{name}.go").touch()
            server.reaches(run, "Completed")
        assert worker.poll() is None
        assert not (tmp_path / "deleted.began").exists()


def test_the_end_of_a_cancelled_run_is_reported_when_the_server_answers_again(
    prefect_server: PrefectServer, project: None, tmp_path: Path
) -> None:
    with failing_proxy(_address(prefect_server)) as proxy:
        behind = replace(prefect_server, api_url=f"{proxy.url}/api")
        with behind.worker("failing", "labelyard", tmp_path, **QUICK) as worker:
            run = begun(prefect_server, tmp_path, "unwanted")
            proxy.fail(rf"POST /api/flow_runs/{run}/set_state", 500, times=3)
            prefect_server.call("POST", f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING"}})
            prefect_server.reaches(run, "Cancelled")
            assert worker.poll() is None


def test_a_run_whose_start_the_server_does_not_accept_is_given_back_and_started_again(
    prefect_server: PrefectServer, project: None, tmp_path: Path
) -> None:
    with failing_proxy(_address(prefect_server)) as proxy:
        behind = replace(prefect_server, api_url=f"{proxy.url}/api")
        states: list[str] = []

        def refuse_the_second(request: str) -> None:
            if "set_state" in request:
                states.append(request)
                if len(states) == 1:
                    proxy.fail("set_state", 500, times=1)

        proxy.before = refuse_the_second  # Pending, and then Running
        with behind.worker("failing", "labelyard", tmp_path, **QUICK):
            run = begun(prefect_server, tmp_path, "late")
            (tmp_path / "late.go").touch()
            ended = prefect_server.reaches(run, "Completed")
        assert proxy.rules[0].times == 0
        assert ended["run_count"] == 1


def test_a_stopping_worker_ends_within_fifteen_seconds_although_the_server_does_not_answer_any_more(
    prefect_server: PrefectServer, project: None, tmp_path: Path
) -> None:
    with failing_proxy(_address(prefect_server)) as proxy:
        behind = replace(prefect_server, api_url=f"{proxy.url}/api")
        with behind.worker("failing", "labelyard", tmp_path, **QUICK) as worker:
            begun(prefect_server, tmp_path, "interrupted")
            proxy.before = lambda _request: time.sleep(60)
            worker.terminate()
            assert worker.wait(timeout=15) == 0


def test_a_stopping_worker_gives_a_run_back_although_the_server_did_not_accept_its_state(
    prefect_server: PrefectServer, project: None, tmp_path: Path
) -> None:
    with failing_proxy(_address(prefect_server)) as proxy:
        behind = replace(prefect_server, api_url=f"{proxy.url}/api")
        with behind.worker("failing", "labelyard", tmp_path, **QUICK) as worker:
            run = begun(prefect_server, tmp_path, "given-back")
            proxy.fail("set_state", 500, times=1)
            worker.terminate()
            assert worker.wait(timeout=15) == 0
        assert proxy.rules[0].times == 0
    assert prefect_server.state(run) == "AwaitingRetry"
    prefect_server.delete_scheduled_runs()


def test_a_worker_waits_for_the_server_and_is_alive_but_not_ready_while_it_is_away(
    prefect_server: PrefectServer, project: None, tmp_path: Path
) -> None:
    port, own = free_ports(2)
    behind = replace(prefect_server, api_url=f"http://127.0.0.1:{port}/api")

    def probes() -> tuple[int, int]:
        with suppress(httpx.ConnectError):
            health, ready = (httpx.get(f"http://127.0.0.1:{own}/{name}").status_code for name in ("healthz", "readyz"))
            return health, ready
        return 0, 0

    settings = {"LABELYARD_METRICS__WORKER_PORT": str(own), "PREFECT_CLIENT_MAX_RETRIES": "0"}
    with behind.worker("failing", "labelyard", tmp_path, **QUICK, **settings) as worker:
        eventually(lambda: probes() == (200, 503), "the worker to be alive", RUN_SECONDS)
        time.sleep(SECONDS_OF_FAILURE)  # twice as long as a worker that does not ask is alive
        assert probes() == (200, 503)
        with failing_proxy(_address(prefect_server), port):
            eventually(lambda: probes() == (200, 200), "the worker to be ready", RUN_SECONDS)
        eventually(lambda: probes() == (200, 503), "the worker to notice that the server is away", RUN_SECONDS)
        time.sleep(SECONDS_OF_FAILURE)
        assert probes() == (200, 503)
        assert worker.poll() is None
    log = (tmp_path / "worker.log").read_text()
    assert log.count("waiting for Prefect's server") == 1, log

"""Red means that a person must act: what waits is yellow, what has healed is green, what needs you is red once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from cvat_sandbox.server import Serving, serve
from labelyard.domain.attention import TRIED_IN_VAIN
from labelyard.ledger import Ledger, batches
from tests.support.emulator import StoreServer
from tests.support.pictures import jpeg
from tests.support.prefect_server import RUN_SECONDS, PrefectServer
from tests.support.prefect_workspace import PEOPLE, PrefectWorkspace, new_workspace
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.prefect, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(600)]


@pytest.fixture(autouse=True)
def _no_runs_left(deployed: PrefectServer) -> Iterator[None]:
    """Delete the runs that wait: another worker would continue them, with another ledger."""
    yield
    deployed.delete_scheduled_runs()


@pytest.fixture
def sandbox() -> Iterator[Serving]:
    with serve(PEOPLE) as serving:
        yield serving


@pytest.fixture
def of_sandbox(sandbox: Serving, store_server: StoreServer, tmp_path: Path) -> PrefectWorkspace:
    return new_workspace(tmp_path, store_server, sandbox.url)


@contextmanager
def at_work(
    server: PrefectServer, workspace: PrefectWorkspace, folder: Path, kind: str = "labelyard", **settings: str
) -> Iterator[str]:
    """A worker, and a closed batch of one object whose event is posted; yields the batch."""
    workspace.put("one.jpg", jpeg())
    batch = workspace.close_batch()
    with server.worker("labelyard", kind, folder, **{**workspace.settings, **settings}):
        server.post_batch_event("labelyard.batch.closed", batch, attempt=1)
        yield batch


def the_run(server: PrefectServer, batch: str) -> Any:
    """The only run of the batch."""
    runs = server.runs(batch, "ingest")
    assert len(runs) <= 1, [run["state"] for run in runs]
    return next(iter(runs), None)


def red_steps(server: PrefectServer, run: Any) -> list[str]:
    """The Prefect tasks of a run that are red."""
    steps = server.call("POST", "/task_runs/filter", {"task_runs": {"flow_run_id": {"any_": [run["id"]]}}})
    return [step["name"] for step in steps if step["state_type"] in ("FAILED", "CRASHED")]


def waits(server: PrefectServer, batch: str, name: str) -> Any:
    """Wait until the batch's run waits in a state of this name, and return the run."""

    def read() -> Any:
        run = the_run(server, batch)
        return run if run and (run["state_type"], run["state_name"]) == ("SCHEDULED", name) else None

    return eventually(read, f"the run of {batch} to wait", RUN_SECONDS)


@pytest.mark.parametrize("kind", ["labelyard", "labelyard-process"])
def test_the_run_of_a_batch_whose_cvat_is_down_is_yellow_and_turns_green_when_it_answers_again(
    deployed: PrefectServer, sandbox: Serving, of_sandbox: PrefectWorkspace, tmp_path: Path, kind: str
) -> None:
    sandbox.faults.set([{"on": "* /*", "status": 503}])
    with at_work(deployed, of_sandbox, tmp_path, kind, PREFECT_WORKER_QUERY_SECONDS="1") as batch:
        waiting = waits(deployed, batch, "Server unavailable")
        assert "503" in waiting["state"]["message"]
        sandbox.faults.clear()
        ended = deployed.reaches(waiting["id"], "Waiting for annotators")
        assert the_run(deployed, batch)["id"] == ended["id"]
    assert (ended["state_type"], red_steps(deployed, ended)) == ("COMPLETED", [])
    assert of_sandbox.state(batch) == "assigned"


def test_the_run_of_a_batch_whose_store_is_away_waits_and_another_worker_continues_it(
    deployed: PrefectServer, of_sandbox: PrefectWorkspace, tmp_path: Path
) -> None:
    nowhere = {"LABELYARD_STORE__ENDPOINT_URL": "http://127.0.0.1:9"}
    with at_work(deployed, of_sandbox, tmp_path, **nowhere) as batch:
        waiting = waits(deployed, batch, "Server unavailable")
    (tmp_path / "second").mkdir()
    with deployed.worker("labelyard", "labelyard", tmp_path / "second", **of_sandbox.settings):
        assert deployed.reaches(waiting["id"], "Waiting for annotators")["state_type"] == "COMPLETED"
    assert the_run(deployed, batch)["id"] == waiting["id"]


def test_a_step_that_fails_again_and_again_is_red_once_and_green_when_it_has_healed(
    deployed: PrefectServer, sandbox: Serving, of_sandbox: PrefectWorkspace, tmp_path: Path
) -> None:
    sandbox.faults.set([{"on": "POST /api/v1/tasks", "status": 500}])
    of_sandbox.put("one.jpg", jpeg())
    batch = of_sandbox.close_batch()
    with closing(Ledger(of_sandbox.ledger_url)) as ledger, ledger.transaction() as tx:
        batches.get(tx, batch).attempts = TRIED_IN_VAIN - 2  # as after some minutes
    with deployed.worker("labelyard", "labelyard", tmp_path, **of_sandbox.settings):
        deployed.post_batch_event("labelyard.batch.closed", batch, attempt=1)
        assert "500" in waits(deployed, batch, "To be tried again")["state"]["message"]
        retry_at_once(of_sandbox, batch, TRIED_IN_VAIN - 1)
        deployed.post_batch_event("labelyard.batch.closed", batch, attempt=2)
        red = deployed.ended(batch, attempt=2)
        assert (red["state_name"], red["state_type"]) == ("Failed", "FAILED")
        assert red["state"]["message"].startswith(f"after {TRIED_IN_VAIN} attempts: ")
        retry_at_once(of_sandbox, batch, TRIED_IN_VAIN)
        deployed.post_batch_event("labelyard.batch.closed", batch, attempt=3)
        eventually(lambda: attempts(of_sandbox, batch) > TRIED_IN_VAIN, "another attempt", RUN_SECONDS)
        assert [run["id"] for run in deployed.runs(batch, "ingest") if run["state_type"] == "FAILED"] == [red["id"]]
        sandbox.faults.clear()
        retry_at_once(of_sandbox, batch, 0)
        deployed.post_batch_event("labelyard.batch.closed", batch, attempt=4)
        eventually(lambda: of_sandbox.state(batch) == "assigned", "the jobs to be assigned", RUN_SECONDS)
        deployed.start("housekeeping/housekeeping")
        healed = deployed.reaches(red["id"], "Recovered")
    assert (healed["state_type"], red["state"]["message"] in healed["state"]["message"]) == ("COMPLETED", True)


def attempts(workspace: PrefectWorkspace, batch: str) -> int:
    with closing(Ledger(workspace.ledger_url)) as ledger, ledger.read_only() as tx:
        return batches.get(tx, batch).attempts


def retry_at_once(workspace: PrefectWorkspace, batch: str, failures: int) -> None:
    """Let the time pass that a postponed batch waits, after so many failures."""
    with closing(Ledger(workspace.ledger_url)) as ledger, ledger.transaction() as tx:
        row = batches.get(tx, batch)
        row.not_before, row.attempts = None, failures


def test_a_failed_collection_is_red_once_and_green_when_the_task_is_back(
    deployed: PrefectServer, sandbox: Serving, of_sandbox: PrefectWorkspace, tmp_path: Path
) -> None:
    with at_work(deployed, of_sandbox, tmp_path) as batch:
        eventually(lambda: of_sandbox.state(batch) == "assigned", "the jobs to be assigned", RUN_SECONDS)
        sandbox.faults.set([{"on": "GET /api/v1/tasks", "status": 404}])
        red = deployed.reaches(deployed.start("collect-finished/collect-finished"), "Failed")
        assert f"{batch}, task " in red["state"]["message"]
        deployed.reaches(deployed.start("collect-finished/collect-finished"), "To be tried again")
        sandbox.faults.clear()
        deployed.reaches(deployed.start("collect-finished/collect-finished"), "Nothing new")
        deployed.start("housekeeping/housekeeping")
        deployed.reaches(red["id"], "Recovered")

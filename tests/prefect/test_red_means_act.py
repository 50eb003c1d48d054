"""Red means that a person must act: what waits for a server is yellow, what healed is green, what needs you is red once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cvat_sandbox.server import Serving, serve
from tests.support.emulator import StoreServer
from tests.support.pictures import jpeg
from tests.support.prefect_server import RUN_SECONDS, PrefectServer
from tests.support.prefect_workspace import PEOPLE, PrefectWorkspace, new_workspace
from tests.support.waiting import eventually

pytestmark = [pytest.mark.prefect, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(600)]


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


def waits(server: PrefectServer, batch: str, name: str) -> Any:
    """Wait until the batch's run waits in a state of this name, and return the run."""

    def read() -> Any:
        run = the_run(server, batch)
        return run if run and (run["state_type"], run["state_name"]) == ("SCHEDULED", name) else None

    return eventually(read, f"the run of {batch} to wait", RUN_SECONDS)


@pytest.mark.parametrize("kind", ["labelyard", pytest.param("process", marks=pytest.mark.slow)])
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
    assert ended["state_type"] == "COMPLETED"
    assert of_sandbox.state(batch) == "assigned"

"""Batches whose frames CVAT does not make leave the slots to others, and their runs are not red."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cvat_sandbox.server import serve
from labelyard.ledger import Ledger, breakers
from tests.support.emulator import StoreServer
from tests.support.pictures import jpeg
from tests.support.prefect_server import RUN_SECONDS, PrefectServer
from tests.support.prefect_workspace import PEOPLE, PrefectWorkspace, new_workspace
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.prefect,
    pytest.mark.xdist_group("prefect"),
    pytest.mark.timeout(600),
]

_SLOTS = 4
"""The default of LABELYARD_DEPLOY__BATCHES_AT_ONCE."""


def close_batches(workspace: PrefectWorkspace, count: int) -> list[str]:
    batches = []
    for number in range(count):
        workspace.put(f"{number}.jpg", jpeg())
        batches.append(workspace.close_batch())
    return batches


def waiting(server: PrefectServer, batch: str) -> Any:
    """Wait until the only run of a batch waits for CVAT, and return it."""
    run = eventually(lambda: next(iter(server.runs(batch, "ingest")), None), f"a run of {batch}", RUN_SECONDS)
    return server.reaches(run["id"], "Waiting for CVAT")


def resumed(server: PrefectServer, batch: str) -> Any:
    """Wait until the only run of a batch waits for CVAT once more, and return it."""
    return eventually(
        lambda: run if (run := waiting(server, batch))["run_count"] > 1 else None, f"{batch} again", RUN_SECONDS
    )


def failing_servers(workspace: PrefectWorkspace) -> list[str]:
    with closing(Ledger(workspace.ledger_url)) as ledger, ledger.read_only() as tx:
        return [breaker.server for breaker in breakers.failing(tx)]


def test_four_batches_that_cvat_has_forgotten_do_not_keep_a_healthy_fifth_from_its_annotators(
    deployed: PrefectServer, store_server: StoreServer, tmp_path: Path
) -> None:
    with serve(PEOPLE) as sandbox:
        workspace = new_workspace(tmp_path, store_server, sandbox.url)
        *stuck, healthy = close_batches(workspace, _SLOTS + 1)
        sandbox.faults.set([{"on": "worker creation", "forget": "worker", "times": _SLOTS}])
        settings = {**workspace.settings, "LABELYARD_WAIT_SECONDS": "5"}
        with closing(Ledger(workspace.ledger_url)) as ledger, ledger.transaction() as tx:
            breakers.record_failure(tx, breakers.STORE, "one failure of earlier")
        with deployed.worker("labelyard", "labelyard", tmp_path, **settings):
            for batch in stuck:
                deployed.post_batch_event("labelyard.batch.closed", batch, attempt=1)
            runs = [waiting(deployed, batch) for batch in stuck]
            assert failing_servers(workspace) == [], "a run that waits for CVAT has shown that the servers answer"
            # The stuck ones come back before or after the healthy one, and occupy a slot only for a question.
            deployed.post_batch_event("labelyard.batch.closed", healthy, attempt=1)
            ended = deployed.ended(healthy)
            again = [resumed(deployed, batch) for batch in stuck]
    assert {run["state_type"] for run in [*runs, *again]} == {"SCHEDULED"}
    assert [run["id"] for run in again] == [run["id"] for run in runs]
    wanted = {"flow_runs": {"id": {"any_": [again[0]["id"]]}}, "artifacts": {"key": {"exists_": False}}}
    assert len(deployed.call("POST", "/artifacts/filter", wanted)) == 1, "a run has its links once"
    assert all("no frames yet (Started" in run["state"]["message"] for run in runs)
    assert ended["state_name"] == "Waiting for annotators"
    assert {workspace.state(batch) for batch in stuck} == {"uploaded"}

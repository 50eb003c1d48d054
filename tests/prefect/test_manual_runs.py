"""What a lead starts in Prefect's UI: the form refuses what cannot be right, and the run has a page with its result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from labelyard.cvat import connect
from labelyard.ledger import Ledger, batches
from labelyard.operations.status import blockers, read_status
from tests.support.emulator import StoreServer
from tests.support.pictures import jpeg
from tests.support.prefect_server import PrefectServer
from tests.support.prefect_workspace import PrefectWorkspace, new_workspace
from tests.support.waiting import eventually

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def at_work(
    deployed: PrefectServer, tmp_path_factory: pytest.TempPathFactory, store_server: StoreServer, sandbox_url: str
) -> Iterator[PrefectWorkspace]:
    home = tmp_path_factory.mktemp("worker")
    workspace = new_workspace(home, store_server, sandbox_url)
    with deployed.worker("labelyard", "labelyard", home, **workspace.settings):
        yield workspace


def run_of(server: PrefectServer, deployment: str, **parameters: Any) -> tuple[str, str, dict[str, Any]]:
    """Start a run, wait for its end, and return the name and the message of its state, and its artifacts."""
    run_id = server.start(f"{deployment}/{deployment}", **parameters)

    def read() -> Any:
        run = server.call("GET", f"/flow_runs/{run_id}")
        return run if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else None

    run = eventually(read, f"the run of {deployment} to end", 200)
    return run["state_name"], run["state"]["message"], server.artifacts(run)


@pytest.fixture(scope="module")
def retried(deployed: PrefectServer, at_work: PrefectWorkspace) -> tuple[str, tuple[str, str, dict[str, Any]]]:
    """A failed batch that a person has retried from the UI, and that run."""
    at_work.put("1.jpg", jpeg())
    batch = at_work.close_batch()
    with closing(Ledger(at_work.ledger_url)) as ledger, ledger.transaction() as tx:
        batches.fail(tx, batches.get(tx, batch, lock=True), "CVAT was being moved", "labelyard retry")
    return batch, run_of(deployed, "retry-batch", batch=batch)


@pytest.mark.slow
def test_a_failed_batch_is_tried_again_and_its_run_starts(
    at_work: PrefectWorkspace, retried: tuple[str, tuple[str, str, dict[str, Any]]]
) -> None:
    batch, (name, message, artifacts) = retried
    assert (name, message) == ("Tried again", f"{batch} is closed: the watcher will publish labelyard.batch.closed")
    assert f"### {batch} is tried again" in artifacts[f"decision-retry-{batch}"]["data"]
    eventually(lambda: at_work.state(batch) == "assigned", "the batch to be assigned", 200)


@pytest.mark.slow
def test_the_jobs_of_a_person_go_to_another_one(
    deployed: PrefectServer, at_work: PrefectWorkspace, sandbox_url: str, retried: tuple[str, Any]
) -> None:
    batch = retried[0]
    eventually(lambda: at_work.state(batch) == "assigned", "the batch to be assigned", 200)
    name, message, artifacts = run_of(deployed, "reassign-jobs", person="ann", dataset=at_work.dataset)
    assert name == "Reassigned", message
    assert f"of {batch} to bob" in message
    assert "1 jobs have another assignee" in artifacts["decision-reassign-ann"]["data"]
    cvat = connect(sandbox_url, username="boss", password="bosspass")
    [job] = cvat.jobs(at_work.task_id(batch))
    assert job.assignee == next(user.id for user in cvat.users() if user.username == "bob")


@pytest.mark.slow
def test_an_object_is_left_out_and_a_wrong_address_is_a_failed_run_with_the_next_command(
    deployed: PrefectServer, at_work: PrefectWorkspace, retried: tuple[str, Any]
) -> None:
    address = f"s3://{at_work.bucket}/in/1.jpg"
    name, message, artifacts = run_of(deployed, "quarantine-object", address=address, why="a dirty lens")
    assert (name, message) == ("Done", f"{address}: the file is quarantined; it belongs to {retried[0]}")
    assert any("a dirty lens" in one["data"] for key, one in artifacts.items() if key.startswith("decision-"))
    name, message, _ = run_of(deployed, "quarantine-object", address=f"{address}.bak", why="?")
    assert name == "Failed"
    assert f"next: labelyard why {address}.bak" in message


@pytest.mark.slow
def test_a_dataset_is_paused_and_resumed(
    deployed: PrefectServer, at_work: PrefectWorkspace, retried: tuple[str, Any], tmp_path: Path
) -> None:
    assert run_of(deployed, "pause-dataset", dataset=at_work.dataset, why="holidays")[0] == "Paused"
    with closing(Ledger(at_work.ledger_url)) as ledger:
        assert any("holidays" in line for line in blockers(read_status(ledger)))
    assert run_of(deployed, "pause-dataset", dataset=at_work.dataset, decision="resume")[0] == "Resumed"


@pytest.mark.parametrize(
    ("deployment", "parameters"),
    [
        ("retry-batch", {"batch": "street"}),
        ("quarantine-object", {"address": "in/1.jpg", "why": "dirt"}),
        ("quarantine-object", {"address": "s3://b/in/1.jpg", "why": " "}),
        ("pause-dataset", {"dataset": "street", "decision": "stop"}),
        ("reassign-jobs", {}),
    ],
)
def test_the_form_refuses_what_cannot_be_right(
    deployed: PrefectServer, deployment: str, parameters: dict[str, str]
) -> None:
    found = deployed.call("GET", f"/deployments/name/{deployment}/{deployment}")
    body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
    answer = httpx.post(f"{deployed.api_url}/deployments/{found['id']}/create_flow_run", json=body, timeout=90)
    assert answer.status_code == 409, answer.text

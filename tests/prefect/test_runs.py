"""Flow runs on real workers: started by an event, shown in the UI, with final states that a person understands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labelyard.cvat import connect
from labelyard.domain.tasks import JobStatus
from tests.support.emulator import StoreServer
from tests.support.pictures import jpeg
from tests.support.prefect_server import RUN_SECONDS, PrefectServer
from tests.support.prefect_workspace import RARELY, PrefectWorkspace, new_workspace
from tests.support.waiting import eventually

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("worker")


@pytest.fixture(scope="module")
def at_work(
    deployed: PrefectServer, home: Path, store_server: StoreServer, sandbox_url: str
) -> Iterator[PrefectWorkspace]:
    """A workspace that a fast worker works on."""
    workspace = new_workspace(home, store_server, sandbox_url)
    with deployed.worker("labelyard", "labelyard", home, **workspace.settings):
        yield workspace


@pytest.fixture(scope="module")
def ingested(deployed: PrefectServer, at_work: PrefectWorkspace) -> Any:
    """The run of a batch of three files, one of them no image and with an awkward name."""
    at_work.put("cam1/0001.jpg", jpeg(color="red"))
    at_work.put("cam2/0001.jpg", jpeg(color="blue"))
    at_work.put("broken | <b>`x`</b>.jpg", b"no picture")
    batch = at_work.close_batch()
    deployed.post_batch_event("labelyard.batch.closed", batch, attempt=1)
    return deployed.ended(batch)


def test_an_event_of_a_batch_starts_a_run_that_ends_with_assigned_jobs(
    ingested: Any, at_work: PrefectWorkspace
) -> None:
    assert (ingested["state_name"], ingested["state_type"]) == ("Waiting for annotators", "COMPLETED"), ingested[
        "state"
    ]
    assert ingested["name"] == f"ingest {ingested['parameters']['batch']}"
    assert ingested["state"]["message"].startswith("1 job with ann: task ")
    assert "/tasks/" in ingested["state"]["message"], "where the work waits"
    assert ingested["parameters"]["attempt"] == 1
    assert {"labelyard", "ingest", at_work.dataset} <= set(ingested["tags"])
    assert at_work.state(ingested["parameters"]["batch"]) == "assigned"


def test_the_log_of_the_run_has_the_lines_of_the_library(deployed: PrefectServer, ingested: Any) -> None:
    lines = deployed.logs(ingested, "labelyard.pipeline.assign_jobs: ")
    assert any(line.startswith("labelyard.pipeline.upload_data: ") and "2 files" in line for line in lines), lines
    assert any(line.startswith("labelyard.pipeline.create_task: ") for line in lines), lines


def test_the_run_links_to_the_page_of_objects_task_and_jobs(deployed: PrefectServer, ingested: Any) -> None:
    artifacts = deployed.artifacts(ingested)
    batch = ingested["parameters"]["batch"]
    links = artifacts[None]["data"]
    assert f"/artifacts/key/batch-{batch}>" in links, "the page did not exist yet"
    assert "[operations](<" in links
    page = deployed.page(f"batch-{batch}")
    assert "in/cam1/0001.jpg" in page
    assert "`ann`" in page
    assert "/tasks/" in page
    assert "quarantined" in page
    assert "broken \\| <b>`x`</b>.jpg" in page, "the name is code, in more backticks than it contains"


def test_the_events_of_a_batch_are_related_to_the_run_that_emitted_them(deployed: PrefectServer, ingested: Any) -> None:
    run = f"prefect.flow-run.{ingested['id']}"
    asked = {"filter": {"event": {"prefix": ["labelyard."]}, "any_resource": {"id": [run]}}, "limit": 50}

    def read() -> list[Any] | None:
        found = deployed.call("POST", "/events/filter", asked)["events"]
        return found if len(found) >= 4 else None

    events = {event["event"]: event for event in eventually(read, "the events of the run", 20)}
    assert set(events) == {
        "labelyard.task.created", "labelyard.data.uploaded", "labelyard.data.verified", "labelyard.jobs.assigned",
    }  # fmt: skip
    for event in events.values():
        assert event["resource"]["prefect.resource.id"] == f"labelyard.batch.{ingested['parameters']['batch']}"
        assert {each.get("prefect.resource.role") for each in event["related"]} >= {"dataset", "flow-run", "flow"}


def test_the_runs_of_the_prefect_tasks_have_the_batch_in_their_names(deployed: PrefectServer, ingested: Any) -> None:
    asked = {"task_runs": {"flow_run_id": {"any_": [ingested["id"]]}}}

    def read() -> list[str] | None:
        names = [run["name"] for run in deployed.call("POST", "/task_runs/filter", asked)]
        return names if len(names) == 4 else None

    batch = ingested["parameters"]["batch"]
    assert set(eventually(read, "the runs of the steps", 20)) == {
        f"create the task of {batch}", f"upload {batch}", f"wait for {batch}", f"assign {batch}",
    }  # fmt: skip


def test_a_second_run_of_a_finished_batch_ends_at_once_and_says_why(deployed: PrefectServer, ingested: Any) -> None:
    deployed.post_batch_event("labelyard.batch.closed", ingested["parameters"]["batch"], attempt=2)
    again = deployed.ended(ingested["parameters"]["batch"], attempt=2)
    assert (again["state_name"], again["state_type"]) == ("Taken by another run", "COMPLETED")
    assert "it is assigned" in again["state"]["message"]


@pytest.mark.slow
def test_collect_finished_starts_the_export_of_a_completed_task_into_the_bucket(
    deployed: PrefectServer, ingested: Any, at_work: PrefectWorkspace, sandbox_url: str
) -> None:
    batch = ingested["parameters"]["batch"]
    cvat = connect(sandbox_url, username="boss", password="bosspass")
    for job in cvat.jobs(at_work.task_id(batch)):
        cvat.set_job_status(job.id, JobStatus.COMPLETED)
    read = deployed.reaches(deployed.start("collect-finished/collect-finished"), "Completed")
    assert batch in read["state"]["message"]
    assert "| completed |" in deployed.page(f"batch-{batch}")
    exported = deployed.ended(batch, tag="export")
    assert (exported["state_name"], exported["state_type"]) == ("Exported", "COMPLETED"), exported["state"]
    files = [found.key for found in at_work.store.store.list(at_work.bucket, "out/")]
    assert any(key.endswith(".json") and key in exported["state"]["message"] for key in files), files
    page = deployed.page(f"batch-{batch}")
    assert "### Exports" in page
    assert f"[export {batch}](<" in page
    deployed.reaches(deployed.start("collect-finished/collect-finished"), "Nothing new")
    released = deployed.reaches(deployed.start("release-dataset/release-dataset", dataset=at_work.dataset), "Released")
    [address] = [f"s3://{at_work.bucket}/{found.key}" for found in at_work.store.store.list(at_work.bucket, "releases/")
                 if found.key.endswith("manifest.json")]  # fmt: skip
    assert address.removesuffix("manifest.json") in released["state"]["message"]
    assert "| `train` |" in deployed.artifacts(released)[f"release-{at_work.dataset}"]["data"]
    again = deployed.start("release-dataset/release-dataset", dataset=at_work.dataset)
    deployed.reaches(again, "Nothing has changed")


@pytest.mark.slow
def test_a_sweep_registers_objects_without_notifications_and_the_operations_page_shows_the_verdict(
    deployed: PrefectServer, ingested: Any, at_work: PrefectWorkspace
) -> None:
    at_work.put("late/0002.jpg", jpeg(color="green"))
    swept = deployed.reaches(deployed.start("sweep-sources/sweep-sources"), "Completed")
    assert at_work.dataset in swept["state"]["message"]
    report = deployed.reaches(deployed.start("report-operations/report-operations"), "Completed")
    page = deployed.page("operations")
    verdict = report["state"]["message"]
    assert page.splitlines()[0].lower() == f"## {verdict}"
    assert f"dataset-{at_work.dataset}" not in page, "its page has an id"
    assert "1 file quarantined" in page
    assert "no picture" not in page
    assert "in/broken" in page


def test_a_run_of_an_unknown_batch_fails_with_the_next_command(
    deployed: PrefectServer, at_work: PrefectWorkspace
) -> None:
    deployed.post_batch_event("labelyard.batch.closed", "nobody-00001", attempt=1)
    failed = deployed.ended("nobody-00001")
    assert (failed["state_name"], failed["state_type"]) == ("Failed", "FAILED")
    assert "nobody-00001" in failed["state"]["message"]
    assert "next: labelyard status" in failed["state"]["message"]
    assert "labelyard status" in deployed.artifacts(failed)["failure-nobody-00001"]["data"]


@pytest.mark.slow
def test_the_same_deployments_run_on_a_process_worker_and_a_run_that_waits_names_the_server(
    deployed: PrefectServer, at_work: PrefectWorkspace, tmp_path: Path, store_server: StoreServer
) -> None:
    workspace = new_workspace(tmp_path, store_server, "http://127.0.0.1:9")  # nothing listens on the port `discard`
    workspace.put("one.jpg", jpeg())
    batch = workspace.close_batch()
    deployed.command("prefect", "work-pool", "create", "stock", "--type", "labelyard-process", "--overwrite")
    deployed.command("labelyard", "deploy", LABELYARD_DEPLOY__POOL="stock", **RARELY)
    with deployed.worker(
        "stock", "labelyard-process", tmp_path, **workspace.settings, PREFECT_WORKER_QUERY_SECONDS="0.5"
    ):
        deployed.post_batch_event("labelyard.batch.closed", batch, attempt=1)
        run = eventually(lambda: next(iter(deployed.runs(batch, "ingest")), None), "the run", RUN_SECONDS)
        waiting = deployed.reaches(run["id"], "Server unavailable")
        lines = deployed.logs(waiting, "labelyard.orchestration.states: ")
    assert waiting["state_type"] == "SCHEDULED", waiting["state"]
    assert "127.0.0.1:9" in waiting["state"]["message"]
    assert "tried again at " in waiting["state"]["message"]
    assert f"failure-{batch}" not in deployed.artifacts(waiting), "no person has to do anything"
    assert any("127.0.0.1:9" in line for line in lines)
    assert workspace.state(batch) == "closed"


def test_prefect_stored_no_result_and_no_exception_of_these_runs(deployed: PrefectServer) -> None:
    assert not list(deployed.home.glob("storage/*"))

"""Prefect tasks take a batch and a lease holder and return plain values, for `.submit()` and for Prefect's UI."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.ingest_batch import ingest_batch
from labelyard.context import open_context
from labelyard.orchestration.artifacts import UploadProgress
from labelyard.pipeline.acquire_batch import acquire_batch
from tasks.create_task import create_task
from tests.support.model_server import serve_model
from tests.support.pictures import jpeg
from tests.support.prefect_server import PrefectServer
from tests.support.prefect_workspace import PrefectWorkspace
from tests.support.waiting import eventually

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(600)]


@flow(name="submits-a-task", persist_result=False)
def submits_a_task(batch: str) -> dict[str, Any]:
    with open_context() as context, acquire_batch(context, batch) as lease:
        created: dict[str, Any] = create_task.submit(batch, lease.holder).result()
    return created


def test_a_flow_that_submits_a_task_gets_a_serialisable_result_and_the_run_has_the_batch_in_its_name(
    prefect_server: PrefectServer, workspace: PrefectWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.put("one.jpg", jpeg())
    batch = workspace.close_batch()
    for name, value in workspace.settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        created = submits_a_task(batch)
        APILogHandler().flush()
    assert created["task_id"] == workspace.task_id(batch)
    assert json.loads(json.dumps(created)) == created

    def runs() -> list[Any]:
        found = prefect_server.call(
            "POST", "/task_runs/filter", {"task_runs": {"state": {"name": {"any_": ["Completed"]}}}}
        )
        return [run for run in found if run["name"] == f"create the task of {batch}"]

    (run,) = eventually(runs, "the run of the task", 30)
    assert set(run["task_inputs"]) == {"batch", "holder"}


@flow(name="uploads", persist_result=False)
def uploads(seconds: float) -> None:
    with UploadProgress(f"of-{seconds}") as progress:
        progress(50, 200)
        time.sleep(seconds)
        progress(200, 200)


def test_only_an_upload_that_takes_long_enough_to_be_looked_at_has_a_progress_bar(
    prefect_server: PrefectServer,
) -> None:
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        uploads(0.0)
        uploads(0.8)
    found = prefect_server.call("POST", "/artifacts/filter", {"artifacts": {"type": {"any_": ["progress"]}}})
    of_these = {one["key"]: float(one["data"]) for one in found if one["key"].startswith("upload-of-")}
    assert of_these == {"upload-of-0-8": 100.0}


@pytest.mark.slow
def test_a_run_asks_the_model_of_its_dataset_before_it_assigns_jobs(
    prefect_server: PrefectServer, workspace: PrefectWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in workspace.settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    with serve_model() as model, temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        workspace.want_predictions(model.url)
        workspace.put("one.jpg", jpeg())
        batch = workspace.close_batch()
        state = ingest_batch(batch, return_state=True)
    assert (state.name, workspace.state(batch)) == ("Waiting for annotators", "assigned")
    with open_context() as context:
        assert len(context.cvat("default").task_annotations(workspace.task_id(batch)).shapes) == 1

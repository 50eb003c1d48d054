"""Prefect tasks take a batch and a lease holder and return plain values, for `.submit()` and for Prefect's UI."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.ingest_batch import ingest_batch
from labelyard.context import open_context
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

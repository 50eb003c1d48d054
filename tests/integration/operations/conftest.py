"""A batch that people work on, and commands beside a workspace."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from labelyard.cli import labelyard
from labelyard.supervisor.stack import free_ports
from tests.support.pictures import picture
from tests.support.planning import Run
from tests.support.workspace import Workspace, ingest


@pytest.fixture
def assigned(workspace: Workspace) -> Workspace:
    """An assigned batch of two files with equal base names."""
    for camera in ("cam1", "cam2"):
        workspace.put(f"{camera}/1.jpg", picture(len(camera) + int(camera[-1])))
    workspace.close_batch()
    ingest(workspace)
    return workspace


@pytest.fixture
def nowhere() -> str:
    """The address of a Prefect that does not run."""
    return f"http://127.0.0.1:{free_ports(1)[0]}/api"


@pytest.fixture
def run(workspace: Workspace, nowhere: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command beside the workspace, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("LABELYARD_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    used = workspace.context.settings
    variables = {
        "LABELYARD_LEDGER": used.ledger,
        "LABELYARD_STORE__ENDPOINT_URL": used.store.endpoint_url,
        "LABELYARD_STORE__ACCESS_KEY_ID": "test",
        "LABELYARD_STORE__SECRET_ACCESS_KEY": "test",
        "LABELYARD_CVAT__DEFAULT__URL": workspace.sandbox.url,
        "LABELYARD_CVAT__DEFAULT__USERNAME": "root",
        "LABELYARD_CVAT__DEFAULT__PASSWORD": "rootpass",
        "PREFECT_API_URL": nowhere,
    }
    return lambda *words: CliRunner().invoke(labelyard, words, env=variables)

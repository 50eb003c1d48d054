"""A batch that people work on."""

from __future__ import annotations

import pytest

from tests.support.pictures import picture
from tests.support.workspace import Workspace, ingest


@pytest.fixture
def assigned(workspace: Workspace) -> Workspace:
    """An assigned batch of two files with equal base names."""
    for camera in ("cam1", "cam2"):
        workspace.put(f"{camera}/1.jpg", picture(len(camera) + int(camera[-1])))
    workspace.close_batch()
    ingest(workspace)
    return workspace

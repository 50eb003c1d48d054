"""Workspaces with a closed batch, and a way to act in the middle of a step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from cvat_sandbox import serve
from labelyard.context import open_context
from tests.support.emulator import StoreServer
from tests.support.pictures import picture
from tests.support.releasing import add_batch
from tests.support.workspace import USERS, AtFailpoint, Workspace, settings


@pytest.fixture
def closed(workspace: Workspace) -> Workspace:
    """Three files in a closed batch."""
    for i in range(3):
        workspace.put(f"{i}.jpg", picture(i))
    workspace.close_batch()
    return workspace


@pytest.fixture
def two_files(workspace: Workspace) -> Workspace:
    """1.jpg and 2.jpg in a closed batch."""
    workspace.put("1.jpg", picture(1))
    workspace.put("2.jpg", picture(2))
    workspace.close_batch()
    return workspace


@pytest.fixture
def at_failpoint(monkeypatch: pytest.MonkeyPatch) -> AtFailpoint:
    """Call a function once, when a step of a module passes a failpoint."""

    def arrange(module: ModuleType, name: str, act: Callable[[], object]) -> None:
        left = [act]

        def failpoint(passed: str) -> None:
            if passed == name and left:
                left.pop()()

        monkeypatch.setattr(module, "failpoint", failpoint)

    return arrange


@pytest.fixture
def street(tmp_path: Path, ledger_url: str, store_server: StoreServer) -> Iterator[Workspace]:
    """A workspace on each kind of ledger, whose client waits for CVAT for less than a second.

    Its CVAT has a user beside labelyard's own, eve, who may create tasks too.
    """
    with serve([*USERS, "eve:evepass1:user"]) as sandbox:
        values = settings(tmp_path, ledger_url, store_server.settings, sandbox)
        cvat = {"default": values.cvat["default"].model_copy(update={"timeout_seconds": 0.8})}
        with open_context(values.model_copy(update={"cvat": cvat})) as context:
            workspace = Workspace(context, store_server.new_bucket(), store_server.boto("s3"), sandbox)
            workspace.apply()
            yield workspace


@pytest.fixture
def exported(workspace: Workspace) -> Workspace:
    """Four files in one exported batch."""
    workspace.apply(export={"prefix": "out"})
    add_batch(workspace, *(f"{n}.jpg" for n in range(4)))
    return workspace

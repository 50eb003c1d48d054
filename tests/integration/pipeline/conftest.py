"""Workspaces with a closed batch, and a way to act in the middle of a step."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

from tests.support.pictures import picture
from tests.support.workspace import AtFailpoint, Workspace


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

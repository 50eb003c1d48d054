"""Fixtures for several folders of unit tests."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def zip_path(tmp_path: Path) -> Path:
    """The path of an export that does not exist yet."""
    return tmp_path / "export.zip"

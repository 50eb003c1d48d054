"""The wheel contains what workers on other machines need, and installs no other top-level package."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PROJECT = "labelyard/_project/"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [built] = folder.glob("*.whl")
    return built


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_contains_flows_tasks_and_deployments_as_data(wheel: Path) -> None:
    contained = {name.removeprefix(PROJECT) for name in names(wheel) if name.startswith(PROJECT)}
    tracked = ["git", "ls-files", "flows", "tasks", "deployments", "datasets", "prefect.yaml"]
    listed = subprocess.run(tracked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert {"flows/ingest_batch.py", "tasks/create_task.py", "prefect.yaml", "datasets/photographs.yaml"} <= set(listed)
    assert set(listed) <= contained


def test_the_wheel_installs_the_library_and_the_sandbox_and_nothing_else(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in names(wheel)}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"labelyard", "cvat_sandbox"}


def test_the_wheel_contains_the_template_of_the_report(wheel: Path) -> None:
    assert {f"labelyard/releases/report/{name}" for name in ("page.html", "style.css")} <= set(names(wheel))


def test_the_wheel_contains_no_byte_code_settings_or_databases(wheel: Path) -> None:
    assert [name for name in names(wheel) if "__pycache__" in name or name.endswith((".pyc", ".env", ".db"))] == []

"""The wheel contains what a worker on another machine needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from labelyard.orchestration.pull import find_project

_LOAD_EVERY_FLOW = """
import sys, yaml
from pathlib import Path
import labelyard
from labelyard.orchestration.pull import installed_version, project_folder
from prefect.flows import load_flow_from_entrypoint
folder = Path(project_folder(**installed_version())["directory"])
assert folder == Path(labelyard.__file__).parent / "_project", folder
assert (folder / "deployments" / "set_up.py").is_file()
sys.path.insert(0, str(folder))
for deployment in yaml.safe_load((folder / "prefect.yaml").read_text())["deployments"]:
    flow = load_flow_from_entrypoint(f"{folder}/{deployment['entrypoint']}", use_placeholder_flow=False)
    assert sys.modules["tasks"].__path__[0].startswith(str(folder)) if "tasks" in sys.modules else True
    print(flow.name)
"""


@pytest.mark.slow
def test_the_flows_of_an_unpacked_wheel_load_without_the_checkout(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=find_project(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    with ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        assert not [name for name in wheel.namelist() if name.endswith(".pyc")]
        wheel.extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "PREFECT_HOME": str(tmp_path / "home")}
    loaded = subprocess.run(
        [sys.executable, "-c", _LOAD_EVERY_FLOW],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert loaded.returncode == 0, loaded.stderr
    assert set(loaded.stdout.split()) >= {
        "ingest-batch",
        "export-task",
        "release-dataset",
        "collect-finished",
        "sweep-sources",
        "housekeeping",
    }

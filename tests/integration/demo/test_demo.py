"""`labelyard demo` as a person runs it: once to its end, and interrupted on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from labelyard.cli import labelyard
from labelyard.demo.photographs import photographs
from labelyard.errors import InputError, LabelyardError
from tests.support.waiting import wait_until

_PATIENT = 400.0


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a demo in `tmp_path`/run; its output goes to `tmp_path`/said."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "labelyard", "demo", "--dir", str(tmp_path / "run"), *words]
        with (tmp_path / "said").open("w") as said:
            started.append(subprocess.Popen(command, stdout=said, stderr=said, text=True, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.wait(_PATIENT)


def processes_of(folder: Path) -> list[str]:
    """Every process whose command line names the folder, or whose environment does (where that can be seen)."""
    listed = subprocess.run(["ps", "-Aww", "-o", "pid=,args="], capture_output=True, text=True, check=True).stdout
    named = [line for line in listed.splitlines() if str(folder) in line]
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if str(folder).encode() in environ.read_bytes():
                named.append(environ.parent.name)
        except OSError:
            continue
    return named


@pytest.mark.slow
@pytest.mark.prefect
@pytest.mark.timeout(600)
def test_every_photograph_goes_from_the_bucket_to_the_dataset_and_no_process_stays(
    demo: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process, said = demo("--json", str(tmp_path / "demo.json")), tmp_path / "said"
    process.wait(_PATIENT)
    assert process.returncode == 0, said.read_text()
    assert processes_of(tmp_path / "run") == []
    reported = json.loads((tmp_path / "demo.json").read_text())
    assert reported["objects"] == len(photographs()) == 27
    assert 0 < reported["seconds_put_to_task"]["p50"] <= reported["seconds_put_to_task"]["max"]
    assert reported["ui"].startswith("http://127.0.0.1:")
    assert len(reported["tasks"]) >= 2
    assert sum(task["size"] for task in reported["tasks"]) == 27
    assert reported["release"]["images"] == 27
    jobs = [job for task in reported["tasks"] for job in task["jobs"]]
    assert {job["status"] for job in jobs} == {"completed"}
    assert len({job["assignee"] for job in jobs}) >= 3
    files = Counter(
        image["file_name"] for path in reported["exports"] for image in json.loads(Path(path).read_text())["images"]
    )
    assert len(files) == 27
    assert set(files.values()) == {1}
    assert {"incoming/cam1/cat.jpg", "incoming/cam2/cat.jpg", "incoming/cam3/cat.jpg"} <= set(files)
    kinds = {"rectangle", "polygon", "polyline", "points", "ellipse", "cuboid", "mask", "skeleton", "tag"}
    assert set(reported["drawn"]) == kinds
    last = said.read_text().partition("✓ each photograph is in exactly one task")[2]
    assert all(f"{count} " in last for count in reported["drawn"].values())
    assert "drawn = in the files, none left out" in last


@pytest.mark.slow
@pytest.mark.prefect
@pytest.mark.timeout(600)
def test_ctrl_c_of_a_kept_demo_deletes_its_folder_in_the_temporary_directory(tmp_path: Path) -> None:
    said, own = tmp_path / "said", tmp_path / "tmp"
    own.mkdir()
    command = [sys.executable, "-m", "labelyard", "demo", "--keep", "--cvat", "1.0.0"]
    with said.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, text=True, env={**os.environ, "TMPDIR": str(own)})
    try:
        wait_until(lambda: "Everything keeps running until Ctrl-C" in said.read_text(), process, said, _PATIENT)
        (folder,) = own.glob("labelyard-demo-*")
        assert {path.stat().st_mode & 0o077 for path in (folder, *folder.rglob("*"))} == {0}
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(_PATIENT) == 0, said.read_text()
    assert list(own.glob("labelyard-demo-*")) == []
    assert processes_of(folder) == []


@pytest.mark.slow
@pytest.mark.prefect
@pytest.mark.timeout(600)
@pytest.mark.parametrize("moment", ["emulator", "prefect-server"])
def test_ctrl_c_during_start_up_leaves_no_process(
    demo: Callable[..., subprocess.Popen[str]], tmp_path: Path, moment: str
) -> None:
    process, said = demo(), tmp_path / "said"
    wait_until((tmp_path / "run" / ".labelyard" / "logs" / f"{moment}.log").exists, process, said, _PATIENT)
    assert processes_of(tmp_path / "run") != []
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(_PATIENT) == 130, said.read_text()
    assert processes_of(tmp_path / "run") == []


def test_a_folder_with_something_in_it_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    done = CliRunner().invoke(labelyard, ["demo", "--dir", str(tmp_path)])
    assert isinstance(done.exception, InputError)
    assert "not empty" in done.exception.what
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_without_the_emulator_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ministack", None)
    done = CliRunner().invoke(labelyard, ["demo"])
    assert isinstance(done.exception, LabelyardError)
    assert "pip install 'labelyard[demo]'" in done.exception.next_step

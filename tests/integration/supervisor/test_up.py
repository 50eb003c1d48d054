"""`labelyard up`: what it refuses to start, and once everything, with a part that dies."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from labelyard.cli import labelyard
from labelyard.errors import LabelyardError
from labelyard.ledger import Ledger, history
from labelyard.orchestration.fast_worker import INSTALL, is_supported
from labelyard.supervisor.stack import free_ports, lock_folder
from tests.support.fresh_ledger import create_ledger
from tests.support.prefect_blocks import create_block
from tests.support.waiting import wait_until

_PATIENT = 240.0


@pytest.fixture
def environment(tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of a machine with a ledger, and with nothing to do; with others as the fixture's parameter."""
    (tmp_path / ".labelyard").mkdir(mode=0o700)
    create_ledger(tmp_path / ".labelyard" / "ledger.db")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "LABELYARD_"))}
    return {
        **inherited,
        "LABELYARD_UP__PREFECT_PORT": str(free_ports(1)[0]),
        "LABELYARD_WATCH__PORT": str(free_ports(1)[0]),
        "LABELYARD_DEPLOY__COLLECT_SECONDS": "86400",
        "LABELYARD_DEPLOY__SWEEP_SECONDS": "86400",
        "LABELYARD_DEPLOY__HOUSEKEEPING_SECONDS": "86400",
        **getattr(request, "param", {}),
    }


def refusal(folder: Path, environment: dict[str, str], **more: str) -> str:
    """What `up` says when it does not start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in [name for name in os.environ if name not in environment]:
            patch.delenv(name)
        done = CliRunner().invoke(labelyard, ["up"], env={**environment, **more})
    assert isinstance(done.exception, LabelyardError), done.output
    return str(done.exception)


def test_without_a_ledger_it_names_the_command_that_makes_one(tmp_path: Path, environment: dict[str, str]) -> None:
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert "next: labelyard db upgrade" in refusal(tmp_path, environment, LABELYARD_LEDGER=other)


def test_a_second_labelyard_up_in_the_same_folder_is_refused(tmp_path: Path, environment: dict[str, str]) -> None:
    with lock_folder(tmp_path / ".labelyard"):
        assert "another `labelyard up` runs here" in refusal(tmp_path, environment)


def test_prefect_is_not_opened_to_other_machines_without_a_password(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    said = refusal(tmp_path, environment, LABELYARD_UP__PREFECT_HOST="0.0.0.0")
    assert "PREFECT_API_AUTH_STRING" in said


def test_a_port_in_use_is_reported_with_the_variable_to_set(tmp_path: Path, environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", int(environment["LABELYARD_UP__PREFECT_PORT"]))):
        said = refusal(tmp_path, environment)
    assert "LABELYARD_UP__PREFECT_PORT" in said
    assert "PREFECT_API_URL" in said


@pytest.fixture
def up(
    tmp_path: Path, environment: dict[str, str], request: pytest.FixtureRequest
) -> Iterator[subprocess.Popen[bytes]]:
    """A running `up`, with further options as the fixture's parameter."""
    command = [sys.executable, "-m", "labelyard", "up", *getattr(request, "param", ())]
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=said, stderr=said)
    yield process
    process.terminate()
    process.wait(_PATIENT)


@pytest.mark.slow
@pytest.mark.prefect
@pytest.mark.timeout(600)
@pytest.mark.parametrize("environment", [{"LABELYARD_STORE__BLOCK": "bucket"}], indirect=True)
def test_up_starts_every_process_restarts_those_that_end_and_stops_all_on_ctrl_c(
    up: subprocess.Popen[bytes], tmp_path: Path, environment: dict[str, str]
) -> None:
    said, health = tmp_path / "said", f"http://127.0.0.1:{environment['LABELYARD_WATCH__PORT']}/healthz"
    ui = f"http://127.0.0.1:{environment['LABELYARD_UP__PREFECT_PORT']}"
    wait_until(lambda: "waiting for a block" in said.read_text(), up, said, _PATIENT)
    assert "block labelyard-store/bucket: Prefect has no such block" in said.read_text()
    assert f"{ui}/blocks" in said.read_text()
    create_block(f"{ui}/api", "labelyard-store", "bucket", {"region": "eu-central-1"})
    wait_until(lambda: "Ctrl-C stops everything" in said.read_text(), up, said, _PATIENT)
    for missing_or_link in (f"{ui}/runs", health, "! queue:", "! CVAT: none is named"):
        assert missing_or_link in said.read_text()
    [page] = re.findall(rf"{re.escape(ui)}/artifacts/artifact/(\S+)", said.read_text())
    assert httpx.get(f"{ui}/api/artifacts/{page}", timeout=60).raise_for_status().json()["key"] == "operations"
    wait_until(lambda: "labelyard status, labelyard doctor" in said.read_text(), up, said, _PATIENT)
    record(tmp_path, "closed")
    wait_until(lambda: "street: closed: by hand" in said.read_text(), up, said, _PATIENT)  # without a terminal, a line
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / ".labelyard").rglob("*")} == {0}
    assert (INSTALL in said.read_text()) is not is_supported()
    born = httpx.get(health).json()["since"]
    watcher = next(pid for pid, args in children(up.pid).items() if "labelyard watch" in args)
    os.kill(watcher, signal.SIGKILL)
    wait_until(lambda: alive_since(health) not in (None, born), up, said, _PATIENT)
    parts = children(up.pid)
    assert len(parts) >= 4
    up.send_signal(signal.SIGINT)
    assert up.wait(_PATIENT) == 0, said.read_text()
    assert not set(parts) & set(processes())


@pytest.mark.slow
@pytest.mark.prefect
@pytest.mark.timeout(600)
@pytest.mark.parametrize("up", [["--quiet"]], indirect=True)
def test_while_up_starts_doctor_says_so_and_never_advises_deploy_and_a_quiet_one_shows_no_events(
    up: subprocess.Popen[bytes], tmp_path: Path, environment: dict[str, str]
) -> None:
    said, asked = tmp_path / "said", list[dict[str, dict[str, str]]]()
    while "Ctrl-C stops everything" not in said.read_text():
        assert up.poll() is None, said.read_text()
        assert len(asked) < 200
        asked.append(doctor(tmp_path, environment))
    record(tmp_path, "closed")
    asked.append(doctor(tmp_path, environment))
    assert "by hand" not in said.read_text()
    starting = [found for found in asked if found["Prefect"]["message"] == "labelyard up is starting it"]
    assert starting
    assert [one for found in asked for one in found.values() if "labelyard deploy" in one["next_step"]] == []
    assert [asked[-1][name]["status"] for name in ("Prefect", "deployments", "automations", "worker")] == ["ok"] * 4
    assert asked[-1]["watcher"]["status"] == "ok"


def doctor(folder: Path, environment: dict[str, str]) -> dict[str, dict[str, str]]:
    """What `labelyard doctor` finds, by the name of the check."""
    command = [sys.executable, "-m", "labelyard", "doctor", "--json"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def record(folder: Path, what: str) -> None:
    ledger = Ledger(f"sqlite:///{folder / '.labelyard' / 'ledger.db'}")
    with ledger.transaction() as tx:
        history.record(tx, what, "by hand", dataset="street")
    ledger.close()


def alive_since(health: str) -> str | None:
    try:
        return str(httpx.get(health, timeout=5).json()["since"])
    except httpx.TransportError:
        return None


def processes() -> dict[int, tuple[int, str]]:
    """Pid -> parent and command line."""
    listed = subprocess.run(["ps", "-Aww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = (line.split(None, 2) for line in listed.splitlines())
    return {int(row[0]): (int(row[1]), row[2]) for row in rows if len(row) == 3}


def children(parent: int) -> dict[int, str]:
    return {pid: args for pid, (ppid, args) in processes().items() if ppid == parent}

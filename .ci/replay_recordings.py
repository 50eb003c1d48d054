"""Replay the recorded exchanges of real CVATs against new sandboxes, and count how many agree.

The argument is the folder that contains `tools/replay_v1.py`, `tools/replay_v2.py` and the recordings. The exit status
is 1 when fewer exchanges of a version agree than required.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.support.emulator import run_emulator

USERS_V1 = ("root:rootpass:superuser", "alex:pass12345!:staff", "dabai:pass12345!", "carol:pass12345!")
USERS_V2 = ("root:Passw0rd-root:superuser", "willy:Passw0rd-willy:worker")
PLAIN_V2 = ("alex", "dabai", "carol", "labelyard")


class Required(NamedTuple):
    """The parts of the exchanges that must agree, and agree in their values too."""

    agree: float
    values: float


REQUIRED = {"1.0.0": Required(0.98, 0.95), "2.73": Required(0.95, 0.90)}


def main(shared: Path) -> int:
    """Run the replays and print how many exchanges agree; return the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        reports = {"1.0.0": replay_v1(shared, Path(folder)), "2.73": replay_v2(shared, Path(folder))}
    results = [is_enough(version, report) for version, report in reports.items()]
    return 0 if all(results) else 1


def is_enough(version: str, report: dict[str, int]) -> bool:
    """Print a result and return whether it is enough."""
    required = REQUIRED[version]
    enough = report["agree"] >= required.agree * report["of"] and report["values"] >= required.values * report["of"]
    result = "enough" if enough else "too few"
    print(f"replay {version}: {report['agree']} of {report['of']} agree, {report['values']} in values too: {result}")
    return enough


def replay_v1(shared: Path, folder: Path) -> dict[str, int]:
    """Replay 1.0.0; return the numbers of exchanges."""
    share = folder / "share"
    share.mkdir()
    with _port() as remote_port:
        options = ["--share", str(share), "--allow-remote", f"127.0.0.1:{remote_port}", *_users(USERS_V1)]
        with _sandbox(options) as address:
            own = ["--share", str(share), "--remote-port", str(remote_port)]
            return _replay(shared, "replay_v1.py", "cvat-1.0.0", address, own)


def replay_v2(shared: Path, folder: Path) -> dict[str, int]:
    """Replay 2.73, with an emulator of S3 for its cloud storages; return the numbers of exchanges."""
    root, worker = USERS_V2
    plain = [f"{name}:Passw0rd-{name}:user" for name in PLAIN_V2]
    options = ["--version", "2.73", "--data", str(folder / "data"), *_users([root, *plain[:3], worker, plain[3]])]
    with run_emulator() as store, _port() as hook_port, _sandbox(options) as address:
        own = ["--s3", store.url, "--hook-port", str(hook_port)]
        return _replay(shared, "replay_v2.py", "cvat-2.73", address, own)


def _replay(shared: Path, tool: str, recordings: str, address: str, options: list[str]) -> dict[str, int]:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, str(shared / "tools" / tool), "--base", address, "--json", str(report)]
        subprocess.run([*command, "--recordings", str(shared / "recordings" / recordings), *options], check=True)
        found: dict[str, int] = json.loads(report.read_text())["totals"]["all"]
        return found


@contextmanager
def _port() -> Iterator[int]:
    """Hold a free port that the replay serves. It is bound here, so that no other process gets it."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@contextmanager
def _sandbox(options: list[str]) -> Iterator[str]:
    """Run a sandbox and yield its address."""
    command = [sys.executable, "-m", "cvat_sandbox", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sandbox:
        try:
            yield _address(sandbox)
        finally:
            sandbox.terminate()


def _users(users: list[str] | tuple[str, ...]) -> list[str]:
    return [part for user in users for part in ("--user", user)]


def _address(sandbox: subprocess.Popen[str]) -> str:
    """Return the address that the sandbox prints when it listens."""
    assert sandbox.stdout is not None
    for line in sandbox.stdout:
        if found := re.search(r"http://\S+", line):
            return found[0].rstrip("/")
    raise SystemExit("replay: the sandbox ended before it was ready")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

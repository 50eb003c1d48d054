"""A whole labelyard in a folder of its own: emulator, sandbox, and `labelyard up` with all that it starts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from emulator import StoreServer, run_emulator

from labelyard.cvat import Cvat, connect
from labelyard.ledger import upgrade
from labelyard.sandbox.faults import Faults
from labelyard.yard.everything import free_ports
from storms.serving import faulty_store, serving

USERS = ("root:rootpass:superuser", "ann:annpass1:annotator", "bob:bobpass1:annotator")
TOKEN = "control"
_START_SECONDS = 240.0
_LABELYARD = (sys.executable, "-m", "labelyard")
PARTS: Mapping[str, tuple[str, ...]] = {
    "prefect-server": ("labelyard.prefect.server",),
    "worker": ("worker", "start"),
    "watcher": ("labelyard", "watch"),
}
"""What `up` starts, and the words of its command lines."""


@dataclass
class Site:
    """Processes and addresses of a running labelyard. `up` and `sandbox` are started again when they end."""

    folder: Path
    ledger: str
    store: StoreServer
    store_url: str
    store_faults: Faults
    cvat_port: int
    settings: dict[str, str]
    bucket: str
    queue_url: str
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    emulator_pid: int = 0

    @property
    def cvat_url(self) -> str:
        """Where the sandbox answers."""
        return f"http://127.0.0.1:{self.cvat_port}"

    def person(self) -> Cvat:
        """Somebody at CVAT."""
        return connect(self.cvat_url, username="root", password="rootpass", dialect="v1", timeout=20)

    def write_settings(self, **more: str) -> None:
        """Write `.env`, which every run and every new process reads."""
        lines = [f"{name}={value}\n" for name, value in {**self.settings, **more}.items()]
        (self.folder / ".env.new").write_text("".join(lines))
        (self.folder / ".env.new").replace(self.folder / ".env")

    def start(self, name: str) -> None:
        """Start `up` or the sandbox, if it does not run."""
        running = self.processes.get(name)
        if running is not None and running.poll() is None:
            return
        command = [*_LABELYARD, "up"] if name == "up" else [
            *_LABELYARD, "sandbox", "--port", str(self.cvat_port), "--data", str(self.folder / "sandbox"),
            "--control-token", TOKEN, *(word for user in USERS for word in ("--user", user)),
        ]  # fmt: skip
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=self.folder, env=_clean(self.folder), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def pids(self, name: str) -> list[int]:
        """The processes of a part that run now."""
        if name == "emulator":
            return [self.emulator_pid]
        process = self.processes.get(name)
        if process is not None:
            return [process.pid] if process.poll() is None else []
        found = []
        with suppress(psutil.Error, KeyError):
            for child in psutil.Process(self.processes["up"].pid).children(recursive=True):
                with suppress(psutil.Error):
                    words = child.cmdline()
                    if all(any(word in given for given in words) for word in PARTS[name]):
                        found.append(child.pid)
        return found

    def set_faults(self, rules: list[dict[str, Any]]) -> None:
        """Let the sandbox misbehave."""
        httpx.post(f"{self.cvat_url}/_sandbox/faults", json=rules, headers=_CONTROL, timeout=20).raise_for_status()

    def faults(self) -> list[dict[str, Any]]:
        """How often each rule was met."""
        answer = httpx.get(f"{self.cvat_url}/_sandbox/faults", headers=_CONTROL, timeout=20)
        found: list[dict[str, Any]] = answer.json()
        return found

    def wait_until_ready(self) -> None:
        """Until `up` says that everything runs. Raises RuntimeError with its last words."""
        log, end = self.folder / "up.log", time.monotonic() + _START_SECONDS
        while "Ctrl-C ends it all" not in log.read_text():
            if time.monotonic() > end or self.processes["up"].poll() is not None:
                raise RuntimeError(f"labelyard up did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)

    def close(self) -> None:
        """End every process, whatever state it is in."""
        for name in ("emulator", "sandbox", *PARTS, "up"):
            for pid in self.pids(name):
                with suppress(ProcessLookupError):
                    os.kill(pid, 18)
        up = self.processes.get("up")
        if up is not None and up.poll() is None:
            up.terminate()
            with suppress(subprocess.TimeoutExpired):
                up.wait(60)
        for process in self.processes.values():
            process.kill()
            process.wait()


_CONTROL = {"Authorization": f"Bearer {TOKEN}"}


@contextmanager
def open_site(folder: Path, ledger: str, template: Path | None) -> Iterator[Site]:
    """A labelyard that runs; Prefect's database comes from a template where there is one."""
    with ExitStack() as stack:
        faults = Faults()
        store = stack.enter_context(run_emulator())
        store_url = stack.enter_context(serving(faulty_store(store.url, faults)))
        cvat_port, prefect_port, watch_port = free_ports(3)
        (folder / ".labelyard").mkdir(parents=True)
        upgrade(ledger)
        if template is not None:
            shutil.copytree(template, folder / ".labelyard" / "prefect")
        bucket, queue = store.new_bucket(), store.new_queue(VisibilityTimeout="5")
        store.notify(bucket, queue)
        at_proxy = f"{store_url}/{queue.split('/', 3)[3]}"
        settings = {
            "LABELYARD_LEDGER": ledger,
            "LABELYARD_SPOOL": str(folder / "spool"),
            "LABELYARD_STORE__ENDPOINT_URL": store_url,
            "LABELYARD_STORE__REGION": "us-east-1",
            "LABELYARD_STORE__ACCESS_KEY_ID": "test",
            "LABELYARD_STORE__SECRET_ACCESS_KEY": "test",
            "LABELYARD_STORE__ADDRESSING_STYLE": "path",
            "LABELYARD_CVAT__DEFAULT__URL": f"http://127.0.0.1:{cvat_port}",
            "LABELYARD_CVAT__DEFAULT__USERNAME": "root",
            "LABELYARD_CVAT__DEFAULT__PASSWORD": "rootpass",
            "LABELYARD_WATCH__QUEUE_URL": at_proxy,
            "LABELYARD_WATCH__SQS_ENDPOINT_URL": store_url,
            "LABELYARD_WATCH__PORT": str(watch_port),
            "LABELYARD_UP__PREFECT_PORT": str(prefect_port),
            "LABELYARD_DEPLOY__COLLECT_SECONDS": "3",
            "LABELYARD_DEPLOY__SWEEP_SECONDS": "5",
            "LABELYARD_ANNOUNCE_AGAIN_SECONDS": "10",
            "LABELYARD_LEASE_SECONDS": "12",
            "LABELYARD_UNCLEAR_UPLOAD_SECONDS": "5",
            "LABELYARD_POLL_SECONDS": "0.2",
        }
        emulator_pid = next(
            child.pid for child in psutil.Process().children() if any("ministack" in word for word in child.cmdline())
        )
        site = Site(folder, ledger, store, store_url, faults, cvat_port, settings, bucket, queue, {}, emulator_pid)
        site.write_settings()
        try:
            site.start("sandbox")
            site.start("up")
            site.wait_until_ready()
            yield site
        finally:
            site.close()


def _clean(folder: Path) -> dict[str, str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("LABELYARD_", "PREFECT_", "AWS_"))
    }
    return {
        **inherited,
        "NO_PROXY": "127.0.0.1,localhost",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "TMPDIR": str(folder),
    }

"""The full stack in its own folder: emulator, sandbox, and `labelyard up` with all processes that it starts."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import psutil

from cvat_sandbox.faults import Faults
from labelyard.cvat import Cvat, connect
from labelyard.demo.environment import (
    ACCOUNT,
    DemoEnvironment,
    create_environment,
    emulator_process,
    enter_environment,
    sandbox_process,
)
from labelyard.server_settings import StoreSettings
from labelyard.settings import load_settings
from labelyard.storage.boto import boto_client
from labelyard.supervisor import Process, RestartPolicy, Supervisor, prints
from tests.chaos.servers import faulty_store, serving

BUCKET, QUEUE = "chaos", "labelyard"
CONTROL_TOKEN = "control"
_CONTROL_HEADERS = {"Authorization": f"Bearer {CONTROL_TOKEN}"}
_START_SECONDS = 600.0
PROCESSES: Mapping[str, frozenset[str]] = {
    "emulator": frozenset({"ministack"}),
    "sandbox": frozenset({"cvat_sandbox"}),
    "up": frozenset({"labelyard", "up"}),
    "prefect-server": frozenset({"labelyard.orchestration.fast_worker.server"}),
    "worker": frozenset({"prefect", "worker", "start"}),
    "watcher": frozenset({"labelyard", "watch"}),
}
"""Its processes, and words of their command lines; `up` starts the last three."""
SHORT_TIMES = {
    "LABELYARD_DEPLOY__COLLECT_SECONDS": "5",
    "LABELYARD_DEPLOY__SWEEP_SECONDS": "10",
    "LABELYARD_DEPLOY__HOUSEKEEPING_SECONDS": "5",
    "LABELYARD_PUBLISH_AGAIN_SECONDS": "15",
    "LABELYARD_LEASE_SECONDS": "10",
    "LABELYARD_FORGOTTEN_SECONDS": "5",
    "LABELYARD_STALLED_SECONDS": "15",
    "LABELYARD_UNCLEAR_UPLOAD_SECONDS": "4",
    "LABELYARD_UNCLEAR_WRITE_SECONDS": "10",
    "LABELYARD_CVAT__DEFAULT__TIMEOUT_SECONDS": "5",
    "LABELYARD_STORE__TIMEOUT_SECONDS": "5",
}


@dataclass
class FullStack:
    """The folder, addresses and clients of a full stack. The supervisor restarts what dies, as an init system would."""

    environment: DemoEnvironment
    supervisor: Supervisor
    ledger: str
    store_url: str
    store_rules: Faults
    cvat: Cvat
    cvat_rules: RemoteFaultRules
    s3: Any
    sqs: Any
    orphans: list[psutil.Process] = field(default_factory=list)

    @property
    def queue_url(self) -> str:
        """The queue at the emulator itself, without the store's faults."""
        return f"{self.environment.store_url}/000000000000/{QUEUE}"

    @property
    def direct_store(self) -> StoreSettings:
        """The store without its faults."""
        return load_settings().store.model_copy(update={"endpoint_url": self.environment.store_url})

    def write_settings(self, **more: str) -> None:
        """Write `.env`, which every run and every new process reads."""
        settings = {
            **self.environment.settings,
            **SHORT_TIMES,
            "LABELYARD_LEDGER": self.ledger,
            "LABELYARD_STORE__ENDPOINT_URL": self.store_url,
            "LABELYARD_WATCH__SQS_ENDPOINT_URL": self.store_url,
            "LABELYARD_WATCH__QUEUE_URL": f"{self.store_url}/000000000000/{QUEUE}",
        }
        new = self.environment.folder / ".env.new"
        new.write_text("".join(f"{name}={value}\n" for name, value in {**settings, **more}.items()))
        new.replace(self.environment.folder / ".env")

    def create_bucket_and_queue(self) -> None:
        """Create the bucket and the queue if they are missing: an emulator that dies loses its queues."""
        with suppress(self.s3.exceptions.BucketAlreadyOwnedByYou):
            self.s3.create_bucket(Bucket=BUCKET)
        self.sqs.create_queue(QueueName=QUEUE, Attributes={"VisibilityTimeout": "5"})

    def start(self) -> None:
        """Start everything. Raises ProcessFailed if a process does not start."""
        store = _with_disk(emulator_process(self.environment), self.environment.folder)
        self.supervisor.start(store, _with_control_token(sandbox_process(self.environment)))
        self.create_bucket_and_queue()
        up = [sys.executable, "-m", "labelyard", "up"]
        self.supervisor.start(Process("up", up, {}, prints("Ctrl-C stops everything"), _START_SECONDS, stop_within=60))

    def processes(self, name: str) -> list[psutil.Process]:
        """Return the running processes of a name."""
        return [process for process in _children() if PROCESSES[name] <= _command_line(process)]

    def kill(self, name: str) -> None:
        """Kill -9. The children of a killed `up` are ended by its reaper some seconds later."""
        found = self.processes(name)
        if name == "up":
            self.orphans += [child for process in found for child in process.children(recursive=True)]
        for process in found:
            with suppress(psutil.Error):
                process.kill()

    def kill_all(self) -> None:
        """Kill every process, stopped ones too."""
        processes = [*self.orphans, *_children()]
        for process in processes:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(processes, timeout=10)

    def wait_until_servers_respond(self) -> None:
        """Wait until the emulator and the sandbox respond. Raises RuntimeError."""
        end = time.monotonic() + _START_SECONDS
        for url in (f"{self.environment.store_url}/_ministack/health", f"{self.environment.cvat_url}/"):
            while not _responds(url):
                self.supervisor.check()
                if time.monotonic() > end:
                    raise RuntimeError(f"{url} does not respond")
                time.sleep(0.1)


class RemoteFaultRules:
    """The fault rules of a sandbox in another process. Keeps the last counts of a sandbox that has died."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/_sandbox/faults"
        self._last: list[dict[str, Any]] = []

    def set(self, rules: Any) -> None:
        """Replace the rules."""
        httpx.post(self._url, json=rules, headers=_CONTROL_HEADERS, timeout=20).raise_for_status()
        self._last = []

    def described(self) -> list[dict[str, Any]]:
        """Return the rules with the number of requests that each met; the last known ones if there is no response."""
        with suppress(httpx.HTTPError):
            response = httpx.get(self._url, headers=_CONTROL_HEADERS, timeout=5)
            response.raise_for_status()
            self._last = response.json() or self._last
        return self._last


@contextmanager
def open_full_stack(
    folder: Path, ledger: str, on_message: Callable[[str], None], cvat_version: str
) -> Iterator[FullStack]:
    """Prepare a full stack in a folder, without starting it; end all of its processes when the context ends.

    This process changes its working directory to the folder. `on_message` receives the supervisor's messages.
    """
    made, store_rules = create_environment(folder, cvat_version), Faults()
    enter_environment(made)
    policy = RestartPolicy(longest=2.0, failures=1000)  # restart for ever, as an init system does
    with (
        serving(faulty_store(made.store_url, store_rules)) as store_url,
        Supervisor(folder / "logs", on_message, policy) as supervisor,
    ):
        cvat = connect(made.cvat_url, username=ACCOUNT, password=made.password, timeout=20)
        store = load_settings().store
        s3, sqs = boto_client("s3", store, made.store_url), boto_client("sqs", store, made.store_url)
        stack = FullStack(
            made, supervisor, ledger, store_url, store_rules, cvat, RemoteFaultRules(made.cvat_url), s3, sqs
        )
        stack.write_settings()
        try:
            yield stack
        finally:
            stack.kill_all()


def _with_disk(part: Process, folder: Path) -> Process:
    """Return the emulator with its objects on disk, so that they survive its end."""
    return replace(part, environment={**part.environment, "S3_PERSIST": "1", "S3_DATA_DIR": str(folder / "s3")})


def _with_control_token(part: Process) -> Process:
    return replace(part, command=[*part.command, "--control-token", CONTROL_TOKEN])


def _children() -> list[psutil.Process]:
    children: list[psutil.Process] = psutil.Process().children(recursive=True)
    return children


def _command_line(process: psutil.Process) -> frozenset[str]:
    try:
        return frozenset(process.cmdline())
    except psutil.Error:
        return frozenset()


def _responds(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code < httpx.codes.INTERNAL_SERVER_ERROR
    except httpx.HTTPError:
        return False

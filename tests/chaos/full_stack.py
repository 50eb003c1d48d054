"""A whole labelyard in a folder of its own: emulator, sandbox, and `labelyard up` with all that it starts."""

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

from labelyard.cvat import Cvat, connect
from labelyard.demo.environment import ACCOUNT, Surroundings, emulator, sandbox, step_inside, surround
from labelyard.sandbox.faults import Faults
from labelyard.settings import load_settings
from labelyard.storage.store import client
from labelyard.supervisor import Part, Patience, Supervisor, prints
from tests.chaos.servers import faulty_store, serving

BUCKET, QUEUE = "storms", "labelyard"
_TOKEN = "control"
_CONTROL = {"Authorization": f"Bearer {_TOKEN}"}
_START_SECONDS = 600.0
PARTS: Mapping[str, frozenset[str]] = {
    "emulator": frozenset({"ministack"}),
    "sandbox": frozenset({"labelyard", "sandbox"}),
    "up": frozenset({"labelyard", "up"}),
    "prefect-server": frozenset({"labelyard.orchestration.fast_worker.server"}),
    "worker": frozenset({"prefect", "worker", "start"}),
    "watcher": frozenset({"labelyard", "watch"}),
}
"""Its parts, and the words of their command lines; the last three are started by `up`."""
_SHORT = {
    "LABELYARD_DEPLOY__COLLECT_SECONDS": "5",
    "LABELYARD_DEPLOY__SWEEP_SECONDS": "10",
    "LABELYARD_DEPLOY__HOUSEKEEPING_SECONDS": "5",
    "LABELYARD_PUBLISH_AGAIN_SECONDS": "15",
    "LABELYARD_LEASE_SECONDS": "10",
    "LABELYARD_UNCLEAR_UPLOAD_SECONDS": "4",
    "LABELYARD_CVAT__DEFAULT__TIMEOUT_SECONDS": "5",
    "LABELYARD_STORE__TIMEOUT_SECONDS": "5",
}
"""Nobody wants to wait for a lease of two minutes."""


@dataclass
class Site:
    """A labelyard's folder and addresses; the yard starts again what dies, as an init system would."""

    made: Surroundings
    yard: Supervisor
    ledger: str
    store_url: str
    store_faults: Faults
    cvat: Cvat
    cvat_faults: FaultsThere
    s3: Any
    sqs: Any
    orphans: list[psutil.Process] = field(default_factory=list)

    @property
    def queue_url(self) -> str:
        """The queue, as whoever puts files reaches it."""
        return f"{self.made.store_url}/000000000000/{QUEUE}"

    def write_settings(self, **more: str) -> None:
        """Write `.env`, which every run and every new process reads."""
        settings = {
            **self.made.settings,
            **_SHORT,
            "LABELYARD_LEDGER": self.ledger,
            "LABELYARD_STORE__ENDPOINT_URL": self.store_url,
            "LABELYARD_WATCH__SQS_ENDPOINT_URL": self.store_url,
            "LABELYARD_WATCH__QUEUE_URL": f"{self.store_url}/000000000000/{QUEUE}",
        }
        new = self.made.folder / ".env.new"
        new.write_text("".join(f"{name}={value}\n" for name, value in {**settings, **more}.items()))
        new.replace(self.made.folder / ".env")

    def make_bucket_and_queue(self) -> None:
        """Make what is missing: an emulator that dies forgets its queues."""
        with suppress(self.s3.exceptions.BucketAlreadyOwnedByYou):
            self.s3.create_bucket(Bucket=BUCKET)
        self.sqs.create_queue(QueueName=QUEUE, Attributes={"VisibilityTimeout": "5"})

    def start(self) -> None:
        """Start everything. Raises PartFailed where something does not start."""
        start_store = [_with_disk(emulator(self.made), self.made.folder), _with_control(sandbox(self.made))]
        self.yard.start(*start_store)
        self.make_bucket_and_queue()
        up = [sys.executable, "-m", "labelyard", "up"]
        self.yard.start(Part("up", up, {}, prints("Ctrl-C ends it all"), _START_SECONDS, end_within=60))

    def processes(self, part: str) -> list[psutil.Process]:
        """The processes of a part that run now."""
        return [process for process in self._all() if PARTS[part] <= _words(process)]

    def kill(self, part: str) -> None:
        """Kill -9. What `up` leaves behind its guard ends, some seconds later."""
        found = self.processes(part)
        if part == "up":
            self.orphans += [child for process in found for child in process.children(recursive=True)]
        for process in found:
            with suppress(psutil.Error):
                process.kill()

    def end(self) -> None:
        """Kill every process, whatever state it is in."""
        everybody = [*self.orphans, *self._all()]
        for process in everybody:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(everybody, timeout=10)

    def wait_until_all_answer(self) -> None:
        """Until emulator and sandbox are there again. Raises RuntimeError."""
        end = time.monotonic() + _START_SECONDS
        for url in (f"{self.made.store_url}/_ministack/health", f"{self.made.cvat_url}/"):
            while not _answers(url):
                self.yard.look()
                if time.monotonic() > end:
                    raise RuntimeError(f"{url} does not answer")
                time.sleep(0.1)

    def _all(self) -> list[psutil.Process]:
        children: list[psutil.Process] = psutil.Process().children(recursive=True)
        return children


class FaultsThere:
    """The faults of a sandbox in another process; what was met before it died is kept."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/_sandbox/faults"
        self._seen: list[dict[str, Any]] = []

    def set(self, rules: Any) -> None:
        """Replace its rules."""
        httpx.post(self._url, json=rules, headers=_CONTROL, timeout=20).raise_for_status()
        self._seen = []

    def described(self) -> list[dict[str, Any]]:
        """Its rules and how often each was met; while it does not answer, what it said last."""
        with suppress(httpx.HTTPError):
            answer = httpx.get(self._url, headers=_CONTROL, timeout=5)
            answer.raise_for_status()
            self._seen = answer.json() or self._seen
        return self._seen


@contextmanager
def open_site(folder: Path, ledger: str, tell: Callable[[str], None]) -> Iterator[Site]:
    """A labelyard's folder with nothing running yet; what is started ends with the context.

    This process moves into the folder.
    """
    made, faults = surround(folder), Faults()
    step_inside(made)
    patience = Patience(longest=2.0, deaths=1000)  # an init system does not give up either
    with (
        serving(faulty_store(made.store_url, faults)) as store_url,
        Supervisor(folder / "logs", tell, patience) as yard,
    ):
        cvat = connect(made.cvat_url, username=ACCOUNT, password=made.password, dialect="v1", timeout=20)
        store = load_settings().store
        s3, sqs = client("s3", store, made.store_url), client("sqs", store, made.store_url)
        site = Site(made, yard, ledger, store_url, faults, cvat, FaultsThere(made.cvat_url), s3, sqs)
        site.write_settings()
        try:
            yield site
        finally:
            site.end()


def _with_disk(part: Part, folder: Path) -> Part:
    """An emulator whose objects outlive it."""
    return replace(part, environment={**part.environment, "S3_PERSIST": "1", "S3_DATA_DIR": str(folder / "s3")})


def _with_control(part: Part) -> Part:
    return replace(part, command=[*part.command, "--control-token", _TOKEN])


def _words(process: psutil.Process) -> frozenset[str]:
    try:
        return frozenset(process.cmdline())
    except psutil.Error:
        return frozenset()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code < httpx.codes.INTERNAL_SERVER_ERROR
    except httpx.HTTPError:
        return False

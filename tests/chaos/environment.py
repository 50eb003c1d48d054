"""A lane: a sandbox, a store and a stand-in for Prefect with their faults, and processes that may die."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import psutil

from cvat_sandbox import Serving, serve
from cvat_sandbox.faults import Faults
from labelyard.cvat import Cvat, connect
from labelyard.ledger import upgrade
from labelyard.storage.boto import boto_client
from tests.chaos.postgres import drop_database, make_database
from tests.chaos.servers import PrefectStandIn, faulty_store, serving
from tests.chaos.worker_main import Config, Errand

USERS = ("root:rootpass:superuser", "ann:annpass1:annotator", "bob:bobpass1:annotator")
_HERE = Path(__file__).resolve().parents[1]


class Hand:
    """A process that does errands; `exit_status` is known once it is dead."""

    def __init__(self, nursery: Nursery) -> None:
        self._nursery = nursery
        ours, theirs = socket.socketpair()
        self.pid = nursery.fork(theirs.fileno())
        theirs.close()
        self.wire = Connection(ours.detach())
        self.errand: Errand | None = None
        self.exit_status: int | None = None
        self.stopped_at: float | None = None
        self._killed = False

    def start(self, errand: Errand) -> None:
        """Give it something to do."""
        self.errand, self.stopped_at = errand, None
        with suppress(BrokenPipeError):
            self.wire.send(errand)

    def ended(self) -> str | None:
        """What the errand ended with; None while it goes on, or when the process is dead or was killed at its end."""
        try:
            if self.exit_status is not None or not self.wire.poll():
                return None
            words: str = self.wire.recv()
            if self._killed:
                return None
        except (EOFError, ConnectionResetError):
            self.exit_status = self._nursery.wait(self.pid)
            self.wire.close()
            return None
        self.errand = None
        return words

    def is_stopped(self) -> bool:
        """Whether the kernel has stopped it."""
        return self.exit_status is None and psutil.Process(self.pid).status() == psutil.STATUS_STOPPED

    def send_signal(self, number: int) -> None:
        """Such as SIGKILL; to a process that has not been waited for, so that the id is its own."""
        if self.exit_status is None:
            self._killed |= number == signal.SIGKILL
            os.kill(self.pid, number)

    def end(self) -> None:
        """Kill it and wait."""
        self.send_signal(signal.SIGKILL)
        while self.exit_status is None:
            self.wire.poll(1)
            self.ended()


class Nursery:
    """The warm process that others are forked from."""

    def __init__(self, config: Config) -> None:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "storms.worker", json.dumps(asdict(config)), str(theirs.fileno())]
        paths = os.pathsep.join([str(_HERE), os.environ.get("PYTHONPATH", "")])
        self._process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], env={**os.environ, "PYTHONPATH": paths}, stdout=subprocess.DEVNULL
        )
        theirs.close()
        self._control, self._words = ours, ours.makefile()
        self._answer()

    def fork(self, descriptor: int) -> int:
        """A new process that listens on the descriptor; its id."""
        socket.send_fds(self._control, [b"fork"], [descriptor])
        return int(self._answer())

    def wait(self, pid: int) -> int:
        """How a process that ends now ended: its exit status, or the signal's number below zero."""
        self._control.sendall(b"%d" % pid)
        return int(self._answer())

    def close(self) -> None:
        """End it."""
        self._words.close()
        self._control.close()
        self._process.wait(10)

    def _answer(self) -> str:
        line = self._words.readline()
        if not line:
            raise RuntimeError("the warm process ended: see its words above")
        return line


@dataclass
class Ledgers:
    """Fresh ledgers, one a run. SQLite: copies of an empty one. PostgreSQL: databases made from a template."""

    folder: Path
    server: str | None = None
    """A PostgreSQL URL whose user may create databases."""
    _template: Path | None = None

    def make(self, name: str) -> str:
        """The URL of a new, empty ledger."""
        if self.server is not None:
            return make_database(self.server, name)
        if self._template is None:
            self._template = self.folder / "template.db"
            upgrade(f"sqlite:///{self._template}")
        file = self.folder / f"{name}.db"
        shutil.copyfile(self._template, file)
        return f"sqlite:///{file}"

    def remove(self, name: str) -> None:
        """Forget a ledger."""
        if self.server is not None:
            drop_database(self.server, name)
        for file in self.folder.glob(f"{name}.db*"):
            file.unlink(missing_ok=True)


@dataclass
class Lane:
    """What its runs share; one run at a time."""

    folder: Path
    ledgers: Ledgers
    sandbox: Serving
    cvat: Cvat
    store_url: str
    store_faults: Faults
    prefect: PrefectStandIn
    prefect_url: str
    s3: Any
    sqs: Any
    bucket: str
    nursery: Nursery
    config: Config
    idle: list[Hand] = field(default_factory=list)

    def hand(self) -> Hand:
        """A process with nothing to do."""
        return self.idle.pop() if self.idle else Hand(self.nursery)

    def close(self) -> None:
        """End the processes."""
        for hand in self.idle:
            hand.end()
        self.nursery.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def open_lane(emulator_url: str, postgres: str | None = None) -> Iterator[Lane]:
    """A lane before an emulator that is running."""
    with tempfile.TemporaryDirectory(prefix="labelyard-storms-", ignore_cleanup_errors=True) as name:
        folder, faults, prefect = Path(name), Faults(), PrefectStandIn()
        with (
            serve(USERS) as sandbox,
            serving(faulty_store(emulator_url, faults)) as store_url,
            serving(prefect) as prefect_url,
        ):
            cvat = connect(sandbox.url, username="root", password="rootpass", dialect="v1")
            config = Config(store_url, sandbox.url, cvat.login().get_secret_value())
            clean = Config(emulator_url, sandbox.url, "").store
            s3, sqs = boto_client("s3", clean, emulator_url), boto_client("sqs", clean, emulator_url)
            bucket = f"storms-{os.getpid()}-{folder.name[-6:].lower().replace('_', '0')}"
            s3.create_bucket(Bucket=bucket)
            ledgers = Ledgers(folder, postgres)
            lane = Lane(folder, ledgers, sandbox, cvat, store_url, faults, prefect, prefect_url, s3, sqs, bucket,
                        Nursery(config), config)  # fmt: skip
            with lane:
                yield lane

"""What a running sandbox consists of: how it is set up, its state, its workers and their queues."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from cvat_sandbox.accounts import Accounts, Person
from cvat_sandbox.creation import Creations
from cvat_sandbox.exports import Exports
from cvat_sandbox.faults import Faults, Rule
from cvat_sandbox.imports import Imports
from cvat_sandbox.sources import Remote, Share
from cvat_sandbox.state import Store
from cvat_sandbox.workers import WorkerPool


@dataclass(frozen=True)
class Options:
    """How a sandbox is set up."""

    users: tuple[Person, ...] = ()
    host: str = "127.0.0.1"
    port: int = 0
    data: Path | None = None
    """Where the state is kept; None: in a temporary folder that goes with the server."""
    share: Path | None = None
    allow_remote: tuple[str, ...] = ()
    faults: tuple[Rule, ...] = ()
    control_token: str = ""
    workers: int = 2


@dataclass
class Sandbox:
    """Everything that a request may need."""

    options: Options
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder = self.options.data or Path(tempfile.mkdtemp(prefix="cvat-sandbox-"))
        self.incoming.mkdir(parents=True, exist_ok=True)
        for left in self.incoming.iterdir():
            left.unlink()
        self.store = Store(self.folder / "state.sqlite", durable=self.options.data is not None)
        self.faults = Faults(self.options.faults)
        self.accounts = Accounts(self.store)
        self.accounts.add(self.options.users)
        self.share, remote = Share(self.options.share), Remote(frozenset(self.options.allow_remote))
        self.workers = WorkerPool(self.options.workers)
        self.creations = Creations(self.store, self.workers, self.folder, self.share, remote, self.faults)
        self.exports = Exports(self.store, self.workers, self.folder, self.faults)
        self.imports = Imports(self.store, self.workers, self.folder)
        self.creations.resume()

    @property
    def incoming(self) -> Path:
        """Where the files of uploads lie until they are taken over."""
        return self.folder / "incoming"

    def forget_task(self, task_id: int, data_id: int | None) -> None:
        """Remove the files of a task that is gone."""
        self.exports.forget(task_id)
        shutil.rmtree(self.folder / "tasks" / str(task_id), ignore_errors=True)
        if data_id is not None:
            shutil.rmtree(self.creations.folder(data_id), ignore_errors=True)

    def close(self) -> bool:
        """End the workers; without a folder of one's own, remove everything."""
        stopped = self.workers.stop()
        self.store.close()
        if self.options.data is None:
            shutil.rmtree(self.folder, ignore_errors=True)
        return stopped

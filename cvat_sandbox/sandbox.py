"""A sandbox: its options, its state and its workers, shared by all API families and pages."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from cvat_sandbox.faults import Faults, Rule
from cvat_sandbox.state import organizations
from cvat_sandbox.state.database import Database
from cvat_sandbox.state.quality import keep_settings
from cvat_sandbox.state.throttle import Throttle
from cvat_sandbox.state.users import GROUPS, SYSTEM_ROLES, Person, Users
from cvat_sandbox.workers.cloud_files import CloudFiles
from cvat_sandbox.workers.creation import Creations
from cvat_sandbox.workers.dataset_exports import DatasetExports
from cvat_sandbox.workers.dataset_imports import DatasetImports
from cvat_sandbox.workers.deliveries import RETRY_SECONDS, Deliveries
from cvat_sandbox.workers.downloads import Downloader
from cvat_sandbox.workers.exports import Exports
from cvat_sandbox.workers.imports import Imports
from cvat_sandbox.workers.merges import Merges
from cvat_sandbox.workers.partial_files import PartialFiles
from cvat_sandbox.workers.pool import WorkerPool
from cvat_sandbox.workers.quality_reports import QualityReports
from cvat_sandbox.workers.requests import Requests
from cvat_sandbox.workers.share import Share
from cvat_sandbox.workers.task_data import TaskData


@dataclass(frozen=True)
class Options:
    """How a sandbox is set up. The command `cvat-sandbox` has an option for each field."""

    version: str = "1.0.0"
    """The version of CVAT whose API it serves: a key of `cvat_sandbox.server.FAMILIES`."""
    users: tuple[Person, ...] = ()
    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free port."""
    data: Path | None = None
    """The folder with the state. None means a temporary folder, which `Sandbox.close` deletes."""
    share: Path | None = None
    """The folder that `server_files` name."""
    allow_remote: tuple[str, ...] = ()
    """`host:port` of each server that `remote_files` may name."""
    faults: tuple[Rule, ...] = ()
    control_token: str = ""
    """The bearer token of `/_sandbox/faults`. Without one, that endpoint does not exist."""
    workers: int = 2
    anonymous_limit: int = 0
    """How many requests without credentials a client may send in a minute; 0: any number. The real 2.x allows 100."""
    organization: str = ""
    """Of 2.x: the short name of an organization that all users are in. The first of them owns it, the others are its
    workers. It is created unless it exists."""
    webhook_retries: tuple[float, ...] = RETRY_SECONDS
    """The pauses in seconds after failed deliveries of a webhook. After the last one a delivery is given up."""


@dataclass
class Sandbox:
    """The state and the workers of a server."""

    options: Options
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder = self.options.data or Path(tempfile.mkdtemp(prefix="cvat-sandbox-"))
        self.incoming.mkdir(parents=True, exist_ok=True)
        for file in self.incoming.iterdir():
            file.unlink()
        self.db = Database(self.folder / "state.sqlite", durable=self.options.data is not None)
        keep_settings(self.db)
        self.faults = Faults(self.options.faults)
        self.users = Users(self.db, GROUPS if self.options.version == "1.0.0" else SYSTEM_ROLES)
        self.users.add(self.options.users)
        if self.options.organization:
            organizations.create_with_all(self.db, self.options.organization)
        self.throttle = Throttle(self.options.anonymous_limit)
        self.share = Share(self.options.share)
        downloader = Downloader(frozenset(self.options.allow_remote))
        self.workers = WorkerPool(self.options.workers)
        self.creations = Creations(self.db, self.workers, self.folder, self.share, downloader, self.faults)
        self.exports = Exports(self.db, self.workers, self.folder, self.faults)
        self.imports = Imports(self.db, self.workers, self.folder)
        self.requests = Requests(self.db, self.workers, self.faults)
        self.cloud_files = CloudFiles(self.db)
        self.dataset_exports = DatasetExports(self.db, self.requests, self.folder, self.cloud_files)
        self.partial_files = PartialFiles(self.incoming)
        self.dataset_imports = DatasetImports(self.db, self.requests, self.folder)
        self.quality_reports = QualityReports(self.db, self.requests)
        self.merges = Merges(self.db, self.requests)
        self.task_data = TaskData(
            self.db, self.requests, self.folder, self.share, downloader, self.cloud_files, self.faults
        )
        agent = f"CVAT/{self.options.version}.0"
        self.deliveries = Deliveries(self.db, self.faults, self.options.webhook_retries, agent=agent)
        self.creations.resume()
        self.requests.forget_interrupted(but="create")
        self.task_data.resume()

    @property
    def incoming(self) -> Path:
        """The folder for uploaded files until a request keeps them."""
        return self.folder / "incoming"

    def delete_files(self, task_id: int, data_id: int | None) -> None:
        """Delete the files of a deleted task."""
        self.exports.forget(task_id)
        shutil.rmtree(self.folder / "tasks" / str(task_id), ignore_errors=True)
        if data_id is not None:
            shutil.rmtree(self.creations.folder(data_id), ignore_errors=True)

    def close(self) -> bool:
        """Stop the workers and close the database; return whether the running jobs ended in time."""
        ended = [self.workers.stop(), self.deliveries.stop()]
        self.db.close()
        if self.options.data is None:
            shutil.rmtree(self.folder, ignore_errors=True)
        return all(ended)
